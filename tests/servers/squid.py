"""squid as forward proxy with an allowlist, one process per call."""

import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.forward_proxy import BasicAuth, ForwardProxy, StartForwardProxy
from tests.servers.https_target import hosts_lines
from tests.servers.process import ServerProcess, start_on_free_port, start_process, wait_until
from tests.servers.provisioned import installed, installed_package
from tests.servers.unprivileged import as_user, folder_for, give_to

_USER = "proxy"
_PASSWORD_HELPER = "/usr/lib/squid/basic_ncsa_auth"
_READY = "Accepting HTTP Socket connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Squid:
    folder: Path
    ports: tuple[int, ...]
    auth: BasicAuth | None

    def configuration(self, port: int) -> str:
        """squid.conf; every path in it is absolute, as squid changes its folder."""
        authenticated = ""
        if self.auth is not None:
            authenticated = f"""
                auth_param basic program {_PASSWORD_HELPER} {self.folder}/passwords
                auth_param basic children 1
                acl authenticated proxy_auth REQUIRED
                http_access deny !authenticated
            """
        lines = f"""
            http_port 127.0.0.1:{port}
            hosts_file {self.folder}/hosts
            acl allowed_ports port {" ".join(map(str, self.ports))}
            acl allowed dstdomain "{self.folder}/allow.txt"
            http_access deny !allowed_ports
            {authenticated}
            http_access allow allowed
            http_access deny all
            cache deny all
            cache_mem 8 MB
            max_filedescriptors 1024
            visible_hostname localhost
            shutdown_lifetime 0 seconds
            dns_timeout 2 seconds
            pid_filename {self.folder}/squid.pid
            coredump_dir {self.folder}
            access_log stdio:{self.folder}/access.log
            cache_log {self.folder}/cache.log
        """
        return "".join(f"{line.strip()}\n" for line in lines.splitlines() if line.strip())

    def write(self, allow: Sequence[str]) -> None:
        """Write everything but the configuration itself."""
        (self.folder / "hosts").write_text(hosts_lines())
        (self.folder / "allow.txt").write_text("".join(f"{name}\n" for name in allow))
        if self.auth is not None:
            # The program that squid users make such files with; the password goes by standard input.
            openssl = installed("openssl", remedy="Run: apt-get install openssl")
            argv = [str(openssl), "passwd", "-6", "-stdin"]
            hashed = subprocess.run(argv, input=self.auth.password, check=True, capture_output=True, text=True).stdout
            (self.folder / "passwords").write_text(f"{self.auth.user}:{hashed}")
            (self.folder / "passwords").chmod(0o600)
            give_to(_USER, [self.folder / "passwords"])

    def start(self, port: int) -> ServerProcess:
        """Start it in the foreground."""
        (self.folder / "squid.conf").write_text(self.configuration(port))
        (self.folder / "cache.log").unlink(missing_ok=True)
        (self.folder / "squid.pid").unlink(missing_ok=True)
        argv = [*as_user(_USER), str(installed_package("squid")), "-N", "-f", str(self.folder / "squid.conf")]
        return start_process(argv, log=self.folder / "squid.log", env=minimal_environment(self.folder))

    def times_ready(self) -> int:
        """How often it has begun to listen."""
        log = self.folder / "cache.log"
        return log.read_text().count(_READY) if log.exists() else 0

    def replace_allowlist(self, process: ServerProcess, allow: Sequence[str]) -> None:
        """Write another list and have it read, as `squid -k reconfigure` does."""
        before = self.times_ready()
        self.write(allow)
        process.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: self.times_ready() > before, process=process, what="squid after reconfiguring")


@pytest.fixture
def squid_proxy() -> Iterator[StartForwardProxy]:
    """A function that starts squid: `squid_proxy(allow=["allowed.target.test"], ports=[target.port])`."""
    running: list[tuple[ServerProcess, Path]] = []

    def start(*, allow: Sequence[str], ports: Iterable[int], auth: BasicAuth | None = None) -> ForwardProxy:
        folder = folder_for(_USER, prefix="squid")
        squid = _Squid(folder=folder, ports=tuple(ports), auth=auth)
        squid.write(allow)

        def wait(process: ServerProcess, _port: int) -> None:
            wait_until(lambda: squid.times_ready() > 0, process=process, what="squid")

        process, port = start_on_free_port(squid.start, wait)
        running.append((process, folder))
        return ForwardProxy(
            port=port,
            log=folder / "access.log",
            replace_allowlist=lambda names: squid.replace_allowlist(process, names),
            auth=auth,
        )

    yield start
    for process, folder in running:
        process.kill()  # It keeps nothing, and takes two seconds to end in peace.
        shutil.rmtree(folder)

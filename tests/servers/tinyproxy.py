"""tinyproxy as forward proxy with an allowlist (FilterDefaultDeny), one process per call.

It resolves names by the machine alone, so only `localhost` and addresses lead anywhere.
"""

import re
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.forward_proxy import BasicAuth, ForwardProxy, StartForwardProxy
from tests.servers.process import ServerProcess, start_http_server, start_process, wait_until
from tests.servers.provisioned import installed_package
from tests.servers.unprivileged import as_user, folder_for, give_to

_USER = "proxy"
_RELOADED = "Re-reading filter file"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tinyproxy:
    folder: Path
    ports: tuple[int, ...]
    auth: BasicAuth | None

    @property
    def log(self) -> Path:
        return self.folder / "tinyproxy.log"

    def write(self, allow: Sequence[str]) -> None:
        """Write the filter: one regular expression per name."""
        (self.folder / "allow.txt").write_text("".join(f"^{re.escape(name)}$\n" for name in allow))

    def start(self, port: int) -> ServerProcess:
        """Start it in the foreground."""
        configuration = self.folder / "tinyproxy.conf"
        configuration.touch(mode=0o600)
        lines = [
            f"Port {port}",
            "Listen 127.0.0.1",
            "Allow 127.0.0.1",
            "MaxClients 50",
            "Timeout 60",
            "LogLevel Connect",
            f'Filter "{self.folder}/allow.txt"',
            "FilterDefaultDeny Yes",
            "FilterType ere",
            *(f"ConnectPort {allowed}" for allowed in self.ports),
            *([f"BasicAuth {self.auth.user} {self.auth.password}"] if self.auth else []),
        ]
        configuration.write_text("".join(f"{line}\n" for line in lines))
        give_to(_USER, [configuration])
        argv = [*as_user(_USER), str(installed_package("tinyproxy")), "-d", "-c", str(configuration)]
        return start_process(argv, log=self.log, env=minimal_environment(self.folder))

    def replace_allowlist(self, process: ServerProcess, allow: Sequence[str]) -> None:
        """Write another filter and have it read."""
        before = self.log.read_text().count(_RELOADED)
        self.write(allow)
        process.popen.send_signal(signal.SIGUSR1)
        wait_until(
            lambda: self.log.read_text().count(_RELOADED) > before, process=process, what="tinyproxy after reloading"
        )


@pytest.fixture
def tinyproxy() -> Iterator[StartForwardProxy]:
    """A function that starts tinyproxy: `tinyproxy(allow=["localhost"], ports=[target.port])`."""
    running: list[tuple[ServerProcess, Path]] = []

    def start(*, allow: Sequence[str], ports: Iterable[int], auth: BasicAuth | None = None) -> ForwardProxy:
        folder = folder_for(_USER, prefix="tinyproxy")
        proxy = _Tinyproxy(folder=folder, ports=tuple(ports), auth=auth)
        proxy.write(allow)
        # An answer, not just an open port: until it answers, the signal for a new list would end it.
        process, port = start_http_server(proxy.start, health="/")
        running.append((process, folder))
        return ForwardProxy(
            port=port,
            log=proxy.log,
            replace_allowlist=lambda names: proxy.replace_allowlist(process, names),
            auth=auth,
        )

    yield start
    for process, folder in running:
        process.kill()
        shutil.rmtree(folder)

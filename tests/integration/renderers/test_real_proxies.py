"""The rendered files in the proxies themselves: what they admit is what the allowlist means."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from lifecycle.domain.allowlist import ResolvedAllowlist, resolve
from lifecycle.domain.spec import Allowlist, AllowlistEntry, HostMatch
from lifecycle.renderers.allowlists import ALLOWLIST_TARGETS
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, free_port, start_process, wait_until
from tests.servers.provisioned import installed_package
from tests.servers.unprivileged import as_user, folder_for
from tests.unit.terraform_cli.specs import PLACE

_SQUID_USER = "proxy"
_ENTRIES = (
    ("exact.test", HostMatch.EXACT),
    ("both.test", HostMatch.APEX_AND_SUBDOMAINS),
    ("below.test", HostMatch.SUBDOMAINS),
)
_HOSTS = [
    f"{prefix}{name}{suffix}"
    for name, _ in _ENTRIES
    for prefix in ("", "a.", "a.b.", "bad", "bad-")
    for suffix in ("", ".evil.test")
]


def _resolved(*, address: bool) -> ResolvedAllowlist:
    entries = tuple(AllowlistEntry(host=name, match=match, reason="test") for name, match in _ENTRIES)
    if address:
        entries += (AllowlistEntry(cidr="127.0.0.8/32", reason="test"),)
    allowlist = Allowlist(name="egress", targets=("squid",), entries=entries, owner="network", place=PLACE)
    return resolve(allowlist, {}, date(2026, 11, 24))


def _connect(port: int, host: str, target_port: int) -> int:
    """Status with which the proxy answers a CONNECT."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"CONNECT {host}:{target_port} HTTP/1.1\r\nHost: {host}:{target_port}\r\n\r\n".encode())
        answer = connection.recv(4096)
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    assert status is not None, answer
    return int(status[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _proxy(argv: list[str], port: int, folder: Path) -> Iterator[ServerProcess]:
    process = start_process(argv, log=folder / "proxy.log", env=minimal_environment(folder), cwd=folder)
    try:
        wait_until(lambda: _listens(port), process=process, what=argv[0])
        yield process
    finally:
        process.stop()  # a killed squid leaves its shared memory behind


@pytest.fixture
def squid() -> Iterator[int]:
    folder = folder_for(_SQUID_USER, prefix="squid-allowlist")
    port = free_port()
    hosts = "\n".join(f"127.0.0.9 {host}" for host in _HOSTS)
    (folder / "hosts").write_text(f"{hosts}\n127.0.0.8 resolves-there.test\n")
    settings = [
        f"http_port 127.0.0.1:{port}",
        f"hosts_file {folder / 'hosts'}",
        f"pid_filename {folder / 'squid.pid'}",
        f"coredump_dir {folder}",
        f"cache_log {folder / 'cache.log'}",
        "access_log none",
        "cache deny all",
        "cache_mem 8 MB",
        "max_filedescriptors 1024",
        "visible_hostname localhost",
        "dns_timeout 1 second",
        "shutdown_lifetime 0 seconds",
        ALLOWLIST_TARGETS["squid"].render(_resolved(address=True)).files["squid.conf"],
    ]
    (folder / "squid.conf").write_text("\n".join(settings))
    argv = [
        *as_user(_SQUID_USER),
        str(installed_package("squid")),
        "-n",
        f"allowlist{port}",
        "-N",
        "-f",
        str(folder / "squid.conf"),
    ]
    with _proxy(argv, port, folder):
        yield port
    shutil.rmtree(folder)


def test_squid_admits_exactly_the_listed_names(squid: int) -> None:
    meant = _resolved(address=False).names[443]
    # Nothing listens at their address: an admitted name gives 503, a refused one 403.
    admitted = {host for host in _HOSTS if _connect(squid, host, 443) != 403}
    assert admitted == {host for host in _HOSTS if meant.admits(host)}


def test_squid_admits_no_other_port_and_an_address_only_when_it_is_named(squid: int) -> None:
    assert _connect(squid, "exact.test", 8443) == 403
    assert _connect(squid, "127.0.0.8", 443) != 403
    assert _connect(squid, "127.0.0.7", 443) == 403
    assert _connect(squid, "resolves-there.test", 443) == 403


def test_tinyproxy_admits_exactly_the_listed_names(tmp_path: Path) -> None:
    port = free_port()
    resolved = _resolved(address=False)
    files = ALLOWLIST_TARGETS["tinyproxy"].render(resolved).files
    (tmp_path / "tinyproxy.filter").write_text(files["tinyproxy.filter"])
    settings = files["tinyproxy.conf"].replace("/etc/tinyproxy/", f"{tmp_path}/")
    own = f'Port {port}\nListen 127.0.0.1\nTimeout 5\nLogLevel Critical\nLogFile "{tmp_path / "log"}"\n'
    (tmp_path / "tinyproxy.conf").write_text(own + settings)
    argv = [str(installed_package("tinyproxy")), "-d", "-c", str(tmp_path / "tinyproxy.conf")]
    with _proxy(argv, port, tmp_path):
        refused = {host for host in _HOSTS if _connect(port, host, 443) == 403}
        assert {host for host in _HOSTS if host not in refused} == {h for h in _HOSTS if resolved.names[443].admits(h)}
        assert _connect(port, "exact.test", 8443) == 403

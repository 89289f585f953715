"""An egress proxy: it opens a tunnel (CONNECT) to what it must let through, and refuses what it must not.

The answer to CONNECT judges the way, never a target's credential. Only a credential of the proxy itself, when one is
under test, can be found invalid (407).

Sources of the codes: squid error pages (X-Squid-Error), tinyproxy source, Envoy documentation (404 for a host that is
not routed, RBAC).
"""

from __future__ import annotations

import base64
import socket
import ssl
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from lifecycle.connectors.probing import Probe, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

_MAX_HEAD = 16384
_SQUID = {
    "ERR_CACHE_ACCESS_DENIED": Reason.PROXY_REFUSED,
    "ERR_ACCESS_DENIED": Reason.PROXY_REFUSED,
    "ERR_FORWARDING_DENIED": Reason.PROXY_REFUSED,
    "ERR_DNS_FAIL": Reason.NAME_NOT_RESOLVED,
    "ERR_CONNECT_FAIL": Reason.CONNECTION_REFUSED,
}
_UPSTREAM, _UPSTREAM_ERROR = b"upstream connect error", "upstream connect error"
_STATUS = {
    401: Reason.PROXY_REFUSED,  # no proxy says so to CONNECT: a page that blocks
    403: Reason.PROXY_REFUSED,
    404: Reason.PROXY_REFUSED,  # Envoy: no route for this host
    407: Reason.PROXY_REFUSED,
    429: Reason.THROTTLED,
}
HostPort = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")]


class WebProxySettings(KindSettings):
    """A connector of kind `web_proxy`; also the target that is verified.

    Attributes:
        passes: `host:port` that must be let through.
        refuses: `host:port` that must be refused: the control that the proxy filters at all.
        proxy: http(s) URL of the proxy; empty = that of the allowlist named by `through`.
    """

    passes: Annotated[tuple[HostPort, ...], Field(min_length=1)]
    refuses: tuple[HostPort, ...] = ()
    proxy: str = ""


class WebProxyVerifier:
    """Verifies proxies.

    Args:
        clock: the time.
        ca_file: authority of a proxy that speaks TLS; empty = the system's.
    """

    def __init__(self, *, clock: Clock, ca_file: str = "") -> None:
        self._clock = clock
        self._ca_file = ca_file

    def verify(
        self, target: WebProxySettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Try every host."""
        asked = (*(f"passes {host}" for host in target.passes), *(f"refuses {host}" for host in target.refuses))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        proxy = target.proxy or probe.proxy
        if not proxy:
            return probe.result(Reason.NOT_CONFIGURED, "no proxy is named")
        failures: list[tuple[Reason, str]] = []
        try:
            for host in target.passes:
                status, error = self._connect(probe, proxy, host, value)
                if status == 200:
                    probe.show(f"passes {host}")
                else:
                    failures.append((_reason(status, error, value), f"{host}: {status} {error}".rstrip()))
            for host in target.refuses:
                status, error = self._connect(probe, proxy, host, value)
                if _reason(status, error, value) is Reason.PROXY_REFUSED:
                    probe.show(f"refuses {host}")
                else:
                    failures.append((Reason.NOT_CONFIGURED, f"{host}: {status}, should have been refused"))
        except Exception as error:
            return probe.failed_exchange(error)
        return probe.result(*worst(failures)) if failures else probe.works()

    def _connect(self, probe: Probe, proxy: str, host: str, value: SecretValue) -> tuple[int, str]:
        """Status and squid's error name of one CONNECT; the tunnel is closed unused."""
        parts = urlsplit(proxy)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 3128)
        left = probe.deadline.cap(probe.deadline.seconds_left)
        with socket.create_connection((parts.hostname or "", port), timeout=left) as plain:
            if not secure:
                return _ask(plain, probe, host, value)
            context = ssl.create_default_context(cafile=self._ca_file or None)
            with context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped:
                return _ask(wrapped, probe, host, value)


def _ask(connection: socket.socket, probe: Probe, host: str, value: SecretValue) -> tuple[int, str]:
    login = ""
    if "username" in value and "password" in value:
        pair = f"{value['username'].get_secret_value()}:{value['password'].get_secret_value()}"
        login = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    connection.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{login}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        connection.settimeout(probe.deadline.cap(probe.deadline.seconds_left))
        part = connection.recv(4096)
        if not part or probe.deadline.passed:
            break
        head += part
    status, error = _parse(head)
    return status, error or _envoy(connection, probe, head)


def _envoy(connection: socket.socket, probe: Probe, head: bytes) -> str:
    """Envoy tells in the body, in words, that it did not reach the host; empty for all other answers."""
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 503") or b"server: envoy" not in head.lower():
        return ""
    while len(body) < len(_UPSTREAM) and _UPSTREAM.startswith(body) and not probe.deadline.passed:
        connection.settimeout(probe.deadline.cap(probe.deadline.seconds_left))
        part = connection.recv(4096)
        if not part:
            break
        body += part
    return _UPSTREAM_ERROR if body.startswith(_UPSTREAM) else ""


def _parse(head: bytes) -> tuple[int, str]:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        return 0, "not HTTP"
    squid = next((line.partition(":")[2] for line in lines[1:] if line.lower().startswith("x-squid-error:")), "")
    return int(words[1]), squid.split()[0] if squid.split() else ""


def _reason(status: int, error: str, value: SecretValue) -> Reason:
    if status == 407 and value:
        return Reason.WRONG_VALUE
    if error == _UPSTREAM_ERROR:
        return Reason.CONNECTION_REFUSED
    return _SQUID.get(error, _STATUS.get(status, Reason.AMBIGUOUS))


_: type[ConnectorVerifier] = WebProxyVerifier

KIND = Kind(
    name="web_proxy",
    family=Family.CONNECTOR,
    settings=WebProxySettings,
    summary="An egress proxy: opens tunnels to the named hosts, and refuses the control hosts.",
)

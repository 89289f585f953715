"""Prometheus: it answers a query, and takes a remote write of nothing where the connector declares that.

An empty write request stores no sample: it shows the right to push and leaves nothing.

Sources: Prometheus HTTP API; remote-write specification 1.0; exporter-toolkit web configuration (401).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import WebClient
from lifecycle.connectors.http_login import login_headers, refused_login
from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

QUERY = "query"
WRITE = "remote write"
_EMPTY_SNAPPY_BLOCK = b"\x00"
_WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class PrometheusSettings(KindSettings):
    """A connector of kind `prometheus`; also the target that is verified.

    Attributes:
        url: base URL.
        remote_write: also show the right to push.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    remote_write: bool = False
    ca_file: str = ""


class PrometheusVerifier:
    """Verifies that metrics can be read and pushed.

    Args:
        url: base URL.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of Prometheus")
        self._clock = clock

    def verify(
        self, target: PrometheusSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask for the value of 1, then write nothing."""
        asked = (QUERY, WRITE) if target.remote_write else (QUERY,)
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        login = login_headers(value)
        try:
            url = f"{self._url}/api/v1/query?query=vector(1)"
            answer = web.exchange("GET", url, headers=login, deadline=probe.deadline)
            if answer.status != 200:
                return refused_login(probe, answer, sent=bool(login), step=QUERY)
            if answer.text_field("status") != "success":
                return probe.result(Reason.AMBIGUOUS, "200, not Prometheus's form")
            probe.show(QUERY)
            return self._write(probe, web, login) if target.remote_write else probe.works()
        except Exception as error:
            return probe.failed_exchange(error)

    def _write(self, probe: Probe, web: WebClient, login: Mapping[str, str]) -> VerificationResult:
        headers = {**_WRITE_HEADERS, **login}
        url = f"{self._url}/api/v1/write"
        answer = web.exchange("POST", url, headers=headers, content=_EMPTY_SNAPPY_BLOCK, deadline=probe.deadline)
        if answer.status not in (200, 204):
            # 404: the receiver is switched off (--web.enable-remote-write-receiver).
            return refused_login(probe, answer, sent=bool(login), step=WRITE)
        probe.show(WRITE)
        return probe.works()


_: type[ConnectorVerifier] = PrometheusVerifier

KIND = Kind(
    name="prometheus",
    family=Family.CONNECTOR,
    settings=PrometheusSettings,
    summary="Prometheus: answers a query, and takes a remote write of nothing.",
)

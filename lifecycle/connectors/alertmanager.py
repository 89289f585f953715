"""Alertmanager: it shows its status, and takes a list of no alerts.

Posting an empty list shows the right to alert and changes nothing.

Sources: Alertmanager API v2 (openapi.yaml); exporter-toolkit web configuration (401).
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import WebClient
from lifecycle.connectors.http_login import login_headers, refused_login
from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

STATUS = "status"
PUSH = "push alerts"


class AlertmanagerSettings(KindSettings):
    """A connector of kind `alertmanager`; also the target that is verified.

    Attributes:
        url: base URL.
        push: also show the right to send alerts.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    push: bool = True
    ca_file: str = ""


class AlertmanagerVerifier:
    """Verifies that alerts can be sent.

    Args:
        url: base URL.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of Alertmanager")
        self._clock = clock

    def verify(
        self, target: AlertmanagerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Read the status, then send no alerts."""
        asked = (STATUS, PUSH) if target.push else (STATUS,)
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        login = dict(login_headers(value))
        try:
            answer = web.exchange("GET", f"{self._url}/api/v2/status", headers=login, deadline=probe.deadline)
            if answer.status != 200:
                return refused_login(probe, answer, sent=bool(login), step=STATUS)
            document = answer.document()
            if not isinstance(document, dict) or "versionInfo" not in document:
                return probe.result(Reason.AMBIGUOUS, "200, not Alertmanager's form")
            probe.show(STATUS)
            if not target.push:
                return probe.works()
            headers = {**login, "Content-Type": "application/json"}
            url = f"{self._url}/api/v2/alerts"
            answer = web.exchange("POST", url, headers=headers, content=b"[]", deadline=probe.deadline)
            if answer.status != 200:
                return refused_login(probe, answer, sent=bool(login), step=PUSH)
            probe.show(PUSH)
            return probe.works()
        except Exception as error:
            return probe.failed_exchange(error)


_: type[ConnectorVerifier] = AlertmanagerVerifier

KIND = Kind(
    name="alertmanager",
    family=Family.CONNECTOR,
    settings=AlertmanagerSettings,
    summary="Alertmanager: shows its status, and takes a list of no alerts.",
)

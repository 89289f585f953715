"""Jenkins: whose API token it is, and that it sees the declared jobs.

Sources: Jenkins core, BasicHeaderProcessor ("Invalid password/token for user"), CrumbFilter, AccessDeniedException3
(headers X-You-Are-Authenticated-As, X-Required-Permission).
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.http_login import basic
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "GET /whoAmI"
_WRONG = b"Invalid password/token for user"
_NOBODY = b"Authentication required"


class JenkinsSettings(KindSettings):
    """A connector of kind `jenkins`; also the target that is verified.

    Attributes:
        url: base URL of the controller.
        can_read: full names of jobs that the token must see, e.g. `team/rotate`.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    can_read: tuple[str, ...] = ()
    ca_file: str = ""


class JenkinsVerifier:
    """Verifies API tokens.

    Args:
        url: base URL of the controller.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of Jenkins")
        self._clock = clock

    def verify(
        self, target: JenkinsSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask who we are, then read each job's name."""
        jobs = (f"sees {name}" for name in target.can_read)
        probe = Probe.begin((LOGIN, *jobs), clock=self._clock, deadline=deadline, via=via)
        if not {"username", "api_token"} <= value.keys():
            return probe.result(Reason.NOT_CONFIGURED, "the value has no username and api_token")
        try:
            answer = self._get(probe, target, value, "/whoAmI/api/json")
            document = answer.document()
            if answer.status != 200 or not isinstance(document, dict) or "authenticated" not in document:
                return probe.result(*_refusal(answer), retry_after=retry_after(answer.headers))
            if not document["authenticated"] or document.get("anonymous"):
                return probe.result(Reason.NOT_CONFIGURED, "Jenkins sees nobody: a header may have been stripped")
            probe.show(LOGIN)
            failures = self._look(probe, target, value)
            return probe.result(*worst(failures)) if failures else probe.works()
        except Exception as error:
            return probe.failed_exchange(error)

    def _look(self, probe: Probe, target: JenkinsSettings, value: SecretValue) -> list[tuple[Reason, str]]:
        failures: list[tuple[Reason, str]] = []
        for name in target.can_read:
            path = "".join(f"/job/{quote(part)}" for part in name.split("/"))
            answer = self._get(probe, target, value, f"{path}/api/json?tree=name")
            if answer.status == 200 and answer.text_field("name"):
                probe.show(f"sees {name}")
            elif answer.status == 404:
                failures.append((Reason.NO_PERMISSION, f"{name}: hidden from this user, or absent"))
            else:
                reason, detail = _refusal(answer)
                failures.append((reason, f"{name}: {detail}"))
        return failures

    def _get(self, probe: Probe, target: JenkinsSettings, value: SecretValue, path: str) -> Answer:
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        headers = {"Authorization": basic(value, "username", "api_token")}
        return web.exchange("GET", f"{self._url}{path}", headers=headers, deadline=probe.deadline)


def _refusal(answer: Answer) -> tuple[Reason, str]:
    told = f"HTTP {answer.status}"
    if answer.status == 401 and _WRONG in answer.body:
        return Reason.WRONG_VALUE, told
    if answer.status == 403 and b"No valid crumb" in answer.body:
        return Reason.NOT_CONFIGURED, f"{told}: a crumb was asked for, so no API token arrived"
    seen_as = answer.headers.get("x-you-are-authenticated-as", "")
    if answer.status == 403 and seen_as:
        if seen_as == "anonymous":
            return Reason.NOT_CONFIGURED, f"{told} as anonymous: a header may have been stripped"
        return Reason.NO_PERMISSION, f"{told}, needs {answer.headers.get('x-required-permission', 'a permission')}"
    if answer.status == 403 and _NOBODY in answer.body:
        return Reason.NOT_CONFIGURED, f"{told}: no login arrived, a header may have been stripped"
    known = bool(answer.headers.get("x-jenkins"))
    reason = reason_of_status(answer.status) if known else Reason.AMBIGUOUS
    return capped(reason, answer.status), told if known else f"{told}, not Jenkins's form"


_: type[ConnectorVerifier] = JenkinsVerifier

KIND = Kind(
    name="jenkins",
    family=Family.CONNECTOR,
    settings=JenkinsSettings,
    summary="A Jenkins API token: whose it is, and the jobs that it sees.",
)

"""The DataRobot API: version as pinned, then whose key this is.

Source of the codes: DataRobot REST API reference; Prediction API reference ("Invalid API token").
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "GET /account/info/"
VERSION = "GET /version/"
_CODES = {401: Reason.WRONG_VALUE, 403: Reason.NO_PERMISSION, 404: Reason.AMBIGUOUS}


class DataRobotSettings(KindSettings):
    """A connector of kind `datarobot`; also the target that is verified.

    Attributes:
        datarobot: name of the installation in the spec.
        user: the user name that the key must belong to; empty = any.
    """

    datarobot: str = "default"
    user: str = ""


class DataRobotVerifier:
    """Verifies API keys at one installation.

    Args:
        endpoint: ends in /api/v2.
        api_version: the version that the spec pins, e.g. `2.49`.
        clock: the time.
    """

    def __init__(self, endpoint: str, *, api_version: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._pinned = _version(api_version)
        self._clock = clock

    def verify(
        self, target: DataRobotSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Read the version, then the account."""
        probe = Probe.begin((LOGIN, VERSION), clock=self._clock, deadline=deadline, via=via)
        token = value.get("api_token", value.get("access_token"))  # an exchanged token logs in like a key
        if token is None:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no field api_token")
        try:
            client = DataRobotClient(self._endpoint, token, web=WebClient(proxy=probe.proxy))
            account = client.exchange("GET", "/account/info/", deadline=probe.deadline)
            refused = _refused(probe, account) or self._other_user(probe, account, target)
            if refused is not None:
                return refused
            probe.show(LOGIN)
            version = client.exchange("GET", "/version/", deadline=probe.deadline)
            return _refused(probe, version) or self._judge_version(probe, version)
        except Exception as error:
            return probe.failed_exchange(error)

    def _other_user(self, probe: Probe, account: Answer, target: DataRobotSettings) -> VerificationResult | None:
        email = account.text_field("email")
        if not email:
            return probe.result(Reason.AMBIGUOUS, "200 without the account's email")
        if target.user and email.lower() != target.user.lower():
            return probe.result(Reason.WRONG_TENANT, "the key is of another user")
        return None

    def _judge_version(self, probe: Probe, answer: Answer) -> VerificationResult:
        document = answer.document()
        shown = document if isinstance(document, dict) else {}
        try:
            found = (int(shown["major"]), int(shown["minor"]))
        except (KeyError, TypeError, ValueError):
            return probe.result(Reason.AMBIGUOUS, "200 without a version")
        if found[0] != self._pinned[0] or found < self._pinned:
            told = f"server {found[0]}.{found[1]}, pinned {self._pinned[0]}.{self._pinned[1]}"
            return probe.result(Reason.VERSION_NOT_SUPPORTED, told)
        probe.show(VERSION)
        if answer.headers.get("Deprecation"):
            return probe.result(Reason.VERSION_NOT_SUPPORTED, "the server announces a deprecation")
        return probe.works()


def _refused(probe: Probe, answer: Answer) -> VerificationResult | None:
    if answer.status == 200:
        return None
    told = f"HTTP {answer.status}, request {answer.headers.get('x-request-id', 'unknown')}"
    if not answer.text_field("message"):
        # DataRobot says every error in JSON with a message: this came from something in between.
        html = answer.status in (401, 403) and "html" in answer.headers.get("content-type", "")
        reason = Reason.PROXY_REFUSED if html else capped(Reason.AMBIGUOUS, answer.status)
        return probe.result(reason, f"{told}, not DataRobot's form")
    reason = capped(_CODES.get(answer.status, reason_of_status(answer.status)), answer.status)
    return probe.result(reason, told, retry_after=retry_after(answer.headers))


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor.partition(".")[0] or 0)


_: type[ConnectorVerifier] = DataRobotVerifier

KIND = Kind(
    name="datarobot",
    family=Family.CONNECTOR,
    settings=DataRobotSettings,
    summary="The DataRobot API: pinned version, and whose key it is.",
    references={"datarobot": "datarobot"},
)

"""A Snowflake user with a key pair, an OAuth or a programmatic access token: it logs in, and may read the tables.

390144 ("JWT token is invalid") hides a wrong key, a skewed clock and a wrong account. It counts as a refusal of the key
only when our clock agrees with the server's `Date` and the host is the account's own; a fresh JWT is signed once more
before that is believed.

Sources of the codes: Snowflake documentation (SYSTEM$GET_LOGIN_FAILURE_DETAILS), its Python connector and JDBC tests.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from lifecycle.clients.endpoints import is_loopback
from lifecycle.clients.snowflake import (
    SnowflakeClient,
    SnowflakeLogin,
    SnowflakeToken,
    account_of_token,
    default_endpoint,
    login_of,
    rows_of,
)
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"
Login = SnowflakeLogin | SnowflakeToken
_BAD_JWT = "390144"
_SKEW = timedelta(seconds=30)
_CODES = {
    "390100": Reason.WRONG_VALUE,
    _BAD_JWT: Reason.WRONG_VALUE,
    "394304": Reason.WRONG_VALUE,
    "394306": Reason.WRONG_VALUE,
    "394302": Reason.CLOCK_SKEW,
    "394303": Reason.CLOCK_SKEW,
    "394300": Reason.WRONG_TENANT,
    "390303": Reason.WRONG_VALUE,
    "390195": Reason.WRONG_VALUE,
    "390318": Reason.EXPIRED,
    "394400": Reason.WRONG_VALUE,  # programmatic access token: unknown or revoked
    "394401": Reason.EXPIRED,
    "390101": Reason.LOCKED,
    "390102": Reason.LOCKED,
    "390189": Reason.NO_PERMISSION,
    "390422": Reason.NETWORK_POLICY,
    "390432": Reason.NOT_CONFIGURED,
    "290403": Reason.WRONG_TENANT,
    "290404": Reason.WRONG_TENANT,
    "003001": Reason.NO_PERMISSION,
    "002003": Reason.NO_PERMISSION,
    "003013": Reason.NO_PERMISSION,
    "000606": Reason.NOT_CONFIGURED,  # no active warehouse selected
    "001003": Reason.NOT_CONFIGURED,  # SQL compilation error
}
_TABLE = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){0,2}")


class SnowflakeSettings(KindSettings):
    """A connector of kind `snowflake`; also the target that is verified.

    Attributes:
        endpoint: base URL of the account; empty = derived from the account in the value.
        warehouse: which computes the probes of tables.
        role: to take on; empty = the user's default.
        can_select: tables that the user must be able to read, as `DATABASE.SCHEMA.TABLE`.
    """

    endpoint: str = ""
    warehouse: str = ""
    role: str = ""
    can_select: tuple[str, ...] = ()


def right(table: str) -> str:
    """How the right to read a table stands in a result."""
    return f"select {table}"


class SnowflakeVerifier:
    """Verifies key pairs and tokens.

    Args:
        clock: the time.
        signing_clock: signs logins; the same unless told.
    """

    def __init__(self, *, clock: Clock, signing_clock: Clock | None = None) -> None:
        self._clock = clock
        self._signing = signing_clock or clock

    def verify(
        self, target: SnowflakeSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in with a statement that reads nothing; ask for no rows of each declared table."""
        asked = (LOGIN, *(right(table) for table in target.can_select))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        wrong = [table for table in target.can_select if not _TABLE.fullmatch(table)]
        if wrong:
            return probe.result(Reason.NOT_CONFIGURED, f"not the name of a table: {wrong[0]}")
        try:
            login = login_of(value)
            endpoint = target.endpoint or default_endpoint(login.account)
            client = SnowflakeClient(endpoint, clock=self._signing, web=WebClient(proxy=probe.proxy))
            return self._judge(probe, client, login, target)
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)

    def _judge(
        self, probe: Probe, client: SnowflakeClient, login: Login, target: SnowflakeSettings
    ) -> VerificationResult:
        answer = client.request(login, "SELECT 1", deadline=probe.deadline)
        if answer.text_field("code") == _BAD_JWT and answer.status < 429:
            answer = client.request(login, "SELECT 1", deadline=probe.deadline)
        if rows_of(answer) is None:
            reason, told = self._reason(answer, client, login)
            return probe.result(reason, told, retry_after=retry_after(answer.headers))
        probe.show(LOGIN)
        wanted = {"warehouse": target.warehouse, "role": target.role}
        context = {name: text for name, text in wanted.items() if text}
        failures: list[tuple[Reason, str]] = []
        for table in target.can_select:
            statement = f"SELECT 1 FROM {table} LIMIT 0"  # noqa: S608 - a name of letters, digits and dots, checked above
            answer = client.request(login, statement, context=context, deadline=probe.deadline)
            if rows_of(answer) is None:
                failures.append(self._reason(answer, client, login))
            else:
                probe.show(right(table))
        return probe.result(*worst(failures)) if failures else probe.works()

    def _reason(self, answer: Answer, client: SnowflakeClient, login: Login) -> tuple[Reason, str]:
        """Why a statement failed; a refused JWT is believed only where nothing else explains it."""
        code = answer.text_field("code")
        told = f"HTTP {answer.status} {code if code in _CODES else ''}".rstrip()
        if not code or (answer.status < 400 and code not in _CODES):
            return capped(Reason.AMBIGUOUS, answer.status), told
        if "MFA authentication is required" in answer.text_field("message"):
            return Reason.CONDITIONAL_ACCESS, told
        reason = capped(_CODES.get(code, reason_of_status(answer.status)), answer.status)
        if code == _BAD_JWT and reason is Reason.WRONG_VALUE:
            reason = self._believed(answer, client.endpoint, login.account)
        return reason, told

    def _believed(self, answer: Answer, endpoint: str, account: str) -> Reason:
        try:
            there = parsedate_to_datetime(answer.headers.get("Date", "")).astimezone(UTC)
        except ValueError:
            return Reason.AMBIGUOUS
        if abs(there - self._signing()) > _SKEW:
            return Reason.CLOCK_SKEW
        host = (urlsplit(endpoint).hostname or "").upper().replace("_", "-")
        ours = host.startswith(account_of_token(account).replace("_", "-"))
        return Reason.WRONG_VALUE if ours or is_loopback(endpoint) else Reason.AMBIGUOUS


_: type[ConnectorVerifier] = SnowflakeVerifier

KIND = Kind(
    name="snowflake",
    family=Family.CONNECTOR,
    settings=SnowflakeSettings,
    summary="A Snowflake user with a key pair or token: login through the SQL API, right to read the declared tables.",
)

"""A Snowflake user with a key pair, a token or a password: it logs in, and may read the declared tables.

A password goes through Snowflake's own connector, as the SQL API takes none (`snowflake_password`); so does a key pair
where the connector is installed.

390144 ("JWT token is invalid") hides a wrong key, a skewed clock and a wrong account. It counts as a refusal of the key
only when our clock agrees with the server's `Date` and the host is the account's own; a fresh JWT is signed once more
before that is believed.

Sources of the codes: Snowflake documentation (SYSTEM$GET_LOGIN_FAILURE_DETAILS), its Python connector and JDBC tests.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal
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
from lifecycle.clients.snowflake_driver import SnowflakeDriver, SnowflakePassword, has_connector
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.connectors.snowflake_codes import BAD_JWT, CODES
from lifecycle.connectors.snowflake_password import judge_by_connector, password_of
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"
Login = SnowflakeLogin | SnowflakeToken
_SKEW = timedelta(seconds=30)
_TABLE = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){0,2}")


class SnowflakeSettings(KindSettings):
    """A connector of kind `snowflake`; also the target that is verified.

    Attributes:
        endpoint: base URL of the account; empty = derived from the account in the value.
        warehouse: which computes the probes of tables.
        role: to take on; empty = the user's default.
        can_select: tables that the user must be able to read, as `DATABASE.SCHEMA.TABLE`.
        client: what logs in with a key pair; `auto` = the official connector where it is installed, else the SQL API.
        ca_file: trust only this authority; empty = the system's.
    """

    endpoint: str = ""
    warehouse: str = ""
    role: str = ""
    can_select: tuple[str, ...] = ()
    client: Literal["auto", "connector", "sql_api"] = "auto"
    ca_file: str = ""


def right(table: str) -> str:
    """How the right to read a table stands in a result."""
    return f"select {table}"


class SnowflakeVerifier:
    """Verifies key pairs, tokens and passwords.

    Args:
        clock: the time.
        signing_clock: signs logins; the same unless told.
        python: an interpreter that has Snowflake's connector, for passwords and key pairs.
    """

    def __init__(self, *, clock: Clock, signing_clock: Clock | None = None, python: str = sys.executable) -> None:
        self._clock = clock
        self._python = python
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
            login = password_of(value) or login_of(value)
            endpoint = target.endpoint or default_endpoint(login.account)
            if not isinstance(login, SnowflakeToken) and self._by_connector(login, target):
                driver = SnowflakeDriver(self._python, endpoint, proxy=probe.proxy, ca_file=target.ca_file)
                statements = {right(table): _probe_of(table) for table in target.can_select}
                found = judge_by_connector(probe, driver, login, statements, _context(target))
                if found is not None:
                    return found
            web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
            client = SnowflakeClient(endpoint, clock=self._signing, web=web)
            return self._judge(probe, client, login_of(value), target)
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)

    def _by_connector(self, login: SnowflakeLogin | SnowflakePassword, target: SnowflakeSettings) -> bool:
        if isinstance(login, SnowflakePassword) or target.client == "connector":
            return True
        return target.client == "auto" and has_connector(self._python)

    def _judge(
        self, probe: Probe, client: SnowflakeClient, login: Login, target: SnowflakeSettings
    ) -> VerificationResult:
        answer = client.request(login, "SELECT 1", deadline=probe.deadline)
        if answer.text_field("code") == BAD_JWT and answer.status < 429:
            answer = client.request(login, "SELECT 1", deadline=probe.deadline)
        if rows_of(answer) is None:
            reason, told = self._reason(answer, client, login)
            return probe.result(reason, told, retry_after=retry_after(answer.headers))
        probe.show(LOGIN)
        context = _context(target)
        failures: list[tuple[Reason, str]] = []
        for table in target.can_select:
            answer = client.request(login, _probe_of(table), context=context, deadline=probe.deadline)
            if rows_of(answer) is None:
                failures.append(self._reason(answer, client, login))
            else:
                probe.show(right(table))
        return probe.result(*worst(failures)) if failures else probe.works()

    def _reason(self, answer: Answer, client: SnowflakeClient, login: Login) -> tuple[Reason, str]:
        """Why a statement failed; a refused JWT is believed only where nothing else explains it."""
        code = answer.text_field("code")
        told = f"HTTP {answer.status} {code if code in CODES else ''}".rstrip()
        if not code or (answer.status < 400 and code not in CODES):
            return capped(Reason.AMBIGUOUS, answer.status), told
        if "MFA authentication is required" in answer.text_field("message"):
            return Reason.CONDITIONAL_ACCESS, told
        reason = capped(CODES.get(code, reason_of_status(answer.status)), answer.status)
        if code == BAD_JWT and reason is Reason.WRONG_VALUE:
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


def _context(target: SnowflakeSettings) -> dict[str, str]:
    wanted = {"warehouse": target.warehouse, "role": target.role}
    return {name: text for name, text in wanted.items() if text}


def _probe_of(table: str) -> str:
    return f"SELECT 1 FROM {table} LIMIT 0"  # noqa: S608 - a name of letters, digits and dots, checked by verify


_: type[ConnectorVerifier] = SnowflakeVerifier

KIND = Kind(
    name="snowflake",
    family=Family.CONNECTOR,
    settings=SnowflakeSettings,
    summary="A Snowflake user with a key pair, token or password: login, right to read the declared tables.",
)

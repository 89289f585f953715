"""Databricks SQL: a personal token or a service principal's secret logs in, uses the warehouse, reads the tables.

Databricks answers `error_code: 403` for a dead token and for a missing right alike; its message decides. A service
principal's access token is fetched (client credentials) and fetched once more before anything is judged by it. A
statement is cancelled by Databricks itself when our time is up; one that only waits for a stopped warehouse too.

Sources of the codes: databricks-sdk-py (error mapping), databricks-sdk-go issue 873 (IP access list), RFC 6749.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from pydantic import Field

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.oauth import ClientLogin, OAuthClient, OAuthEndpoints
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"
WAREHOUSE = "SELECT 1 in the warehouse"
_ME = "/api/2.0/preview/scim/v2/Me"
_STATEMENTS = "/api/2.0/sql/statements"
_WAIT = (5, 50)  # seconds that the API allows
_TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}")
_CODES = {
    "PERMISSION_DENIED": Reason.NO_PERMISSION,
    "INSUFFICIENT_PERMISSIONS": Reason.NO_PERMISSION,
    "RESOURCE_DOES_NOT_EXIST": Reason.NOT_CONFIGURED,
    "NOT_FOUND": Reason.NOT_CONFIGURED,
    "TABLE_OR_VIEW_NOT_FOUND": Reason.NOT_CONFIGURED,
    "INVALID_PARAMETER_VALUE": Reason.NOT_CONFIGURED,
    "REQUEST_LIMIT_EXCEEDED": Reason.THROTTLED,
    "RESOURCE_EXHAUSTED": Reason.THROTTLED,
    "TEMPORARILY_UNAVAILABLE": Reason.SERVICE_FAULT,
    "INTERNAL_ERROR": Reason.SERVICE_FAULT,
}
# Parts of messages, in lower case, where the code says nothing (403) or too little.
_TEXTS = (
    ("blocked by databricks ip acl", Reason.NETWORK_POLICY),
    ("no worker environment", Reason.SERVICE_FAULT),
    ("invalid access token", Reason.WRONG_VALUE),
)
_OAUTH_CODES = {
    "invalid_client": Reason.WRONG_VALUE,
    "unauthorized_client": Reason.NO_PERMISSION,
    "invalid_scope": Reason.NO_PERMISSION,
    "access_denied": Reason.NO_PERMISSION,
    "invalid_request": Reason.NOT_CONFIGURED,
    "unsupported_grant_type": Reason.NOT_CONFIGURED,
    "temporarily_unavailable": Reason.SERVICE_FAULT,
}


class DatabricksSqlSettings(KindSettings):
    """A connector of kind `databricks_sql`; also the target that is verified.

    Attributes:
        url: of the workspace, e.g. https://adb-123.4.azuredatabricks.net.
        warehouse: id of the SQL warehouse to use; a stopped one is started; empty = the login alone is shown.
        principal: the user name, or the service principal's application id, that must log in; empty = any.
        can_select: tables that must be readable, as `CATALOG.SCHEMA.TABLE`; no row is read.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    warehouse: str = Field(default="", pattern=r"^[0-9A-Za-z-]*$")
    principal: str = ""
    can_select: tuple[str, ...] = ()
    ca_file: str = ""


class _RefusedError(Exception):
    """A refusal that ends the probe. Never leaves this module."""

    def __init__(self, reason: Reason, told: str, answer: Answer) -> None:
        super().__init__(told)
        self.reason = reason
        self.told = told
        self.wait = retry_after(answer.headers)


class DatabricksSqlVerifier:
    """Verifies credentials of one workspace.

    Args:
        url: of the workspace.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of the Databricks workspace")
        self._clock = clock

    def verify(
        self, target: DatabricksSqlSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in, ask who we are, run SELECT 1, ask for no rows of each declared table."""
        rights = (WAREHOUSE, *(f"select {table}" for table in target.can_select)) if target.warehouse else ()
        probe = Probe.begin((LOGIN, *rights), clock=self._clock, deadline=deadline, via=via)
        wrong = [table for table in target.can_select if not _TABLE.fullmatch(table)]
        if wrong or (target.can_select and not target.warehouse):
            told = f"not the name of a table: {wrong[0]}" if wrong else "can_select needs `warehouse`"
            return probe.result(Reason.NOT_CONFIGURED, told)
        if "token" not in value and not {"client_id", "client_secret"} <= value.keys():
            return probe.result(Reason.NOT_CONFIGURED, "the value has no token, and no client_id and client_secret")
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        try:
            token = self._log_in(probe, web, target, value)
            probe.show(LOGIN)
            if not target.warehouse:
                return probe.works()
            self._run(probe, web, token, target, statement="SELECT 1", shows=WAREHOUSE)
            return self._read(probe, web, token, target)
        except _RefusedError as refused:
            return probe.result(refused.reason, refused.told, retry_after=refused.wait)
        except Exception as error:
            return probe.failed_exchange(error)

    def _log_in(self, probe: Probe, web: WebClient, target: DatabricksSqlSettings, value: SecretValue) -> SecretText:
        """A token that Databricks accepts, of the principal that is meant."""
        stored = value.get("token")
        token = stored or self._fetch(probe, web, value)
        answer = self._me(probe, web, token)
        if stored is None and _is_dead_token(answer):
            token = self._fetch(probe, web, value)
            answer = self._me(probe, web, token)
            if _is_dead_token(answer):  # it was issued just now: the secret is good, something else is not
                raise _RefusedError(Reason.AMBIGUOUS, "fresh access tokens are refused", answer)
        name = answer.text_field("userName")
        if answer.status != 200 or not name:
            raise _refusal(answer, LOGIN)
        if target.principal and name.lower() != target.principal.lower():
            raise _RefusedError(Reason.WRONG_TENANT, "the credential is another principal's", answer)
        return token

    def _fetch(self, probe: Probe, web: WebClient, value: SecretValue) -> SecretText:
        """An access token by the client credentials grant."""
        login = ClientLogin(client_id=value["client_id"].get_secret_value(), client_secret=value["client_secret"])
        endpoints = OAuthEndpoints(issuer=self._url, token=f"{self._url}/oidc/v1/token")
        client = OAuthClient(self._url, web=web)
        answer = client.request_token(endpoints, login, scope="all-apis", deadline=probe.deadline)
        token = answer.text_field("access_token")
        if answer.status == 200 and token:
            return SecretText(token)
        code = answer.text_field("error")
        told = f"oidc/v1/token: HTTP {answer.status} {code if code in _OAUTH_CODES else ''}".rstrip()
        reason = _OAUTH_CODES.get(code, Reason.AMBIGUOUS if answer.status < 404 else reason_of_status(answer.status))
        raise _RefusedError(capped(reason, answer.status), told, answer)

    def _me(self, probe: Probe, web: WebClient, token: SecretText) -> Answer:
        return web.exchange("GET", self._url + _ME, headers=_headers(token), deadline=probe.deadline)

    def _read(
        self, probe: Probe, web: WebClient, token: SecretText, target: DatabricksSqlSettings
    ) -> VerificationResult:
        failures: list[tuple[Reason, str]] = []
        for table in target.can_select:
            statement = f"SELECT 1 FROM {table} LIMIT 0"  # noqa: S608 - letters, digits and dots, checked above
            try:
                self._run(probe, web, token, target, statement=statement, shows=f"select {table}")
            except _RefusedError as refused:
                failures.append((refused.reason, refused.told))
        return probe.result(*worst(failures)) if failures else probe.works()

    def _run(
        self,
        probe: Probe,
        web: WebClient,
        token: SecretText,
        target: DatabricksSqlSettings,
        *,
        statement: str,
        shows: str,
    ) -> None:
        low, high = _WAIT
        wait = max(low, min(high, int(probe.deadline.seconds_left) - 1))
        body = {
            "statement": statement,
            "warehouse_id": target.warehouse,
            "wait_timeout": f"{wait}s",
            "on_wait_timeout": "CANCEL",
        }
        headers = {**_headers(token), "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        answer = web.exchange(
            "POST", self._url + _STATEMENTS, headers=headers, content=content, deadline=probe.deadline
        )
        status = _member(answer.document(), "status")
        state = status.get("state") if isinstance(status, dict) else None
        if answer.status != 200 or not isinstance(state, str):
            raise _refusal(answer, shows)
        if state == "CANCELED":
            told = f"{shows}: cancelled after {wait} s; the warehouse may be starting"
            raise _RefusedError(Reason.TIMEOUT_TOTAL, told, answer)
        if state not in ("SUCCEEDED", "CLOSED"):
            raise _RefusedError(*_failed(status, shows), answer)
        probe.show(shows)


def _headers(token: SecretText) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}


def _member(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _is_dead_token(answer: Answer) -> bool:
    return answer.status in (401, 403) and "invalid access token" in answer.text_field("message").lower()


def _failed(status: Any, shows: str) -> tuple[Reason, str]:
    """Why a statement failed: its code, else the error class that Spark writes in brackets before the message."""
    error = _member(status, "error")
    message = str(_member(error, "message") or "")
    tagged = re.match(r"\[([A-Z_]+)", message)
    for code in (tagged.group(1) if tagged else "", str(_member(error, "error_code") or "")):
        if code in _CODES:
            return _CODES[code], f"{shows}: {code}"
    return Reason.AMBIGUOUS, f"{shows}: the statement failed"


def _refusal(answer: Answer, step: str) -> _RefusedError:
    document = answer.document()
    code, message = str(_member(document, "error_code") or ""), answer.text_field("message").lower()
    told = f"{step}: HTTP {answer.status} {code if code in _CODES else ''}".rstrip()
    if not code:
        if answer.status == 401:
            return _RefusedError(Reason.NOT_CONFIGURED if message else Reason.AMBIGUOUS, told, answer)
        return _RefusedError(capped(Reason.AMBIGUOUS, answer.status), f"{told}, not Databricks's form", answer)
    by_text = next((reason for part, reason in _TEXTS if part in message), None)
    if answer.status == 401 and by_text is not Reason.WRONG_VALUE:
        return _RefusedError(Reason.NOT_CONFIGURED, f"{told}: no credential of a supported type arrived", answer)
    reason = by_text or _CODES.get(code, reason_of_status(answer.status))
    return _RefusedError(capped(reason, answer.status), told, answer)


_: type[ConnectorVerifier] = DatabricksSqlVerifier

KIND = Kind(
    name="databricks_sql",
    family=Family.CONNECTOR,
    settings=DatabricksSqlSettings,
    summary="Databricks SQL: a token or service principal logs in, uses the warehouse, may read the declared tables.",
)

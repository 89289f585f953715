"""A Snowflake password or key pair through Snowflake's own connector: the login and the probes of tables.

The connector repeats what fails and hides why. So the way is tried first, by a request without a login from the same
position: name, TLS, proxy, throttling and faults are told by it. Only then does it log in, once.
"""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.snowflake import SnowflakeLogin
from lifecycle.clients.snowflake_driver import SnowflakeDriver, SnowflakePassword
from lifecycle.clients.web import WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, worst
from lifecycle.connectors.snowflake_codes import BAD_JWT, CODES
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Reason, VerificationResult

LOGIN = "login"
_TENANT = (403, 513)  # Source: Snowflake change 1669; a proxy or a private link answers 403 too


def password_of(value: SecretValue) -> SnowflakePassword | None:
    """The user of a stored value; None when it holds no password, or something better beside it."""
    if not {"account", "user", "password"} <= value.keys() or "private_key" in value:
        return None
    return SnowflakePassword(
        account=value["account"].get_secret_value(), user=value["user"].get_secret_value(), password=value["password"]
    )


def judge_by_connector(
    probe: Probe,
    driver: SnowflakeDriver,
    login: SnowflakePassword | SnowflakeLogin,
    statements: Mapping[str, str],
    context: Mapping[str, str],
) -> VerificationResult | None:
    """Try the way, log in, run the probes. None when the refusal of a JWT is to be looked into by the SQL API.

    Args:
        probe: the probe under way.
        driver: runs the connector.
        login: who.
        statements: what each shows -> SQL.
        context: `warehouse` and `role`, where they matter.
    """
    blocked = _way(probe, driver)
    if blocked is not None:
        return blocked
    found = driver.run(login, tuple(statements.values()), context=context, deadline=probe.deadline)
    if found.login == BAD_JWT and isinstance(login, SnowflakeLogin):
        return None
    if found.login:
        if found.mfa:
            return probe.result(Reason.CONDITIONAL_ACCESS, "MFA is required: use a key pair or a token")
        return probe.result(*_reason(found.login))
    probe.show(LOGIN)
    outcomes = dict(zip(statements, found.statements, strict=False))
    probe.show(*(shown for shown, code in outcomes.items() if not code))
    failures = [_reason(code) for code in outcomes.values() if code]
    if len(outcomes) < len(statements):
        failures.append((Reason.AMBIGUOUS, "the session ended before all tables were asked for"))
    return probe.result(*worst(failures)) if failures else probe.works()


def _way(probe: Probe, driver: SnowflakeDriver) -> VerificationResult | None:
    url = checked_endpoint(driver.endpoint, what="the Snowflake endpoint")
    answer = WebClient(proxy=probe.proxy, ca_file=driver.ca_file).exchange("GET", f"{url}/", deadline=probe.deadline)
    told = f"HTTP {answer.status} before any login"
    if answer.status == 429 or (answer.status >= 500 and answer.status not in _TENANT):
        return probe.result(capped(Reason.AMBIGUOUS, answer.status), told, retry_after=retry_after(answer.headers))
    if answer.status in _TENANT:
        return probe.result(Reason.WRONG_TENANT, f"{told}: no such account here, or a proxy in between")
    return None


def _reason(code: str) -> tuple[Reason, str]:
    return CODES.get(code, Reason.AMBIGUOUS), code if code in CODES else "a code that is not known"

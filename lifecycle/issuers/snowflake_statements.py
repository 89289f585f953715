"""Statements about a Snowflake user, sent by whoever may change it, and what a refusal means.

Source: Snowflake documentation, SQL API; error codes of access control and of object creation.
"""

from __future__ import annotations

from lifecycle.clients.snowflake import SnowflakeClient, SnowflakeLogin, rows_of
from lifecycle.clients.web import Answer, exchange_error, retry_after
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import SecretValue

_NO_RIGHT = ("003001", "002003", "003013")
_EXISTS = "002002"
_RIGHTS = (
    "grant the admin's role OWNERSHIP or MODIFY on the user (for named key pairs: MODIFY PROGRAMMATIC AUTHENTICATION "
    "METHODS), or correct `user`"
)


def run_statement(client: SnowflakeClient, admin: SecretValue, statement: str, *, what: str, writes: bool) -> Answer:
    """Run one statement; its rows are in the answer.

    Args:
        client: the account.
        admin: who runs it: the value of a Snowflake key pair.
        statement: may hold a public key, never a secret.
        what: says in messages what was attempted.
        writes: it may have landed when its answer is lost.
    """
    login = SnowflakeLogin.parse(admin)
    try:
        answer = client.request(login, statement)
    except LifecycleError:
        raise
    except Exception as error:
        raise exchange_error(error, what=what, writes=writes) from None
    if rows_of(answer) is None:
        raise _refusal(answer, what, writes=writes)
    return answer


def _refusal(answer: Answer, what: str, *, writes: bool) -> LifecycleError:
    code = answer.text_field("code")
    told = f"{what}: answered {answer.status} {code}".rstrip()
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)
    if not code and answer.status in (401, 403):
        return RemoteServiceError(
            f"{told}, and not by Snowflake", remedy="look for a proxy or firewall that answers in its place"
        )
    if answer.status in (401, 403) or code in _NO_RIGHT:
        login = "check the admin credential: `lifecycle verify`, then run again"
        return AuthenticationError(told, remedy=_RIGHTS if code in _NO_RIGHT else login)
    if code == _EXISTS:
        return SlotOccupiedError(told, remedy="find out whose key pair it is: SHOW USER KEY PAIRS FOR USER …")
    if writes and (answer.status >= 500 or answer.status in (200, 202, 408)):
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again, or look the code up", retryable=answer.status >= 500)

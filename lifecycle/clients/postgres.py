"""PostgreSQL logins over verified TLS, with a deadline that really ends them.

libpq counts its connect time-out in whole seconds and none for answers, so the asynchronous client runs under one
deadline. `require_auth` keeps a password from ever being sent in clear, whatever a server asks for: SCRAM only, at
Redshift, which has none, MD5 too. A client certificate is shown only where the server asks for one (`sslcertmode`).

Sources: libpq connection parameters (sslmode, require_auth, sslcertmode); PostgreSQL appendix A (SQLSTATE).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lifecycle.clients.postgres_certificate import certificate_options
from lifecycle.clients.transport import transport_reason
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.domain.verification import Reason
from lifecycle.foundation.abandon import abandonable
from lifecycle.foundation.deadline import Deadline

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")

# A failed login brings no SQLSTATE, only a text; the first that matches counts (facts: vendor codes, PostgreSQL).
_LOGIN_TEXTS: tuple[tuple[str, Reason], ...] = (
    (r"password authentication failed", Reason.WRONG_VALUE),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", Reason.NETWORK_POLICY),
    (r"certificate authentication failed", Reason.WRONG_VALUE),
    (r"requires a valid client certificate", Reason.NOT_CONFIGURED),
    (r"server did not request an SSL certificate", Reason.NOT_CONFIGURED),
    (r"could not (load|read) (private key|certificate) file|key values mismatch", Reason.NOT_CONFIGURED),
    (r"role .* is not permitted to log in", Reason.LOCKED),
    (r"role .* does not exist", Reason.WRONG_TENANT),
    (r"database .* does not exist", Reason.NOT_CONFIGURED),
    (r"permission denied for database|does not have CONNECT privilege", Reason.NO_PERMISSION),
    (r"too many (clients|connections)|remaining connection slots", Reason.THROTTLED),
    (r"starting up|shutting down|terminating connection", Reason.SERVICE_FAULT),
    (r'authentication method requirement "none" failed', Reason.NOT_CONFIGURED),  # it asks for a password after all
    (r"authentication method requirement|SCRAM authentication requires", Reason.VERSION_NOT_SUPPORTED),
    (r"server does not support SSL", Reason.VERSION_NOT_SUPPORTED),
    (r"certificate has expired", Reason.TLS_EXPIRED),
    (r"does not match host name", Reason.TLS_NAME_MISMATCH),
    (r"certificate verify failed", Reason.TLS_UNKNOWN_ISSUER),
    (r"connection refused", Reason.CONNECTION_REFUSED),
    (r"could not translate host name|name or service not known|failed to resolve", Reason.NAME_NOT_RESOLVED),
    (r"timeout expired", Reason.TIMEOUT_CONNECT),
)
# Alerts of TLS, which judge a certificate of ours: only where one was shown.
_CERTIFICATE_TEXTS: tuple[tuple[str, Reason], ...] = (
    (r"alert certificate expired", Reason.EXPIRED),
    (r"alert certificate revoked", Reason.REVOKED),
    (r"alert (unknown ca|bad certificate|certificate unknown)", Reason.WRONG_VALUE),
)
_STATES = {
    "28P01": Reason.WRONG_VALUE,
    "28000": Reason.NETWORK_POLICY,
    "3D000": Reason.NOT_CONFIGURED,
    "42501": Reason.NO_PERMISSION,
    "42P01": Reason.NOT_CONFIGURED,
    "42601": Reason.NOT_CONFIGURED,
    "3F000": Reason.NOT_CONFIGURED,
    "53300": Reason.THROTTLED,
    "57P01": Reason.SERVICE_FAULT,
    "57P02": Reason.SERVICE_FAULT,
    "57P03": Reason.SERVICE_FAULT,
    "57014": Reason.TIMEOUT_READ,
    "08P01": Reason.VERSION_NOT_SUPPORTED,
    "0A000": Reason.VERSION_NOT_SUPPORTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTarget:
    """Where a database is.

    Attributes:
        host: its name, as its certificate has it.
        port: its port.
        database: which database to connect to.
        ca_file: trust only this authority; empty = the system's.
        redshift: whether it is Amazon Redshift, which knows no SCRAM.
    """

    host: str
    port: int = 5432
    database: str = "postgres"
    ca_file: str = ""
    redshift: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLogin:
    """Who logs in.

    Attributes:
        username: the role.
        password: of the role; empty = none is sent.
        certificate: a client certificate with its chain, PEM; empty = none is shown.
        private_key: of that certificate, PEM.
    """

    username: str
    password: SecretText = field(default_factory=lambda: SecretText(""), repr=False)
    certificate: SecretText = field(default_factory=lambda: SecretText(""), repr=False)
    private_key: SecretText = field(default_factory=lambda: SecretText(""), repr=False)

    @property
    def shows_certificate(self) -> bool:
        """Whether there is one."""
        return bool(self.certificate)


class PostgresFailedError(Exception):
    """What a session failed with; caught inside clients, issuers and connectors only. Holds no text of the server.

    Args:
        reason: why.
        code: SQLSTATE, or the class of the exception.
        connected: whether the login had succeeded, so that a change may have landed.
    """

    def __init__(self, reason: Reason, code: str, *, connected: bool) -> None:
        super().__init__(f"{reason} ({code})")
        self.reason, self.code, self.connected = reason, code, connected


def run_session(
    target: PostgresTarget,
    login: PostgresLogin,
    work: Callable[[AsyncConnection[Any]], Awaitable[T]],
    *,
    timeout: timedelta,
) -> T:
    """Log in, do some work, log out.

    Args:
        target: where.
        login: who.
        work: what to do with the connection, which commits each statement unless a transaction is opened.
        timeout: upper bound of all of it.

    Raises:
        PostgresFailedError: it did not go well.
        ConfigurationError: psycopg is not installed.
    """
    _require_driver()
    state = {"connected": False}
    deadline = Deadline.after(timeout)
    try:
        addresses = abandonable(lambda: _addresses(target), timeout=timeout, name=f"resolving {target.host}")
        with certificate_options(login.certificate, login.private_key) as certificate:
            where = {"host": ",".join([target.host] * len(addresses)), "hostaddr": ",".join(addresses)}
            session = _session(target, login, work, state, {**where, **certificate})
            return asyncio.run(asyncio.wait_for(session, deadline.seconds_left))
    except TimeoutError:
        reason = Reason.TIMEOUT_READ if state["connected"] else Reason.TIMEOUT_CONNECT
        failed = PostgresFailedError(reason, "deadline", connected=state["connected"])
    except Exception as error:
        if not _is_ours(error):
            raise
        failed = _failed(error, connected=state["connected"], shown=login.shows_certificate)
    raise failed from None  # the text of the driver may hold the statement


def _addresses(target: PostgresTarget) -> list[str]:
    """Resolved here: the client would do so on a thread of the event loop, for which everybody waits in the end."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


async def _session(
    target: PostgresTarget,
    login: PostgresLogin,
    work: Callable[[AsyncConnection[Any]], Awaitable[T]],
    state: dict[str, bool],
    options: Mapping[str, Any],
) -> T:
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(
        port=target.port,
        dbname=target.database,
        user=login.username,
        password=login.password.get_secret_value() or None,
        sslmode="verify-full",
        sslrootcert=target.ca_file or ssl.get_default_verify_paths().cafile or "system",
        gssencmode="disable",
        require_auth=_accepted(target, login),
        application_name="lifecycle",
        client_encoding="utf8",  # Redshift calls it UNICODE, which the driver does not know
        autocommit=True,
        **options,
    ) as connection:
        state["connected"] = True
        return await work(connection)


def _accepted(target: PostgresTarget, login: PostgresLogin) -> str:
    """Ways of proving who one is that a server may ask for; `none`, as a certificate was shown below this protocol."""
    if not login.password:
        return "none"
    return "scram-sha-256,md5" if target.redshift else "scram-sha-256"


def _require_driver() -> None:
    try:
        import psycopg  # noqa: F401 - only whether it is there
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL needs the psycopg driver, which is not installed", remedy="pip install 'lifecycle[postgres]'"
        ) from None


def _is_ours(error: Exception) -> bool:
    from psycopg import Error

    return isinstance(error, Error | OSError)


def _failed(error: Exception, *, connected: bool, shown: bool) -> PostgresFailedError:
    code = getattr(error, "sqlstate", None) or ""
    reason = reason_of(code, str(error), connected=connected, shown=shown)
    if reason is Reason.AMBIGUOUS:
        reason = transport_reason(error)
    return PostgresFailedError(reason, code or type(error).__name__, connected=connected)


def reason_of(code: str, text: str, *, connected: bool, shown: bool = False) -> Reason:
    """What a SQLSTATE, or without one the text of a failed login, says.

    Args:
        code: SQLSTATE; empty when there is none.
        text: of the exception; never shown to anybody.
        connected: whether the login had succeeded.
        shown: whether a certificate of ours was shown.
    """
    if not connected:
        texts = _CERTIFICATE_TEXTS + _LOGIN_TEXTS if shown else _LOGIN_TEXTS
        for pattern, reason in texts:
            if re.search(pattern, text, re.IGNORECASE):
                return reason
    return _STATES.get(code, Reason.AMBIGUOUS)


async def scram_verifier(connection: AsyncConnection[Any], login: PostgresLogin) -> str:
    """What ALTER ROLE is given in place of a password, which thus reaches neither the server nor its log."""
    password = login.password.get_secret_value().encode()
    return connection.pgconn.encrypt_password(password, login.username.encode(), b"scram-sha-256").decode()

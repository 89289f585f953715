"""A PostgreSQL or Redshift role: it logs in over verified TLS, and may read the declared tables.

It logs in by its password, by a client certificate, or by both.

Each table is asked for no rows: the server checks the right and reads nothing. An HTTP proxy does not carry
PostgreSQL's protocol, so a connector with `through:` an allowlist that has one cannot be judged from there.

Codes: `lifecycle.clients.postgres`. One refusal stands for a wrong password, a lapsed one and an unknown role;
where the stored value says when it ends (`expires`), as one of Redshift's temporary passwords should, that tells.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from lifecycle.clients.postgres import PostgresFailedError, PostgresLogin, PostgresTarget, reason_of, run_session
from lifecycle.connectors.probing import Probe, worst
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

if TYPE_CHECKING:
    from psycopg import AsyncConnection

LOGIN = "login"


class PostgresSettings(KindSettings):
    """A connector of kind `postgres`; also the target that is verified.

    Attributes:
        host: name of the server, as its certificate has it.
        port: its port.
        database: the database to log in to.
        ca_file: trust only this authority; empty = the system's.
        can_select: tables that the role must be able to read, as `schema.table`.
        engine: `redshift` accepts MD5 beside SCRAM, which Redshift lacks; never a password in clear.
    """

    host: str
    port: int = 5432
    database: str = "postgres"
    ca_file: str = ""
    can_select: tuple[str, ...] = ()
    engine: Literal["postgres", "redshift"] = "postgres"


def right(table: str) -> str:
    """How the right to read a table stands in a result."""
    return f"select {table}"


class PostgresVerifier:
    """Verifies role passwords.

    Args:
        clock: the time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def verify(
        self, target: PostgresSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in; ask for no rows of each declared table."""
        asked = (LOGIN, *(right(table) for table in target.can_select))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        login = _login_of(value)
        if login is None:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no username with a password or a certificate")
        if probe.proxy:
            return probe.result(Reason.NOT_CONFIGURED, "an HTTP proxy does not carry PostgreSQL's protocol")
        place = PostgresTarget(
            host=target.host,
            port=target.port,
            database=target.database,
            ca_file=target.ca_file,
            redshift=target.engine == "redshift",
        )

        async def look(connection: AsyncConnection[Any]) -> list[tuple[Reason, str]]:
            """What the session does; returns why tables cannot be read."""
            probe.show(LOGIN)
            return [failed for table in target.can_select if (failed := await _read(connection, table, probe))]

        try:
            failures = run_session(place, login, look, timeout=deadline)
        except PostgresFailedError as error:
            reason = Reason.TIMEOUT_TOTAL if error.code == "deadline" else error.reason
            lapsed = reason is Reason.WRONG_VALUE and _ended(value, probe.clock())
            return probe.result(Reason.EXPIRED if lapsed else reason, error.code)
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        return probe.result(*worst(failures)) if failures else probe.works()


def _login_of(value: SecretValue) -> PostgresLogin | None:
    """The login of a stored value; a certificate only together with its key."""
    certified = {"certificate", "private_key"} <= value.keys()
    if "username" not in value or not (certified or "password" in value):
        return None
    none = SecretText("")
    return PostgresLogin(
        username=value["username"].get_secret_value(),
        password=value.get("password", none),
        certificate=value["certificate"] if certified else none,
        private_key=value["private_key"] if certified else none,
    )


def _ended(value: SecretValue, now: datetime) -> bool:
    """Whether our own record says that the value has ended; a record that cannot be read says nothing."""
    if "expires" not in value:
        return False
    try:
        end = datetime.fromisoformat(value["expires"].get_secret_value())
    except ValueError:
        return False
    return end.tzinfo is not None and end <= now


async def _read(connection: AsyncConnection[Any], table: str, probe: Probe) -> tuple[Reason, str] | None:
    """Why a table cannot be read; None when it can."""
    import psycopg
    from psycopg import sql

    try:
        await connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 0").format(sql.Identifier(*table.split("."))))
    except psycopg.Error as error:
        if connection.closed:
            raise
        code = error.sqlstate or type(error).__name__
        return reason_of(code, "", connected=True), code
    probe.show(right(table))
    return None


_: type[ConnectorVerifier] = PostgresVerifier

KIND = Kind(
    name="postgres",
    family=Family.CONNECTOR,
    settings=PostgresSettings,
    summary="A PostgreSQL or Redshift role: login over verified TLS, right to read the declared tables.",
)

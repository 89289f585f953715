from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from psycopg import sql

from lifecycle.clients.postgres import reason_of
from lifecycle.connectors.postgres import LOGIN, PostgresSettings, PostgresVerifier, right
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.servers.postgres import PostgresRole, PostgresServer


class At:
    """The verifier at another address than the target's."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def verify(
        self, target: PostgresSettings, value: SecretValue, *, deadline: object, via: Egress | None
    ) -> VerificationResult:
        place = {"host": self._url.hostname, "port": self._url.port}
        verifier = PostgresVerifier(clock=lambda: NOW)
        return verifier.verify(target.model_copy(update=place), value, deadline=deadline, via=via)  # type: ignore[arg-type]  # as it came


def _settings(server: PostgresServer, **more: object) -> PostgresSettings:
    return PostgresSettings(host="127.0.0.1", ca_file=str(server.ca_file), **more)


@pytest.fixture
def role(postgres_server: PostgresServer) -> PostgresRole:
    return postgres_server.fresh_role()


@pytest.fixture
def tables(postgres_server: PostgresServer, role: PostgresRole) -> tuple[str, str]:
    """One that the role may read, one that it may not."""
    names = (f"public.may_{uuid4().hex}", f"public.not_{uuid4().hex}")
    with postgres_server.connect() as admin:
        for name in names:
            admin.execute(sql.SQL("CREATE TABLE {} (one int)").format(sql.Identifier(*name.split("."))))
        grant = sql.SQL("GRANT SELECT ON {} TO {}")
        admin.execute(grant.format(sql.Identifier(*names[0].split(".")), sql.Identifier(role.name)))
    return names


class TestOnPostgres(ConnectorContract):
    """Against a real server."""

    @pytest.fixture
    def bench(self, postgres_server: PostgresServer, role: PostgresRole, tables: tuple[str, str]) -> ConnectorBench:
        valid = {"username": role.name, "password": role.password}
        return ConnectorBench(
            make=At,
            url=f"postgres://127.0.0.1:{postgres_server.port}",
            target=_settings(postgres_server, can_select=tables[:1]),
            valid=secret_value(valid),
            invalid=secret_value({**valid, "password": "wrong-password"}),
            proves=(LOGIN, right(tables[0])),
        )

    @pytest.mark.parametrize(
        ("status", "reason"), [("CONNECTION LIMIT 0", Reason.THROTTLED), ("NOLOGIN", Reason.LOCKED)]
    )
    def test_overload_judges_nothing(self, bench: ConnectorBench, status: str, reason: Reason) -> None:
        self.alter(bench, status)
        assert bench.verify().reason is reason

    @pytest.fixture(autouse=True)
    def _administer(self, postgres_server: PostgresServer) -> None:
        self.server = postgres_server

    def alter(self, bench: ConnectorBench, what: str) -> None:
        name = sql.Identifier(bench.valid["username"].get_secret_value())
        with self.server.connect() as admin:
            admin.execute(sql.SQL("ALTER ROLE {} " + what).format(name))

    def test_lapsed_password_reads_as_wrong(self, bench: ConnectorBench) -> None:
        self.alter(bench, "VALID UNTIL '2001-01-01'")
        assert bench.verify().reason is Reason.WRONG_VALUE

    def test_unknown_role_reads_as_wrong(self, bench: ConnectorBench) -> None:
        assert bench.verify({**bench.valid, "username": SecretText("nobody")}).reason is Reason.WRONG_VALUE

    def test_missing_database_judges_nothing(self, bench: ConnectorBench) -> None:
        target = _settings(self.server, database="missing")
        assert bench.verify(target=target).reason is Reason.NOT_CONFIGURED

    def test_table_without_the_right_is_told(self, bench: ConnectorBench, tables: tuple[str, str]) -> None:
        result = bench.verify(target=_settings(self.server, can_select=(tables[1], *tables[:1])))
        assert result.reason is Reason.NO_PERMISSION
        assert result.proved == (LOGIN, right(tables[0]))
        assert result.not_proved == (right(tables[1]),)

    def test_missing_table_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=_settings(self.server, can_select=("public.missing",)))
        assert result.reason is Reason.NOT_CONFIGURED

    def test_table_name_is_no_sql(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=_settings(self.server, can_select=("pg_roles; DROP TABLE x",)))
        assert result.reason is Reason.NOT_CONFIGURED

    def test_certificate_of_a_stranger_is_not_accepted(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=PostgresSettings(host="127.0.0.1")).reason is Reason.TLS_UNKNOWN_ISSUER

    def test_certificate_of_another_name_is_not_accepted(self, postgres_server: PostgresServer) -> None:
        settings = _settings(postgres_server, port=postgres_server.port).model_copy(update={"host": "127.0.0.2"})
        verifier = PostgresVerifier(clock=lambda: NOW)
        value = secret_value({"username": "x", "password": "y"})
        result = verifier.verify(settings, value, deadline=LONG, via=None)
        assert result.reason in (Reason.TLS_NAME_MISMATCH, Reason.CONNECTION_REFUSED)

    def test_value_that_is_no_login_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("code", "text", "connected", "reason"),
    [
        ("", 'FATAL:  password authentication failed for user "x"', False, Reason.WRONG_VALUE),
        ("", 'FATAL:  no pg_hba.conf entry for host "1.2.3.4", no encryption', False, Reason.NETWORK_POLICY),
        ("", "FATAL:  the database system is starting up", False, Reason.SERVICE_FAULT),
        ("", "FATAL:  sorry, too many clients already", False, Reason.THROTTLED),
        ("", "FATAL:  connection requires a valid client certificate", False, Reason.NOT_CONFIGURED),
        ("", "authentication method requirement scram-sha-256 failed: server requested a cleartext password", False,
         Reason.VERSION_NOT_SUPPORTED),
        ("", "something new", False, Reason.AMBIGUOUS),
        ("57P01", "terminating connection", True, Reason.SERVICE_FAULT),
        ("42501", "permission denied", True, Reason.NO_PERMISSION),
        ("XX000", "password authentication failed", True, Reason.AMBIGUOUS),
    ],
)  # fmt: skip
def test_codes_before_texts_and_texts_of_logins_only(code: str, text: str, connected: bool, reason: Reason) -> None:
    assert reason_of(code, text, connected=connected) is reason

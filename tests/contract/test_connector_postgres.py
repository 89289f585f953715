import os
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import trustme
from psycopg import sql

from lifecycle.clients.postgres import reason_of
from lifecycle.connectors.postgres import LOGIN, PostgresSettings, PostgresVerifier, right
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.postgres import PostgresRole, PostgresServer

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


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


def _certified(
    server: PostgresServer, name: str, *, authority: trustme.CA | None = None, ended: bool = False
) -> dict[str, str]:
    """Fields of a client certificate for the role `name`."""
    end = NOW - timedelta(days=600) if ended else None
    made = (authority or server.client_authority).issue_cert(common_name=name, not_after=end, not_before=_LONG_AGO)
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    return {"username": name, "certificate": chain.decode(), "private_key": made.private_key_pem.bytes().decode()}


class TestOnCertificates(ConnectorContract):
    """Against a real server that wants a client certificate and no password."""

    @pytest.fixture
    def bench(self, postgres_server: PostgresServer, role: PostgresRole, tables: tuple[str, str]) -> ConnectorBench:
        postgres_server.join(role, "certified")
        return ConnectorBench(
            make=At,
            url=f"postgres://127.0.0.1:{postgres_server.port}",
            target=_settings(postgres_server, can_select=tables[:1]),
            valid=secret_value(_certified(postgres_server, role.name)),
            invalid=secret_value(_certified(postgres_server, role.name, authority=trustme.CA())),
            proves=(LOGIN, right(tables[0])),
        )

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("429 Too Many Requests", Reason.AMBIGUOUS), ("503 Service Unavailable", Reason.AMBIGUOUS)],
    )
    def test_overload_judges_nothing(self, bench: ConnectorBench, status: str, reason: Reason) -> None:
        with raw_server(page(status)) as busy:
            assert bench.verify(bench.invalid, url=busy).reason is reason

    def test_certificate_that_has_ended_is_told(self, bench: ConnectorBench, postgres_server: PostgresServer) -> None:
        ended = _certified(postgres_server, bench.valid["username"].get_secret_value(), ended=True)
        assert bench.verify(secret_value(ended)).reason is Reason.EXPIRED

    def test_certificate_of_another_role_is_refused(
        self, bench: ConnectorBench, postgres_server: PostgresServer
    ) -> None:
        other = {**_certified(postgres_server, "somebody_else"), "username": bench.valid["username"].get_secret_value()}
        assert bench.verify(secret_value(other)).reason is Reason.WRONG_VALUE

    def test_key_of_another_certificate_is_a_wrong_setting(
        self, bench: ConnectorBench, postgres_server: PostgresServer
    ) -> None:
        stray = _certified(postgres_server, "x")["private_key"]
        assert bench.verify({**bench.valid, "private_key": SecretText(stray)}).reason is Reason.NOT_CONFIGURED

    def test_role_that_needs_a_certificate_cannot_go_without(self, bench: ConnectorBench) -> None:
        value = secret_value({"username": bench.valid["username"].get_secret_value(), "password": "x"})
        assert bench.verify(value).reason is Reason.NOT_CONFIGURED

    def test_no_file_of_the_key_outlives_the_login(self, bench: ConnectorBench) -> None:
        before = len(os.listdir("/proc/self/fd"))
        bench.verify()
        assert len(os.listdir("/proc/self/fd")) == before


def test_certificate_and_password_are_both_needed_where_both_are_asked_for(
    postgres_server: PostgresServer, role: PostgresRole
) -> None:
    postgres_server.join(role, "doubly")
    both = {**_certified(postgres_server, role.name), "password": role.password}
    without_password = {name: text for name, text in both.items() if name != "password"}
    without_certificate = {"username": role.name, "password": role.password}
    found = [
        At(f"postgres://127.0.0.1:{postgres_server.port}")
        .verify(_settings(postgres_server), secret_value(value), deadline=LONG, via=None)
        .reason
        for value in (both, {**both, "password": "wrong"}, without_password, without_certificate)
    ]
    assert found == [Reason.WORKS, Reason.WRONG_VALUE, Reason.NOT_CONFIGURED, Reason.NOT_CONFIGURED]


def test_md5_is_accepted_for_redshift_only(postgres_server: PostgresServer, role: PostgresRole) -> None:
    postgres_server.join(role, "digested")
    with postgres_server.connect() as admin:
        digest = admin.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"md5").decode()
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role.name), digest))
    value = secret_value({"username": role.name, "password": role.password})
    found = [
        At(f"postgres://127.0.0.1:{postgres_server.port}")
        .verify(_settings(postgres_server, engine=engine), value, deadline=LONG, via=None)
        .reason
        for engine in ("postgres", "redshift")
    ]
    assert found == [Reason.VERSION_NOT_SUPPORTED, Reason.WORKS]


@pytest.mark.parametrize(
    ("expires", "reason"),
    [
        ("2026-11-24T11:59:00+00:00", Reason.EXPIRED),
        ("2026-11-24T12:01:00Z", Reason.WRONG_VALUE),
        ("2026-11-24T11:59:00", Reason.WRONG_VALUE),
        ("soon", Reason.WRONG_VALUE),
    ],
)
def test_refused_temporary_password_is_expired_once_its_own_record_says_so(
    postgres_server: PostgresServer, role: PostgresRole, expires: str, reason: Reason
) -> None:
    value = secret_value({"username": role.name, "password": "temporary", "expires": expires})
    at = At(f"postgres://127.0.0.1:{postgres_server.port}")
    assert at.verify(_settings(postgres_server), value, deadline=LONG, via=None).reason is reason


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

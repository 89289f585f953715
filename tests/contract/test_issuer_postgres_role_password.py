import re
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from lifecycle.clients.postgres import PostgresTarget
from lifecycle.connectors.postgres import PostgresSettings, PostgresVerifier
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AuthenticationError, ConfigurationError
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.postgres_role_password import PostgresRolePasswordIssuer, PostgresRolePasswordSettings
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import LONG, Driven
from lifecycle.testing.setting_contract import SettingBench, SettingContract
from tests.servers.postgres import PostgresRole, PostgresServer
from tests.servers.process import free_port


def _as_value(role: PostgresRole) -> SecretValue:
    return secret_value({"username": role.name, "password": role.password})


def _connect(server: PostgresServer, value: SecretValue) -> psycopg.Connection:
    name, password = (value[field].get_secret_value() for field in ("username", "password"))
    return server.connect(PostgresRole(name=name, password=password))


def _target(server: PostgresServer) -> PostgresTarget:
    return PostgresTarget(host="127.0.0.1", port=server.port, ca_file=str(server.ca_file))


def _statement(server: PostgresServer, text: str, *roles: str) -> None:
    with server.connect() as admin:
        admin.execute(sql.SQL(text).format(*(sql.Identifier(role) for role in roles)))


def _verify(server: PostgresServer, value: SecretValue) -> VerificationResult:
    settings = PostgresSettings(host="127.0.0.1", port=server.port, ca_file=str(server.ca_file))
    return PostgresVerifier(clock=lambda: datetime.now(UTC)).verify(settings, value, deadline=LONG, via=None)


def _bench(server: PostgresServer, roles: tuple[str, ...], owner: str = "") -> SettingBench:
    admin, wrong = _as_value(server.admin), secret_value({"username": server.admin.name, "password": "wrong-login"})
    target = _target(server)

    def issuer(place: PostgresTarget, login: SecretValue) -> PostgresRolePasswordIssuer:
        return PostgresRolePasswordIssuer(place, roles, owner=owner, admin=lambda: login)

    mine = issuer(target, admin)
    principal = owner or roles[0]

    def verify(value: SecretValue) -> VerificationResult:
        return _verify(server, value)

    return SettingBench(
        issuer=mine,
        principal=principal,
        admin=admin,
        slots=roles if owner else ("",),
        works=lambda value: str(verify(value).status) == "valid",
        occupy=lambda slot: _statement(server, "ALTER ROLE {} LOGIN", slot),
        unreachable=issuer(replace(target, port=free_port()), admin),
        refused=issuer(target, wrong),
        refused_admin=wrong,
        driven=Driven(issuer=mine, principal=principal, verify=verify, admin=lambda: admin),
    )


class TestOneRole(SettingContract):
    """Class C."""

    @pytest.fixture
    def bench(self, postgres_server: PostgresServer) -> SettingBench:
        return _bench(postgres_server, (postgres_server.fresh_role(may_log_in=False).name,))

    def test_old_password_ends_at_once(self, bench: SettingBench) -> None:
        first, second = bench.issuer.generate(""), bench.issuer.generate("")
        bench.set("", first)
        bench.set("", second)
        assert bench.works(second)
        assert not bench.works(first)

    def test_role_changes_itself(self, postgres_server: PostgresServer) -> None:
        role = postgres_server.fresh_role()
        issuer = PostgresRolePasswordIssuer(_target(postgres_server), (role.name,), admin=None)
        driven = Driven(issuer=issuer, principal=role.name, verify=lambda value: _verify(postgres_server, value))
        driven.store.put_current(_as_value(role))
        assert adopt(driven.context).standing is Standing.DONE
        values = [driven.rotated() for _ in range(2)]
        assert driven.works(values[1])
        assert not driven.works(values[0])
        assert not driven.works(_as_value(role))
        with pytest.raises(ConfigurationError, match="cannot end itself"):
            issuer.revoke(role.name, issuer.identify(values[1]))


class TestTwoRoles(SettingContract):
    """Class A."""

    @pytest.fixture
    def bench(self, postgres_server: PostgresServer) -> SettingBench:
        names = [postgres_server.fresh_role(may_log_in=False).name for _ in range(3)]
        _statement(postgres_server, "GRANT {} TO {}, {}", *names)
        return _bench(postgres_server, (names[1], names[2]), names[0])

    def test_session_of_a_revoked_role_is_ended(self, bench: SettingBench, postgres_server: PostgresServer) -> None:
        values = [bench.issuer.generate(slot) for slot in bench.slots]
        for slot, value in zip(bench.slots, values, strict=True):
            bench.set(slot, value)
        doomed, kept = (_connect(postgres_server, value) for value in values)
        bench.issuer.revoke(bench.principal, bench.issuer.identify(values[0]))
        with pytest.raises(psycopg.errors.AdminShutdown):
            doomed.execute("SELECT 1")
        assert kept.execute("SELECT 1").fetchone() == (1,)
        kept.close()

    def test_password_never_reaches_the_server(self, bench: SettingBench, postgres_server: PostgresServer) -> None:
        value = bench.issuer.generate(bench.slots[0])
        bench.set(bench.slots[0], value)
        log = postgres_server.log.read_text()
        assert re.search(rf"ALTER ROLE \"{bench.slots[0]}\" LOGIN PASSWORD *'SCRAM-SHA-256", log)
        assert value["password"].get_secret_value() not in log

    def test_login_made_by_somebody_else_is_adopted_and_later_ended(
        self, bench: SettingBench, postgres_server: PostgresServer
    ) -> None:
        slot = bench.slots[0]
        _statement(postgres_server, "ALTER ROLE {} LOGIN", slot)
        with postgres_server.connect() as admin:
            verifier = admin.pgconn.encrypt_password(b"theirs-for-long", slot.encode(), b"scram-sha-256").decode()
            admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(slot), verifier))
        theirs = secret_value({"username": slot, "password": "theirs-for-long"})
        bench.driven.store.put_current(theirs)
        assert adopt(bench.driven.context).standing is Standing.DONE
        assert bench.driven.rotated()["username"].get_secret_value() == bench.slots[1]
        assert not bench.works(theirs)

    def test_role_that_is_not_the_owners_is_refused(self, bench: SettingBench, postgres_server: PostgresServer) -> None:
        _statement(postgres_server, "REVOKE {} FROM {}", bench.principal, bench.slots[0])
        with pytest.raises(ConfigurationError, match="no member"):
            bench.set(bench.slots[0], bench.issuer.generate(bench.slots[0]))

    def test_missing_role_is_told(self, postgres_server: PostgresServer) -> None:
        login = _as_value(postgres_server.admin)
        issuer = PostgresRolePasswordIssuer(_target(postgres_server), ("no_a", "no_b"), admin=lambda: login)
        with pytest.raises(ConfigurationError, match="no_a, no_b"):
            issuer.list("nobody")

    def test_admin_without_the_right_is_told_which(self, bench: SettingBench, postgres_server: PostgresServer) -> None:
        weak = _as_value(postgres_server.fresh_role())
        with pytest.raises(AuthenticationError) as caught:
            bench.issuer.set(
                bench.principal, bench.slots[0], bench.issuer.generate(bench.slots[0]), expected=None, admin=weak
            )
        assert "CREATEROLE" in caught.value.remedy

    def test_admin_needs_no_superuser(self, bench: SettingBench, postgres_server: PostgresServer) -> None:
        rotator = postgres_server.fresh_role(may_create_roles=True)
        _statement(postgres_server, "GRANT pg_signal_backend TO {}", rotator.name)
        login = _as_value(rotator)
        issuer = PostgresRolePasswordIssuer(
            _target(postgres_server), bench.slots, owner=bench.principal, admin=lambda: login
        )
        value = issuer.generate(bench.slots[0])
        issuer.set(bench.principal, bench.slots[0], value, expected=None, admin=login)
        assert bench.works(value)
        issuer.revoke(bench.principal, issuer.identify(value))
        assert not bench.works(value)


def test_class_follows_from_the_settings() -> None:
    two = PostgresRolePasswordIssuer(PostgresTarget(host="db"), ("a", "b"), admin=lambda: {}).traits
    one = PostgresRolePasswordIssuer(PostgresTarget(host="db"), ("a",), admin=None).traits
    assert (two.credential_class, two.slot_names) == (CredentialClass.A, ("a", "b"))
    assert (one.credential_class, one.slots) == (CredentialClass.C, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"role": "a", "roles": ("b", "c"), "member_of": "o", "admin": "x"},
        {"roles": ("a", "a"), "member_of": "o", "admin": "x"},
        {"roles": ("a", "b"), "admin": "x"},
        {"roles": ("a", "b"), "member_of": "o"},
    ],
)
def test_settings_that_name_no_clear_roles_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="role"):
        PostgresRolePasswordSettings(host="db", **wrong)

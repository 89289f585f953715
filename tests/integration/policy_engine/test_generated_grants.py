"""The generated PostgreSQL grants on the real server: enough to rotate the declared role, and each of them needed."""

from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.clients.postgres import PostgresTarget
from lifecycle.connectors.postgres import PostgresSettings, PostgresVerifier
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.issuers.postgres_role_password import PostgresRolePasswordIssuer
from lifecycle.policy_engine.generate import generate_policies, residual_risks
from tests.servers.postgres import PostgresRole, PostgresServer
from tests.unit.policy_engine.generated_spec import reference_spec

KIND = "postgres_role_password"


def files(role: str, admin: str, database: str = "postgres") -> dict[str, str]:
    host = {"host": "127.0.0.1", "port": 5432}
    settings = {"postgres": {**host, "database": database, "can_select": ["public.features"]}}
    spec = reference_spec(
        credentials={
            "features": {"kind": KIND, "settings": {**host, "role": role, "admin": "admin"}, "reason": "RA-17"},
            "admin": {"kind": KIND, "settings": {**host, "role": admin}, "reason": "RA-17"},
        },
        connectors={"features": {"kind": "postgres", "settings": settings["postgres"], "credential": "features"}},
    )
    assert any("CREATEROLE" in risk for risk in residual_risks(spec))
    return {path.rpartition("/")[2]: text for path, text in generate_policies(spec).items() if "/postgres/" in path}


def granted(server: PostgresServer, text: str, database: str = "postgres") -> None:
    with server.connect(database=database) as superuser:
        superuser.execute(text.encode())


def value(role: PostgresRole, password: str = "") -> SecretValue:
    return secret_value({"username": role.name, "password": password or role.password})


def target(server: PostgresServer) -> PostgresTarget:
    return PostgresTarget(host="127.0.0.1", port=server.port, ca_file=str(server.ca_file))


@pytest.mark.parametrize("left_out", ["", "CREATEROLE", "ADMIN OPTION"])
def test_an_administrator_with_these_grants_rotates_and_ends_the_role_and_with_less_it_does_not(
    postgres_server: PostgresServer, left_out: str
) -> None:
    role, admin = postgres_server.fresh_role(), postgres_server.fresh_role()
    given = files(role.name, admin.name)["rotate.sql"].splitlines()
    lines = [line for line in given if not (left_out and left_out in line)]
    granted(postgres_server, "\n".join(lines))
    mine = PostgresRolePasswordIssuer(target(postgres_server), (role.name,), admin=lambda: value(admin))
    fresh = value(role, "n3w-and-long-enough")

    def rotate() -> None:
        mine.set(role.name, "", fresh, admin=value(admin), expected=None)
        with postgres_server.connect(PostgresRole(name=role.name, password="n3w-and-long-enough")):
            mine.revoke(role.name, mine.list(role.name).credentials[0].id)

    if left_out:
        with pytest.raises(LifecycleError):
            rotate()
    else:
        rotate()


def test_a_role_with_the_grants_of_verify_reads_what_its_connector_declares(postgres_server: PostgresServer) -> None:
    role, owner = postgres_server.fresh_role(), postgres_server.fresh_role()
    database = postgres_server.fresh_database(owner=owner)
    granted(postgres_server, "CREATE TABLE public.features (a int)", database)
    settings = PostgresSettings(
        host="127.0.0.1",
        port=postgres_server.port,
        database=database,
        ca_file=str(postgres_server.ca_file),
        can_select=("public.features",),
    )
    verifier = PostgresVerifier(clock=lambda: datetime.now(UTC))

    def status() -> str:
        return str(verifier.verify(settings, value(role), deadline=timedelta(seconds=30), via=None).status)

    assert status() != "valid"
    granted(postgres_server, files(role.name, owner.name, database)["verify.sql"], database)
    assert status() == "valid"

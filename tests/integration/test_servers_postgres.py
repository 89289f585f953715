"""What the PostgreSQL of the tests enforces, and what a rotation of its passwords can rely on."""

import psycopg
import pytest
from psycopg import sql

from tests.servers.postgres import PostgresRole, PostgresServer


def test_connection_is_encrypted_and_verified_by_name(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row == (True,)


def test_connection_without_tls_is_refused(postgres_server: PostgresServer) -> None:
    admin = postgres_server.admin
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(
            host="127.0.0.1", port=postgres_server.port, user=admin.name, password=admin.password, sslmode="disable"
        )


def test_wrong_password_is_told_only_in_the_message(postgres_server: PostgresServer) -> None:
    role = postgres_server.fresh_role()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed") as refused:
        postgres_server.connect(PostgresRole(name=role.name, password="wrong"))
    assert refused.value.sqlstate is None


def test_new_password_cuts_over_at_once_while_open_connections_live_on(postgres_server: PostgresServer) -> None:
    role = postgres_server.fresh_role()
    database = postgres_server.fresh_database(owner=role)
    open_connection = postgres_server.connect(role, database)
    with postgres_server.connect() as admin:
        verifier = admin.pgconn.encrypt_password(b"new-password", role.name.encode(), b"scram-sha-256").decode()
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role.name), verifier))
    with open_connection:
        assert open_connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres_server.connect(role, database)
    postgres_server.connect(PostgresRole(name=role.name, password="new-password"), database).close()


def test_password_sent_as_verifier_never_reaches_the_log(postgres_server: PostgresServer) -> None:
    role = postgres_server.fresh_role()
    log = postgres_server.log.read_text()
    assert role.name in log
    assert role.password not in log

"""PostgreSQL over TLS, passwords by SCRAM only, one cluster per test worker.

Members of three roles log in otherwise: `certified` by a client certificate alone, `doubly` by one and the password,
`digested` by MD5, as Redshift has it.
"""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import trustme
from psycopg import sql

from tests.servers.certificates import ServerCertificate, write_server_certificate
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_on_free_port, start_process, wait_until
from tests.servers.provisioned import installed_package
from tests.servers.unprivileged import as_user, folder_for, give_to

_USER = "postgres"
_ADMIN = "administrator"
# No other line: without TLS, or with another method, nobody gets in.
_HBA = """\
hostssl all +certified 127.0.0.1/32 cert
hostssl all +doubly 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all +digested 127.0.0.1/32 md5
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresRole:
    """A role that may log in."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """The running cluster.

    Attributes:
        port: Its port on 127.0.0.1.
        ca_file: What verifies its certificate.
        client_authority: Signs the client certificates that it accepts.
        admin: A superuser.
        log: Its log, with every statement that it ran.
    """

    port: int
    ca_file: Path
    client_authority: trustme.CA
    admin: PostgresRole
    log: Path

    def connect(self, role: PostgresRole | None = None, database: str = "postgres") -> psycopg.Connection:
        """Connect as `role`, else as the superuser, with the certificate and the host name verified."""
        role = role or self.admin
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=role.name,
            password=role.password,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.ca_file),
            connect_timeout=10,
            autocommit=True,
        )

    def fresh_role(self, *, may_log_in: bool = True, may_create_roles: bool = False) -> PostgresRole:
        """Make a role with a name and a password that nobody else has.

        Args:
            may_log_in: Whether it has LOGIN; an owner shared by two login roles has not.
            may_create_roles: Whether it has CREATEROLE, as one that rotates others.

        Returns:
            The role.
        """
        role = PostgresRole(name=f"role_{uuid4().hex}", password=secrets.token_urlsafe())
        login = sql.SQL("LOGIN" if may_log_in else "NOLOGIN")
        create = sql.SQL("CREATEROLE" if may_create_roles else "NOCREATEROLE")
        with self.connect() as admin:
            verifier = admin.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256")
            statement = sql.SQL("CREATE ROLE {} {} {} PASSWORD {}")
            admin.execute(statement.format(sql.Identifier(role.name), login, create, verifier.decode()))
        return role

    def join(self, role: PostgresRole, group: str) -> None:
        """Make `role` log in as members of `certified`, `doubly` or `digested` do."""
        with self.connect() as admin:
            found = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [group]).fetchone()
            if not found:
                admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))
            admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role.name)))

    def fresh_database(self, *, owner: PostgresRole) -> str:
        """Make an empty database that belongs to `owner`, and return its name."""
        name = f"database_{uuid4().hex}"
        with self.connect() as admin:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(owner.name)))
        return name


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The cluster of this worker; tests isolate themselves by `fresh_role` and `fresh_database`."""
    folder = folder_for(_USER, prefix="postgres")
    admin = PostgresRole(name=_ADMIN, password=secrets.token_urlsafe())
    certificate = write_server_certificate(folder)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "clients.pem"))
    give_to(_USER, [certificate.key_file])
    _initialise(folder, admin)
    process, port = _start_on_free_port(folder, certificate)
    yield PostgresServer(
        port=port,
        ca_file=certificate.ca_file,
        client_authority=authority,
        admin=admin,
        log=folder / "postgres.log",
    )
    process.stop()
    shutil.rmtree(folder)


def _program(name: str) -> Path:
    """A program of the newest installed version; Debian keeps them off PATH."""
    installed_package("pg_ctlcluster")
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    assert newest is not None, f"{name} is missing although postgresql-common is there: apt-get install postgresql"
    return newest


def _initialise(folder: Path, admin: PostgresRole) -> None:
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(admin.password)
    give_to(_USER, [password_file])
    options = [
        "-D",
        str(folder / "data"),
        "-U",
        admin.name,
        "-A",
        "scram-sha-256",
        f"--pwfile={password_file}",
        "--no-sync",
    ]
    argv = [*as_user(_USER), str(_program("initdb")), *options, "--locale=C.UTF-8", "--encoding=UTF8"]
    subprocess.run(argv, check=True, capture_output=True, cwd=folder, env=minimal_environment(folder))
    password_file.unlink()
    (folder / "data" / "pg_hba.conf").write_text(_HBA)


def _start_on_free_port(folder: Path, certificate: ServerCertificate) -> tuple[ServerProcess, int]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "log_statement": "all",
        "ssl": "on",
        "ssl_cert_file": certificate.certificate_file,
        "ssl_key_file": certificate.key_file,
        "ssl_ca_file": folder / "clients.pem",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def start(port: int) -> ServerProcess:
        argv = [*as_user(_USER), str(_program("postgres")), "-D", str(folder / "data"), "-p", str(port), *options]
        return start_process(argv, log=folder / "postgres.log", env=minimal_environment(folder))

    def wait(process: ServerProcess, port: int) -> None:
        probe = [str(_program("pg_isready")), "-q", "-h", str(folder), "-p", str(port)]
        wait_until(lambda: subprocess.run(probe, check=False).returncode == 0, process=process, what="PostgreSQL")

    return start_on_free_port(start, wait)

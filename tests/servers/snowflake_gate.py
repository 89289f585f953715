"""The Snowflake of the tests, one per worker: a double whose SQL is fakesnow's and whose logins are checked.

Not modelled: network policies, MFA, host rules, lockout, the delay of a new key, grants on tables.
"""

import base64
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_http_server, start_process
from tests.servers.provisioned import provisioned
from tests.servers.snowflake.users import fingerprint

_PROJECT = Path(__file__).parents[2]
_ADMIN = "ADMINISTRATOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An RSA key pair."""

    private: RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "KeyPair":
        """A new pair of 2048 bits."""
        return cls(private=generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def public(self) -> str:
        """The public key as ALTER USER takes it."""
        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    @property
    def private_der(self) -> bytes:
        """The private key as Snowflake's connector takes it."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def fingerprint(self) -> str:
        """As DESC USER shows it."""
        return fingerprint(self.public)

    def token(self, *, account: str, user: str, issued_at: float | None = None) -> str:
        """A JWT that logs `user` in; `issued_at` is now unless told."""
        now = time.time() if issued_at is None else issued_at
        subject = f"{account}.{user}"
        claims = {"iss": f"{subject}.{self.fingerprint}", "sub": subject, "iat": int(now), "exp": int(now) + 3600}
        return jwt.encode(claims, self.private, algorithm="RS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeUsers:
    """Makes and changes users behind Snowflake's back, as its administrators would."""

    url: str
    admin_token: str = field(repr=False)

    def fresh(self, **fields: Any) -> str:
        """Make a user that nobody else uses.

        Args:
            fields: Of `tests.servers.snowflake.users.User`: `password`, `keys`, `administers` …

        Returns:
            Its name.
        """
        name = f"USER_{uuid4().hex.upper()}"
        self.change(name, **fields)
        return name

    def change(self, name: str, **fields: Any) -> None:
        """Replace fields of a user."""
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        with httpx.Client(trust_env=False) as client:
            client.patch(f"{self.url}/gate/users/{name}", json=fields, headers=headers).raise_for_status()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeGate:
    """The running server.

    Attributes:
        account: Its one account.
        port: Its port on 127.0.0.1, plain http.
        users: Makes users.
        admin: Key pair of a user that may alter every other.
    """

    account: str
    port: int
    users: SnowflakeUsers
    admin: KeyPair

    @property
    def url(self) -> str:
        """Base URL, of the SQL API too."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, statement: str, *, token: str, kind: str = "KEYPAIR_JWT", **more: str) -> httpx.Response:
        """Send a statement to the SQL API.

        Args:
            statement: SQL.
            token: Goes into the Authorization header.
            kind: Goes into X-Snowflake-Authorization-Token-Type; empty leaves the header out.
            more: Further fields of the body, such as `database`.

        Returns:
            The answer, whatever its status.
        """
        headers = {"Authorization": f"Bearer {token}"}
        if kind:
            headers["X-Snowflake-Authorization-Token-Type"] = kind
        with httpx.Client(trust_env=False, timeout=30) as client:
            body = {"statement": statement, **more}
            return client.post(f"{self.url}/api/v2/statements", json=body, headers=headers)

    def execute(self, statement: str, **more: str) -> list[list[str | None]]:
        """Run a statement as the administrator, and return its rows."""
        token = self.admin.token(account=self.account, user=_ADMIN)
        rows: list[list[str | None]] = self.post(statement, token=token, **more).raise_for_status().json()["data"]
        return rows


@pytest.fixture(scope="session")
def snowflake_gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeGate]:
    """The Snowflake of this worker; tests take users by `users.fresh`, and databases with fresh names."""
    folder = tmp_path_factory.mktemp("snowflake")
    account, admin_token, admin = "LIFECYCLETESTS", secrets.token_urlsafe(), KeyPair.generate()

    def start(port: int) -> ServerProcess:
        argv: list[str | Path] = [provisioned("snowflake"), "-m", "tests.servers.snowflake.gate", str(port)]
        env = minimal_environment(folder, GATE_ACCOUNT=account, GATE_ADMIN_TOKEN=admin_token)
        return start_process(argv, log=folder / "gate.log", env=env, cwd=_PROJECT)

    process, port = start_http_server(start, health="/gate/health")
    users = SnowflakeUsers(url=f"http://127.0.0.1:{port}", admin_token=admin_token)
    users.change(_ADMIN, keys={"RSA_PUBLIC_KEY": admin.public}, administers=["*"])
    yield SnowflakeGate(account=account, port=port, users=users, admin=admin)
    process.stop()

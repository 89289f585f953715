"""glewlwyd, a second OpenID provider that behaves otherwise than oidc-provider: 403 for a wrong secret, no overlap.

PUT without `client_secret` makes a new secret and the old one fails at once; `grant_types_supported` leaves out
client_credentials although it works.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_http_server, start_process
from tests.servers.provisioned import installed_package

# Part of the package and kept by systems that leave out documentation, unlike the copy in its documentation folder.
_SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_MODULES = Path("/usr/lib/glewlwyd")
_INITIAL_ADMIN = {"username": "admin", "password": "password"}  # What the schema contains.
_REGISTRAR = "registrar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glewlwyd:
    """The running provider.

    Attributes:
        url: Base URL of its OpenID plugin: `/token`, `/introspect`, `/revoke`, `/register` and the discovery document.
        registrar_secret: Of the client that obtains initial access tokens.
    """

    url: str
    registrar_secret: str = field(repr=False)

    def client_credentials(self, client_id: str, secret: str, *, scope: str = "read") -> httpx.Response:
        """Ask for an access token, and return the answer whatever its status."""
        form = {"grant_type": "client_credentials", "scope": scope}
        return self._post("/token", data=form, auth=(client_id, secret))

    def introspect(self, client_id: str, secret: str, *, token: str) -> dict[str, Any]:
        """What the provider says about a token."""
        answer = self._post("/introspect", data={"token": token}, auth=(client_id, secret))
        said: dict[str, Any] = answer.raise_for_status().json()
        return said

    def initial_access_token(self) -> str:
        """A token that registers clients (RFC 7591)."""
        answer = self.client_credentials(_REGISTRAR, self.registrar_secret, scope="register")
        return str(answer.raise_for_status().json()["access_token"])

    def register(self, **metadata: Any) -> dict[str, Any]:
        """Register a client for client_credentials with scope `read`.

        Args:
            metadata: Further client metadata.

        Returns:
            The answer, with `client_id`, `client_secret` and what manages the client (RFC 7592).
        """
        body = {
            "client_name": "tests",
            "redirect_uris": ["https://client.example/callback"],
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",  # Without it there is no secret.
            **metadata,
        }
        headers = {"Authorization": f"Bearer {self.initial_access_token()}"}
        made: dict[str, Any] = self._post("/register", json=body, headers=headers).raise_for_status().json()
        return made

    def _post(self, path: str, **request: Any) -> httpx.Response:
        with httpx.Client(trust_env=False) as client:
            return client.post(f"{self.url}{path}", **request)


@pytest.fixture(scope="session")
def glewlwyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    """The provider of this worker; each test registers its clients."""
    folder = tmp_path_factory.mktemp("glewlwyd")

    def start(port: int) -> ServerProcess:
        with sqlite3.connect(folder / f"{port}.db") as database:
            database.executescript(_SCHEMA.read_text())
        database.close()
        configuration = folder / "glewlwyd.conf"
        configuration.write_text(_configuration(folder / f"{port}.db", port))
        argv: list[str | Path] = [installed_package("glewlwyd"), "-c", configuration, "-m", "console"]
        return start_process(argv, log=folder / "glewlwyd.log", env=minimal_environment(folder))

    process, port = start_http_server(start, health="/config")
    url = f"http://127.0.0.1:{port}"
    server = Glewlwyd(url=f"{url}/api/oidc", registrar_secret=secrets.token_urlsafe())
    _set_up(url, server.registrar_secret)
    yield server
    process.stop()


def _configuration(database: Path, port: int) -> str:
    settings = {
        "bind_address": "127.0.0.1",
        "external_url": f"http://127.0.0.1:{port}",
        "login_url": "login.html",
        "api_prefix": "api",
        "log_mode": "console",
        "log_level": "INFO",
        "cookie_domain": "127.0.0.1",
        "session_key": "GLEWLWYD2_SESSION_ID",
        "admin_scope": "g_admin",
        "profile_scope": "g_profile",
        "user_module_path": f"{_MODULES}/user",
        "user_middleware_module_path": f"{_MODULES}/user_middleware",
        "client_module_path": f"{_MODULES}/client",
        "user_auth_scheme_module_path": f"{_MODULES}/scheme",
        "plugin_module_path": f"{_MODULES}/plugin",
        "hash_algorithm": "SHA512",
    }
    lines = [f'{name}="{value}"' for name, value in settings.items()]
    lines += [f"port={port}", "cookie_secure=0", "secure_connection=false", "session_expiration=86400"]
    lines.append(f'database = {{ type = "sqlite3"; path = "{database}"; }};')
    return "".join(f"{line}\n" for line in lines)


def _set_up(url: str, registrar_secret: str) -> None:
    """Add scopes, the OpenID plugin, and the client that obtains initial access tokens, over the admin API."""
    with httpx.Client(base_url=f"{url}/api", trust_env=False) as admin:

        def add(path: str, **body: Any) -> None:
            admin.post(path, json=body).raise_for_status()

        add("/auth/", **_INITIAL_ADMIN)
        for scope in ("register", "read", "write"):
            add("/scope/", name=scope, display_name=scope, description=scope, password_required=False, scheme={})
        add("/mod/plugin/", module="oidc", name="oidc", display_name="oidc", order_rank=0, parameters=_plugin(url))
        add(
            "/client/?source=database",
            client_id=_REGISTRAR,
            name=_REGISTRAR,
            confidential=True,
            enabled=True,
            client_secret=registrar_secret,
            authorization_type=["client_credentials"],
            token_endpoint_auth_method=["client_secret_basic"],
            redirect_uri=[],
            scope=["register"],
        )


def _plugin(url: str) -> dict[str, Any]:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    on = [
        "allow-non-oidc",
        "auth-type-client-enabled",
        "auth-type-code-enabled",
        "auth-type-refresh-enabled",
        "introspection-revocation-allowed",
        "introspection-revocation-allow-target-client",
        "jwks-show",
        "refresh-token-rolling",
        "register-client-allowed",
        "register-client-management-allowed",
    ]
    return {
        "iss": f"{url}/api/oidc",
        "subject-type": "public",
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "cert": public.decode(),
        "access-token-duration": 600,
        "refresh-token-duration": 3600,
        "code-duration": 600,
        "register-client-auth-scope": ["register"],
        "register-client-credentials-scope": ["read"],
        **dict.fromkeys(on, True),
    }

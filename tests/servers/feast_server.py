"""A real Feast of this worker: `feast serve` and the REST registry, both asking for tokens of a small OIDC issuer."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_http_server, start_process
from tests.servers.provisioned import provisioned

PROJECT = "acme"
_REPOSITORY = Path(__file__).parent / "feast" / "repository.py"
_KEY_ID = "feast"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastServer:
    """The running servers.

    Attributes:
        url: Base URL of the feature server.
        registry: Base URL of the REST registry.
    """

    url: str
    registry: str
    _key: RSAPrivateKey = field(repr=False)

    def token(self, *, seconds: int = 3600, subject: str = "svc-features") -> str:
        """An access token that both accept for so long."""
        now = int(time.time())
        claims = {"sub": subject, "iat": now, "exp": now + seconds}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})


@pytest.fixture(scope="session")
def feast_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeastServer]:
    """The Feast of this worker, about ten seconds; project `acme`, feature view `customer_stats`, customer 1001."""
    folder = tmp_path_factory.mktemp("feast")
    key = generate_private_key(public_exponent=65537, key_size=2048)
    with _issuer(key) as issuer:
        (folder / "feature_store.yaml").write_text(json.dumps(_configuration(issuer)))  # JSON is YAML
        env = minimal_environment(folder, FEAST_TELEMETRY="False", FEAST_USAGE="False")
        filled = start_process([provisioned("feast"), _REPOSITORY], log=folder / "fill.log", env=env)
        assert filled.popen.wait(120) == 0, filled.log_tail()
        running: list[ServerProcess] = []

        def start(name: str, *options: str) -> str:
            def on(port: int) -> ServerProcess:
                where = [str(port) if option == "PORT" else option for option in options]
                argv: list[str | Path] = [provisioned("feast"), "-m", "feast.cli.cli", name, "-h", "127.0.0.1", *where]
                return start_process(argv, log=folder / f"{name}.log", env=env)

            process, port = start_http_server(on, health="/health")
            running.append(process)
            return f"http://127.0.0.1:{port}"

        try:
            url = start("serve", "-p", "PORT", "--no-access-log", "-w", "1")
            registry = start("serve_registry", "--no-grpc", "--rest-api", "--rest-port", "PORT")
            yield FeastServer(url=url, registry=f"{registry}/api/v1", _key=key)
        finally:
            for process in running:
                process.stop()


def _configuration(issuer: str) -> dict[str, Any]:
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": "registry.db",
        "online_store": {"type": "sqlite", "path": "online.db"},
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 3,
        "auth": {"type": "oidc", "client_id": "feast", "auth_discovery_url": f"{issuer}/discovery"},
    }


@contextmanager
def _issuer(key: RSAPrivateKey) -> Iterator[str]:
    """What Feast asks its OpenID provider: where things are, and the public key."""
    public = {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": _KEY_ID, "use": "sig"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://{self.headers['Host']}"
            ends = {"jwks_uri": "jwks", "token_endpoint": "token", "authorization_endpoint": "authorize"}
            discovery = {"issuer": base, **{name: f"{base}/{path}" for name, path in ends.items()}}
            body = json.dumps({"keys": [public]} if self.path == "/jwks" else discovery).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

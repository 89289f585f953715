"""OpenBao, a Vault-compatible server: in memory per worker, or on disk per test."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import hvac
import pytest

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, free_port, start_http_server, start_process, wait_for_http
from tests.servers.provisioned import provisioned

# Answers for an uninitialised or sealed server too, below 500, so that "up" means "listening".
_HEALTH = "/v1/sys/health?uninitcode=200&sealedcode=200"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBaoServer:
    """A development server: in memory, unsealed.

    Attributes:
        address: Base URL.
        root_token: Its root token.
    """

    address: str
    root_token: str

    def client(self) -> hvac.Client:
        """A client with the root token; always explicit, as hvac would read ~/.vault-token."""
        return hvac.Client(url=self.address, token=self.root_token)


@dataclass(slots=True, kw_only=True)
class OpenBaoFileServer:
    """A server with file storage, which keeps every acknowledged write when it is killed.

    Attributes:
        folder: Holds its configuration, data, log and audit log.
        port: The same over all restarts.
        root_token: Its root token.
        unseal_key: The one key share.
    """

    folder: Path
    port: int
    root_token: str = ""
    unseal_key: str = ""
    _process: ServerProcess | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def audit_log(self) -> Path:
        """The audit log, one JSON object per line; values in it are hashed by the server."""
        return self.folder / "audit.log"

    def client(self) -> hvac.Client:
        """A client with the root token."""
        return hvac.Client(url=self.address, token=self.root_token)

    def start(self) -> None:
        """Start the server, initialise it the first time, and unseal it."""
        self._process = self._launch()
        wait_for_http(f"{self.address}{_HEALTH}", process=self._process)
        if not self.root_token:
            keys = self._sys("PUT", "init", {"secret_shares": 1, "secret_threshold": 1}).json()
            self.root_token, self.unseal_key = keys["root_token"], keys["keys"][0]
        self.unseal()

    def kill(self) -> None:
        """End it with SIGKILL; `start` brings it back with its data."""
        if self._process is not None:
            self._process.kill()

    def seal(self) -> None:
        """Seal it, so that every call answers 503."""
        self._sys("PUT", "seal", {})

    def unseal(self) -> None:
        """Undo `seal`."""
        self._sys("PUT", "unseal", {"key": self.unseal_key})

    def _sys(self, method: str, path: str, body: dict[str, object]) -> httpx.Response:
        return _call(f"{self.address}/v1/sys/{path}", method, self.root_token, body)

    def _launch(self) -> ServerProcess:
        config = self.folder / "server.hcl"
        config.write_text(_configuration(self.folder, self.address))
        argv: list[str | Path] = [provisioned("openbao"), "server", f"-config={config}"]
        return start_process(argv, log=self.folder / "server.log", env=minimal_environment(self.folder))


def _call(url: str, method: str, token: str, body: dict[str, object] | None = None) -> httpx.Response:
    """Call the system API; not by hvac, whose calls for it have no types."""
    headers = {"X-Vault-Token": token} if token else {}
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.request(method, url, headers=headers, json=body).raise_for_status()


def _configuration(folder: Path, address: str) -> str:
    # Audit devices can only be declared here: the server refuses them over its API.
    return f"""
        storage "file" {{ path = "{folder}/data" }}
        listener "tcp" {{
          address     = "{address.removeprefix("http://")}"
          tls_disable = true
        }}
        audit "file" "file" {{
          options {{
            file_path = "{folder}/audit.log"
            mode      = "0600"
          }}
        }}
        api_addr      = "{address}"
        disable_mlock = true
    """


@pytest.fixture(scope="session")
def openbao_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    """The in-memory server of this worker; tests take a mount of their own: `openbao_kv_mount`."""
    folder = tmp_path_factory.mktemp("openbao")
    token = secrets.token_urlsafe()
    flags = ["-dev", "-dev-no-store-token", f"-dev-root-token-id={token}"]

    def start(port: int) -> ServerProcess:
        argv: list[str | Path] = [provisioned("openbao"), "server", *flags, f"-dev-listen-address=127.0.0.1:{port}"]
        return start_process(argv, log=folder / "server.log", env=minimal_environment(folder))

    process, port = start_http_server(start, health="/v1/sys/health")
    yield OpenBaoServer(address=f"http://127.0.0.1:{port}", root_token=token)
    process.stop()


@pytest.fixture
def openbao_kv_mount(openbao_server: OpenBaoServer) -> Iterator[str]:
    """The path of a KV version 2 mount that only this test uses."""
    path = f"kv-{uuid4()}"
    mount = f"{openbao_server.address}/v1/sys/mounts/{path}"
    _call(mount, "POST", openbao_server.root_token, {"type": "kv", "options": {"version": "2"}})
    yield path
    _call(mount, "DELETE", openbao_server.root_token)


@pytest.fixture
def openbao_file_server(tmp_path: Path) -> Iterator[Callable[[], OpenBaoFileServer]]:
    """A function that starts a server with file storage; each call gives another, ended with the test."""
    servers: list[OpenBaoFileServer] = []

    def start() -> OpenBaoFileServer:
        folder = tmp_path / f"openbao-{len(servers)}"
        folder.mkdir(mode=0o700)
        server = OpenBaoFileServer(folder=folder, port=free_port())
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()

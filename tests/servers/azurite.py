"""Azurite, Microsoft's emulator of Azure Blob: two live account keys, fixed while it runs.

What it checks less than Azure: with `oauth` any JWT with the right claims passes, whoever signed it; and its error
codes differ, so classify answers by status.
"""

import base64
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential
from azure.storage.blob import BlobServiceClient

from tests.servers.certificates import ServerCertificate, write_server_certificate
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_on_free_port, start_process, wait_for_tcp
from tests.servers.provisioned import installed, provisioned

ACCOUNT = "lifecycletests"


def new_account_key() -> str:
    """A random key in the form of Azure's: 64 bytes in base64."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


@dataclass(slots=True, kw_only=True)
class Azurite:
    """A running emulator with one account.

    Attributes:
        folder: Holds its data, log and certificates.
        keys: The two keys of `ACCOUNT`.
        certificate: Set when it speaks https and takes OAuth tokens.
        port: The same over all restarts.
    """

    folder: Path
    certificate: ServerCertificate | None = None
    keys: tuple[str, str] = field(default_factory=lambda: (new_account_key(), new_account_key()), repr=False)
    port: int = 0
    _process: ServerProcess | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """The account's address; Azurite has the account in the path, not in the host name."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{ACCOUNT}"

    def client(self, key: str | None = None) -> BlobServiceClient:
        """A client that logs in with `key`, else with the first of `keys`."""
        return self.client_with(AzureNamedKeyCredential(ACCOUNT, key or self.keys[0]))

    def client_with(
        self, credential: AzureNamedKeyCredential | AzureSasCredential | TokenCredential
    ) -> BlobServiceClient:
        """A client that does not retry, and trusts the certificate."""
        verify: bool | str = str(self.certificate.ca_file) if self.certificate else True
        return BlobServiceClient(self.endpoint, credential=credential, connection_verify=verify, retry_total=0)

    def start(self) -> None:
        """Start it on any free port."""
        self._process, self.port = start_on_free_port(self._launch, self._wait)

    def restart(self, *, keys: tuple[str, str]) -> None:
        """Restart it on the same port with other keys and the same data, as when Azure regenerates a key."""
        self.stop()
        self.keys = keys
        self._process = self._launch(self.port)
        self._wait(self._process, self.port)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    def _wait(self, process: ServerProcess, port: int) -> None:
        wait_for_tcp(port, process=process, what="Azurite")

    def _launch(self, port: int) -> ServerProcess:
        node = installed("node", remedy="Install Node.js 20 or newer.")
        script = provisioned("azurite") / "azurite" / "dist" / "src" / "blob" / "main.js"
        # Clients are newer than the emulator: without the last flag every call is answered with 400.
        flags = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(self.folder)]
        if self.certificate is not None:
            files = self.certificate
            flags += ["--oauth", "basic", "--cert", str(files.certificate_file), "--key", str(files.key_file)]
        env = minimal_environment(self.folder, AZURITE_ACCOUNTS=f"{ACCOUNT}:{':'.join(self.keys)}")
        return start_process([node, script, *where, *flags], log=self.folder / "azurite.log", env=env)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The emulator of this worker over http, with account keys; tests take containers with fresh names."""
    server = Azurite(folder=tmp_path_factory.mktemp("azurite"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite_oauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The same over https, which also takes OAuth tokens."""
    folder = tmp_path_factory.mktemp("azurite-oauth")
    server = Azurite(folder=folder, certificate=write_server_certificate(folder))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_azurite(tmp_path: Path) -> Iterator[Callable[[], Azurite]]:
    """A function that starts an emulator of its own over http, for tests that `restart` it with other keys."""
    servers: list[Azurite] = []

    def start() -> Azurite:
        folder = tmp_path / f"azurite-{len(servers)}"
        folder.mkdir()
        server = Azurite(folder=folder)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()

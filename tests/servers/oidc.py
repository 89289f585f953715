"""oidc-provider, a certified OpenID Connect provider, with two overlapping client secrets.

What the overlap does exactly is told at the head of `oidc_provider/server.mjs`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.certificates import write_server_certificate
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_process, wait_until
from tests.servers.provisioned import installed, provisioned

_SCRIPT = Path(__file__).parent / "oidc_provider" / "server.mjs"


@dataclass(slots=True, kw_only=True)
class OidcProvider:
    """A running provider.

    Attributes:
        folder: Holds its log and, for https, its certificates.
        settings: Further environment variables, named in `server.mjs`.
        issuer: Its issuer identifier, also the base URL.
        initial_access_token: What registering a client needs (RFC 7591).
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    issuer: str = ""
    initial_access_token: str = field(default="", repr=False)
    _process: ServerProcess | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it on any free port, or on the port that it had before."""
        log = self.folder / f"provider-{len(list(self.folder.glob('provider-*.log')))}.log"
        node = installed("node", remedy="Install Node.js 20 or newer.")
        env = minimal_environment(self.folder, NODE_MODULES_DIR=str(provisioned("npm")), **self.settings)
        self._process = start_process([node, _SCRIPT], log=log, env=env)
        wait_until(lambda: _first_json_line(log) is not None, process=self._process, what="oidc-provider")
        ready = _first_json_line(log) or {}
        self.issuer = str(ready["issuer"])
        self.initial_access_token = str(ready["initial_access_token"])
        self.settings["PORT"] = str(ready["port"])

    def restart(self) -> None:
        """End it and start it on the same port: it forgets its clients and initial access tokens."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    @property
    def ca_file(self) -> Path:
        """The certificate authority of an https provider."""
        return self.folder / "ca.pem"


def _first_json_line(log: Path) -> dict[str, object] | None:
    """The line in which the server reports its port; warnings of the library may precede it."""
    for line in log.read_text().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            ready: dict[str, object] = json.loads(line)
            return ready
    return None


def https_settings(folder: Path) -> dict[str, str]:
    """Write certificates to `folder`, and return the settings with which a provider uses them."""
    certificate = write_server_certificate(folder)
    return {"TLS_CERT": str(certificate.certificate_file), "TLS_KEY": str(certificate.key_file)}


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """The provider of this worker over http, with a grace of 60 s; each test registers its clients."""
    provider = OidcProvider(folder=tmp_path_factory.mktemp("oidc"))
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def start_oidc_provider(tmp_path: Path) -> Iterator[Callable[..., OidcProvider]]:
    """A function that starts a provider of its own: `start_oidc_provider(https=True, GRACE="1")`."""
    providers: list[OidcProvider] = []

    def start(*, https: bool = False, **settings: str) -> OidcProvider:
        folder = tmp_path / f"oidc-{len(providers)}"
        folder.mkdir(mode=0o700)
        if https:
            settings |= https_settings(folder)
        provider = OidcProvider(folder=folder, settings=settings)
        providers.append(provider)
        provider.start()
        return provider

    yield start
    for provider in providers:
        provider.stop()

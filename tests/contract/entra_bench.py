"""What tests of Entra credentials share: a Graph double whose administrators log in at a real authority."""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from lifecycle.clients.entra import GRAPH, EntraLogin, EntraPlace
from lifecycle.clients.rest import RestClient
from lifecycle.clients.web import WebClient
from lifecycle.connectors.entra_application import EntraApplicationSettings, EntraApplicationVerifier
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.foundation.retry import RetryPolicy
from lifecycle.testing.driven import LONG
from tests.contract.faults import Faults
from tests.contract.graph_double import GraphDouble
from tests.contract.http_doubles import http_double
from tests.contract.odd_servers import closed_port
from tests.servers.certificates import write_server_certificate
from tests.servers.entra import SCOPE, EntraApplication, EntraAuthority

QUICK = RetryPolicy(attempts=2, first_pause=timedelta(milliseconds=1))


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class EntraBench:
    """One Graph double, and who administers it."""

    double: GraphDouble
    faults: Faults
    url: str
    ca_file: str
    authority: EntraAuthority
    owner: EntraApplication

    def client(
        self, admin: EntraApplication | None = None, *, secret: str = "", url: str = "", authority: str = ""
    ) -> RestClient:
        """Graph as an administrator, who logs in at the real authority."""
        admin = admin or self.owner
        value = secret_value(
            {
                "tenant_id": self.authority.tenant,
                "client_id": admin.client_id,
                "client_secret": secret or admin.secret,
            }
        )
        place = EntraPlace(authority=authority or self.authority.authority, ca_file=str(self.authority.ca_file))
        login = EntraLogin(scope=SCOPE, read=lambda: value, place=place)
        web = WebClient(ca_file="" if url else self.ca_file)
        return RestClient(url or f"{self.url}/v1.0", GRAPH, login.authorization, web=web, retry=QUICK)

    def closed(self) -> RestClient:
        """The same, its port closed."""
        return self.client(url=closed_port())

    def verify(self, value: SecretValue) -> VerificationResult:
        """Log in with an application's own credential."""
        target = EntraApplicationSettings(scope=f"{self.url}/.default", authority=self.url, ca_file=self.ca_file)
        return EntraApplicationVerifier(clock=now).verify(target, value, deadline=LONG, via=None)


@contextmanager
def entra_bench(folder: Path, authority: EntraAuthority) -> Iterator[EntraBench]:
    """Run one."""
    certificate = write_server_certificate(folder)
    owner = authority.register_with_secret()
    double = GraphDouble(admitted=_introspecting(authority, owner))
    faults = Faults(real=double.answer)
    with http_double(faults, certificate=certificate) as url:
        double.url = url
        yield EntraBench(
            double=double,
            faults=faults,
            url=url,
            ca_file=str(certificate.ca_file),
            authority=authority,
            owner=owner,
        )


def _introspecting(authority: EntraAuthority, owner: EntraApplication) -> Callable[[str], str]:
    """Asks the authority whose token it is."""
    trust = ssl.create_default_context(cafile=str(authority.ca_file))
    known: dict[str, str] = {}

    def admitted(token: str) -> str:
        if token not in known:
            form = {"token": token, "client_id": owner.client_id, "client_secret": owner.secret}
            with httpx.Client(verify=trust, trust_env=False) as client:
                found = client.post(f"{authority.authority}/token/introspection", data=form).json()
            known[token] = {owner.client_id: "owner"}.get(found.get("client_id"), "stranger") if found["active"] else ""
        return known[token]

    return admitted


def stranger_key() -> dict[str, object]:
    """An entry of keyCredentials that somebody else added."""
    certificate = load_pem_x509_certificate(trustme.CA().cert_pem.bytes())
    der = certificate.public_bytes(Encoding.DER)
    return {
        "keyId": "99999999-2222-3333-4444-555555555555",
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "displayName": "CN=somebody",
        "customKeyIdentifier": "AAAA",
        "startDateTime": "2026-01-01T00:00:00Z",
        "endDateTime": "2030-01-01T00:00:00Z",
        "key": base64.b64encode(der).decode(),
    }

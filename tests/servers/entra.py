"""An https authority that azure-identity accepts in place of Entra: oidc-provider below a tenant.

It has no AADSTS codes: an expired secret, a deleted application and missing consent all read `invalid_client`.
"""

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers.oidc import OidcProvider, https_settings

SCOPE = "api://lifecycle-tests/.default"
STORAGE_SCOPE = "https://storage.azure.com/.default"  # what a client of Azure Storage asks for
_SCOPES = f"{SCOPE} {STORAGE_SCOPE}"
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraApplication:
    """An application that logs in with a secret, or with a certificate.

    Attributes:
        client_id: Its id.
        secret: Empty when it has a certificate.
        certificate: PEM of certificate and private key; empty when it has a secret.
        registration: Answer to its registration, with what manages it (RFC 7592).
    """

    client_id: str
    secret: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    registration: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraAuthority:
    """The running authority.

    Attributes:
        authority: What azure-identity takes as `authority`; also pass `disable_instance_discovery=True`.
        tenant: The one tenant.
        ca_file: What azure-identity takes as `connection_verify`.
        initial_access_token: Registers applications.
    """

    authority: str
    tenant: str
    ca_file: Path
    initial_access_token: str = field(repr=False)

    def register_with_secret(self) -> EntraApplication:
        """Make an application with a client secret."""
        made = self._register({"token_endpoint_auth_method": "client_secret_post"})
        return EntraApplication(client_id=made["client_id"], secret=made["client_secret"], registration=made)

    def register_with_certificate(self) -> EntraApplication:
        """Make an application with a certificate; its client sends RS256 assertions."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        metadata = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [_jwk(key)]}}
        made = self._register(metadata)
        return EntraApplication(client_id=made["client_id"], certificate=_certificate(key), registration=made)

    def _register(self, metadata: dict[str, Any]) -> dict[str, Any]:
        body = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": _SCOPES}
        headers = {"Authorization": f"Bearer {self.initial_access_token}"}
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        with httpx.Client(verify=trust, trust_env=False) as client:
            answer = client.post(f"{self.authority}/reg", json={**body, **metadata}, headers=headers)
        made: dict[str, Any] = answer.raise_for_status().json()
        return made


def _jwk(key: RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "n": _number(numbers.n), "e": _number(numbers.e)}


def _number(value: int) -> str:
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _certificate(key: RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lifecycle tests")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(_EPOCH).not_valid_after(_EPOCH + timedelta(days=3650))
    signed = valid.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return signed + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def entra_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EntraAuthority]:
    """The authority of this worker; each test registers its applications."""
    folder, tenant = tmp_path_factory.mktemp("entra"), str(uuid4())
    settings = {"TENANT": tenant, "SCOPES": f"openid {_SCOPES}", **https_settings(folder)}
    provider = OidcProvider(folder=folder, settings=settings)
    provider.start()
    yield EntraAuthority(
        authority=provider.issuer,
        tenant=tenant,
        ca_file=provider.ca_file,
        initial_access_token=provider.initial_access_token,
    )
    provider.stop()

import base64
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lifecycle.connectors.saml_metadata import CERTIFICATE, ENTITY, SamlMetadataSettings, SamlMetadataVerifier
from lifecycle.domain.verification import Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double

_ENTITY = "https://idp.acme.example/saml"
_KEY = generate_private_key(public_exponent=65537, key_size=2048)
_DAY = timedelta(days=1)
Certificate = tuple[datetime, datetime]
_GOOD = (NOW - 100 * _DAY, NOW + 300 * _DAY)


def _certificate(validity: Certificate) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    builder = x509.CertificateBuilder(name, name, _KEY.public_key(), x509.random_serial_number(), *validity)
    der = builder.sign(_KEY, SHA256()).public_bytes(Encoding.DER)
    return base64.encodebytes(der).decode()  # in lines, as providers publish them


def _metadata(*signing: Certificate, entity: str = _ENTITY, use: str = ' use="signing"') -> bytes:
    keys = "".join(
        f"<KeyDescriptor{use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_certificate(item)}</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo></KeyDescriptor>"
        for item in signing
    )
    return (
        '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" '
        f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity}">'
        f"<IDPSSODescriptor>{keys}</IDPSSODescriptor></EntityDescriptor>"
    ).encode()


def _serving(body: bytes) -> Callable[[Request], Reply]:
    return lambda _: Reply(body=body, headers={"Content-Type": "application/samlmetadata+xml"})


def _verify(body: bytes) -> VerificationResult:
    with http_double(_serving(body)) as url:
        target = SamlMetadataSettings(url=url, entity_id=_ENTITY)
        return SamlMetadataVerifier(url, clock=lambda: NOW).verify(target, {}, deadline=LONG, via=None)


class TestOnServer(ConnectorContract):
    """Against a server that publishes metadata."""

    @pytest.fixture
    def bench(self) -> Iterator[ConnectorBench]:
        with http_double(_serving(_metadata(_GOOD))) as url:
            yield ConnectorBench(
                make=lambda base: SamlMetadataVerifier(base, clock=lambda: NOW),
                url=url,
                target=SamlMetadataSettings(url=url, entity_id=_ENTITY),
                valid={},
                invalid={},
                proves=(ENTITY, CERTIFICATE),
            )

    def test_invalid(self, bench: ConnectorBench) -> None:
        """Metadata take no login: what can be expired is the provider's certificate."""
        with http_double(_serving(_metadata((NOW - 400 * _DAY, NOW - _DAY)))) as url:
            result = bench.verify(url=url)
        assert result.status is VerificationStatus.INVALID
        assert result.reason is Reason.EXPIRED
        assert result.proved == (ENTITY,)


def test_successor_that_is_already_published_keeps_it_good() -> None:
    assert _verify(_metadata((NOW - 400 * _DAY, NOW - _DAY), _GOOD)).reason is Reason.WORKS


def test_certificate_without_a_use_signs_too() -> None:
    assert _verify(_metadata(_GOOD, use="")).reason is Reason.WORKS


def test_certificate_that_ends_soon_without_a_successor_is_told_with_its_day() -> None:
    result = _verify(_metadata((NOW - 400 * _DAY, NOW + 10 * _DAY)))
    assert result.status is VerificationStatus.INDETERMINATE
    assert "2026-12-04" in result.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_metadata(_GOOD, entity="https://elsewhere.example"), Reason.WRONG_TENANT),
        (_metadata(), Reason.NOT_CONFIGURED),
        (_metadata(_GOOD, use=' use="encryption"'), Reason.NOT_CONFIGURED),
        (_metadata((NOW + _DAY, NOW + 300 * _DAY)), Reason.CLOCK_SKEW),
        (_metadata(_GOOD).replace(b"<ds:X509Certificate>", b"<ds:X509Certificate>AAAA"), Reason.AMBIGUOUS),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + _metadata(_GOOD), Reason.AMBIGUOUS),
    ],
    ids=["other entity", "no certificate", "encryption only", "not yet", "unreadable", "declarations"],
)
def test_what_is_wrong_with_metadata(body: bytes, reason: Reason) -> None:
    assert _verify(body).reason is reason

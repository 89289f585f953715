"""A SAML identity provider's metadata: the entity that is expected, and a signing certificate that is still good.

An expired signing certificate breaks every login, so it counts as an expired credential: the provider's own.

Sources: SAML 2.0 metadata specification, 2.3.2 and 2.4.1.1 (`use` absent = signing too).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lifecycle.clients.web import WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.spec import Duration
from lifecycle.domain.verification import Egress, Reason, VerificationResult

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ENTITY = "entity id"
CERTIFICATE = "signing certificate"
_MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_CERTIFICATE_TAG = "{http://www.w3.org/2000/09/xmldsig#}X509Certificate"


class SamlMetadataSettings(KindSettings):
    """A connector of kind `saml_metadata`; also the target that is verified.

    Attributes:
        url: where the metadata are published.
        entity_id: of the identity provider.
        remaining: how long a signing certificate must still be good.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    entity_id: str
    remaining: Duration = timedelta(days=30)
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Validity:
    """From when to when a certificate is good."""

    begins: datetime
    ends: datetime


class SamlMetadataVerifier:
    """Verifies published metadata.

    Args:
        url: where they are.
        clock: the time that certificates are held against.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = url
        self._clock = clock

    def verify(
        self, target: SamlMetadataSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Read them; no login is sent, as metadata are public."""
        del value
        probe = Probe.begin((ENTITY, CERTIFICATE), clock=self._clock, deadline=deadline, via=via)
        try:
            web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
            answer = web.exchange("GET", self._url, deadline=probe.deadline)
        except Exception as error:
            return probe.failed_exchange(error)
        if answer.status != 200:
            reason = capped(reason_of_status(answer.status), answer.status)
            return probe.result(reason, f"HTTP {answer.status}", retry_after=retry_after(answer.headers))
        return self._judge(probe, target, answer.body)

    def _judge(self, probe: Probe, target: SamlMetadataSettings, body: bytes) -> VerificationResult:
        root = _parsed(body)
        entities = [] if root is None else [item for item in root.iter() if item.tag == f"{_MD}EntityDescriptor"]
        if not entities:
            return probe.result(Reason.AMBIGUOUS, "200, no SAML metadata")
        found = next((item for item in entities if item.get("entityID") == target.entity_id), None)
        if found is None:
            return probe.result(Reason.WRONG_TENANT, "metadata of another entity")
        probe.show(ENTITY)
        try:
            certificates = [_validity(text) for text in _signing(found)]
        except (ValueError, binascii.Error):
            return probe.result(Reason.AMBIGUOUS, "a signing certificate cannot be read")
        return self._judge_certificates(probe, target, certificates)

    def _judge_certificates(
        self, probe: Probe, target: SamlMetadataSettings, certificates: list[_Validity]
    ) -> VerificationResult:
        now = self._clock()
        if not certificates:
            return probe.result(Reason.NOT_CONFIGURED, "no signing certificate")
        alive = [item for item in certificates if item.ends > now]
        if not alive:
            return probe.result(Reason.EXPIRED, f"ended {max(item.ends for item in certificates):%Y-%m-%d}")
        begun = [item for item in alive if item.begins <= now]
        if not begun:
            return probe.result(Reason.CLOCK_SKEW, f"begins {min(item.begins for item in alive):%Y-%m-%d}")
        last = max(item.ends for item in begun)
        if last - now < target.remaining:
            return probe.result(Reason.NOT_CONFIGURED, f"ends {last:%Y-%m-%d} and no successor is published")
        probe.show(CERTIFICATE)
        return probe.result(Reason.WORKS, f"ends {last:%Y-%m-%d}")


def _parsed(body: bytes) -> ElementTree.Element | None:
    """The document; None when it is no XML, or brings declarations, which metadata never need and bombs do."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - without declarations expat expands and fetches nothing
    except ElementTree.ParseError:
        return None


def _signing(entity: ElementTree.Element) -> list[str]:
    """The certificates that sign; a descriptor without `use` is for both purposes."""
    return [
        certificate.text or ""
        for role in entity.iter(f"{_MD}IDPSSODescriptor")
        for key in role.iter(f"{_MD}KeyDescriptor")
        if key.get("use", "signing") == "signing"
        for certificate in key.iter(_CERTIFICATE_TAG)
    ]


def _validity(text: str) -> _Validity:
    from cryptography.x509 import load_der_x509_certificate

    certificate: Certificate = load_der_x509_certificate(base64.b64decode("".join(text.split()), validate=True))
    return _Validity(begins=certificate.not_valid_before_utc, ends=certificate.not_valid_after_utc)


_: type[ConnectorVerifier] = SamlMetadataVerifier

KIND = Kind(
    name="saml_metadata",
    family=Family.CONNECTOR,
    settings=SamlMetadataSettings,
    summary="SAML identity provider metadata: entity id, and a signing certificate that is still good.",
)

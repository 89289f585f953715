"""Certificates of an Entra application: class A, two of our own beside those of others.

1. We make a key and a self-signed certificate; an update of `keyCredentials` adds the public half. The slot stands in
   the display name (`lifecycle-1`, `lifecycle-2`); the id is the certificate's SHA-256 thumbprint.
2. `addKey` wants a proof by a certificate that is valid already, so it can neither make the first one nor help when
   all have ended. The update replaces the whole collection: entries of others go back with their `keyId` and without
   a key, which keeps them.
3. The update is not conditional: the collection is read immediately before. Let nobody else change certificates of
   this application at the same time.

Sources: Microsoft Graph v1.0, keyCredential resource, Update application, addKey; RFC 5280.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from lifecycle.clients.rest import RestClient
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import ConfigurationError, NotFoundError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.ports import Clock, SettingIssuer
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.spec import Duration
from lifecycle.foundation.signed_jwt import generate_key, load_key
from lifecycle.issuers.entra_application import EntraApplication, EntraApplicationSettings, path_of
from lifecycle.issuers.timestamps import provider_time

_SLOTS = ("1", "2")
_OURS = "lifecycle-"
_KEYS = "keyCredentials"
_EARLIER = timedelta(minutes=15)  # clocks of machines that check the certificate may be behind
_KEPT = ("keyId", "type", "usage", "displayName", "customKeyIdentifier", "startDateTime", "endDateTime")
_TRAITS = Traits(
    credential_class=CredentialClass.A,
    slots=16,  # an application has room for others; ours are two
    slot_names=_SLOTS,
    settle=timedelta(minutes=2),
    request_timeout=timedelta(seconds=30),
)


class EntraApplicationCertificateSettings(EntraApplicationSettings):
    """A credential of kind `entra_application_certificate`."""

    lifetime: Duration = timedelta(days=365)


class EntraApplicationCertificateIssuer:
    """Sets and unsets certificates; a principal is a client id.

    Args:
        client: Graph, as an owner of the application.
        tenant_id, client_id: part of the value.
        lifetime: of new certificates.
        clock: the time.
        self_admin: other credentials are changed with this one, so it comes last.
    """

    def __init__(
        self,
        client: RestClient,
        *,
        tenant_id: str,
        client_id: str,
        lifetime: timedelta,
        clock: Clock,
        self_admin: bool = False,
    ) -> None:
        self._application = EntraApplication(client)
        self._tenant = tenant_id
        self._client_id = client_id
        self._lifetime = lifetime
        self._clock = clock
        self._traits = replace(_TRAITS, self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class A."""
        return self._traits

    def generate(self, slot: str) -> SecretValue:
        """A fresh key with its certificate; the slot does not matter to it."""
        del slot
        key = generate_key("RS256")
        return {
            "tenant_id": SecretText(self._tenant),
            "client_id": SecretText(self._client_id),
            "certificate": SecretText(self._certificate(key)),
            "private_key": key,
        }

    def identify(self, value: SecretValue) -> CredentialId:
        """The certificate's SHA-256 thumbprint."""
        return _thumbprint(_der(value))

    def list(self, principal: str) -> CompleteListing:
        """Every certificate of the application."""
        found = self._application.entries(principal, _KEYS)
        return CompleteListing(principal=principal, credentials=tuple(_shown(entry) for entry in found))

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Add the certificate, if the slot holds what is expected or this one already."""
        del admin
        entries = self._application.entries(principal, _KEYS)
        new = self.identify(value)
        held = [item.id for item in map(_shown, entries) if item.slot == slot]
        if held == [new]:
            return ProviderCredential(id=new, slot=slot)
        if held != ([expected.id] if expected else []):
            raise SlotOccupiedError(
                f"application {principal} has certificate {', '.join(held) or 'none'} as {_OURS}{slot}",
                remedy="find out whose it is and remove it: az ad app credential delete --cert",
            )
        others = [entry for entry in entries if _shown(entry).id not in held]
        self._write(principal, others, f"adding certificate {_OURS}{slot}", self._entry(slot, value))
        return ProviderCredential(id=new, slot=slot)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Graph has no soft off for one certificate."""
        raise RemoteServiceError(
            f"certificates of {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the certificate instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Take a certificate away."""
        entries = self._application.entries(principal, _KEYS)
        left = [entry for entry in entries if _shown(entry).id != credential_id]
        if len(left) == len(entries):
            raise NotFoundError(f"application {principal} has no certificate {credential_id}", remedy="nothing to do")
        self._write(principal, left, f"removing certificate {credential_id}")

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Graph v1.0 does not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _write(self, principal: str, kept: Sequence[Mapping[str, Any]], doing: str, *new: Mapping[str, Any]) -> None:
        what = f"{doing} of application {principal}"
        body = {_KEYS: [*({name: entry.get(name) for name in _KEPT} | {"key": None} for entry in kept), *new]}
        answer = self._application.change("PATCH", path_of(principal), body, what=what)
        if answer.status >= 300:
            raise self._application.refusal(answer, what)

    def _entry(self, slot: str, value: SecretValue) -> Mapping[str, Any]:
        from cryptography.x509 import load_der_x509_certificate

        der = _der(value)
        parsed = load_der_x509_certificate(der)
        return {
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "displayName": f"{_OURS}{slot}",
            "startDateTime": f"{parsed.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "endDateTime": f"{parsed.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "key": base64.b64encode(der).decode(),
        }

    def _certificate(self, key: SecretText) -> str:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import NameOID

        private = load_key(key, of=f"application {self._client_id}")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lifecycle {self._client_id}"[:64])])
        begins = self._clock() - _EARLIER
        builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        valid = builder.not_valid_before(begins).not_valid_after(begins + self._lifetime)
        return valid.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


def _der(value: SecretValue) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        parsed = load_pem_x509_certificate(value["certificate"].get_secret_value().encode())
    except (KeyError, ValueError):
        raise ConfigurationError(
            "the stored certificate cannot be read", remedy="store certificate and private_key as PEM"
        ) from None
    return parsed.public_bytes(Encoding.DER)


def _thumbprint(der: bytes) -> CredentialId:
    return CredentialId(hashlib.sha256(der).hexdigest().upper())


def _shown(entry: Mapping[str, Any]) -> ProviderCredential:
    key, name = entry.get("key"), str(entry.get("displayName") or "")
    slot = name.removeprefix(_OURS) if name.startswith(_OURS) else ""
    shown = _thumbprint(base64.b64decode(key)) if isinstance(key, str) and key else f"key {entry.get('keyId')}"
    return ProviderCredential(
        id=CredentialId(shown),
        created=provider_time(entry.get("startDateTime")),
        slot=slot if slot in _SLOTS else "",
        expires=provider_time(entry.get("endDateTime")),
    )


_: type[SettingIssuer] = EntraApplicationCertificateIssuer

KIND = Kind(
    name="entra_application_certificate",
    family=Family.ISSUER,
    settings=EntraApplicationCertificateSettings,
    summary="Certificate of an Entra application: two slots of our own beside those of others.",
    traits=_TRAITS,
    references={"admin": "credentials"},
)

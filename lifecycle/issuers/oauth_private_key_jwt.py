"""Signing keys of an OAuth client that authenticates by `private_key_jwt`: class A, two keys in its registered JWKS.

1. We make the pair; an update of the registration (RFC 7592) adds the public half to the key set. A slot is a place in
   the key's name: `lifecycle-1.…` or `lifecycle-2.…`, followed by the key's thumbprint, so the server's own list says
   which key lies where. Keys with other names are somebody else's and are always sent back unchanged.
2. An update replaces the whole registration, so the set is read immediately before. Where the server gives a new
   registration access token with each update, another administrator's update in between makes ours fail; elsewhere it
   may be overwritten, so declare the key set as the tool's own.
3. The registration access token lies in a `KeptRegistration`, in the secret store. If the answer of an update is
   lost on a server that changed the token, its operator must give a new one; the current key keeps working.
4. Servers refuse an empty key set. Retiring the last key leaves one behind whose private half nobody keeps
   (`retired.…`); it is not listed, and the next key takes its place.

Sources: RFC 7523 (assertions), 7591 and 7592 (registration), 7638 (thumbprint).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from lifecycle.clients.oauth import OAuthClient, Registration
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import SettingIssuer
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.foundation.signed_jwt import Algorithm, generate_key, load_key, public_jwk, thumbprint
from lifecycle.issuers.registration_notes import KeptRegistration, RegistrationNotes

_logger = logging.getLogger(__name__)
_SLOTS = ("1", "2")
_OURS = "lifecycle-"
RETIRED = "retired."
_TRAITS = Traits(
    credential_class=CredentialClass.A,
    slots=16,  # a key set has room for others; ours are two
    slot_names=_SLOTS,
    settle=timedelta(seconds=10),
    request_timeout=timedelta(seconds=30),
)


class OAuthPrivateKeyJwtSettings(KindSettings):
    """A credential of kind `oauth_private_key_jwt`.

    Attributes:
        client_id: the client.
        issuer: its authorization server.
        registration_client_uri: where its registration is managed; empty = kept with the registration access token.
        algorithm: of new keys.
        audience: whom an assertion is addressed to: the issuer (RFC 7523 as its successor narrows it) or, for servers
            that want it, the token endpoint.
    """

    client_id: str
    issuer: str
    registration_client_uri: str = ""
    algorithm: Algorithm = "ES256"
    audience: Literal["issuer", "token_endpoint"] = "issuer"


class OAuthPrivateKeyJwtIssuer:
    """Sets and unsets keys of one client; the principal is its client id.

    Args:
        client: the authorization server.
        kept: the registration access token.
        client_id: part of the value.
        algorithm: of new keys.
        registration_client_uri: where the registration is managed; empty = as kept.
    """

    def __init__(
        self,
        client: OAuthClient,
        kept: KeptRegistration,
        *,
        client_id: str,
        algorithm: Algorithm = "ES256",
        registration_client_uri: str = "",
    ) -> None:
        self._client = client
        self._kept = kept
        self._client_id = client_id
        self._algorithm: Algorithm = algorithm
        self._uri = registration_client_uri
        self._unsaved: RegistrationNotes | None = None

    @property
    def traits(self) -> Traits:
        """Class A."""
        return _TRAITS

    def generate(self, slot: str) -> SecretValue:
        """A fresh key, named after the slot and its content."""
        key = generate_key(self._algorithm)
        name = thumbprint(public_jwk(load_key(key, of=f"OAuth client {self._client_id}")))
        return {
            "client_id": SecretText(self._client_id),
            "key_id": SecretText(f"{_OURS}{slot}.{name}"),
            "private_key": key,
        }

    def identify(self, value: SecretValue) -> CredentialId:
        """The key's name in the key set."""
        return CredentialId(value["key_id"].get_secret_value())

    def list(self, principal: str) -> CompleteListing:
        """Every key of the set but those that a retirement left."""
        registration = self._read(principal)
        found = (_shown(key) for key in _keys(registration) if not _is_retired(key))
        return CompleteListing(principal=principal, credentials=tuple(found))

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Add the public half to the key set, if the slot holds what is expected or this key already."""
        del admin
        registration = self._read(principal)
        new = self.identify(value)
        held = [item.id for item in map(_shown, _keys(registration)) if item.slot == slot]
        if held == [new]:
            return ProviderCredential(id=new, slot=slot)
        if held != ([expected.id] if expected else []):
            raise SlotOccupiedError(
                f"the key set of OAuth client {principal} holds {', '.join(held) or 'nothing'} in slot {slot}",
                remedy="find out whose key it is and take it out of the registration",
            )
        key = load_key(value["private_key"], of=f"OAuth client {principal}")
        others = [item for item in _keys(registration) if not _is_retired(item) and item.get("kid") not in held]
        self._write(registration, [*others, {**public_jwk(key), "kid": str(new)}])
        return ProviderCredential(id=new, slot=slot)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """A key set has no soft off."""
        raise RemoteServiceError(
            f"keys of OAuth client {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the key instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Take a key out of the key set."""
        registration = self._read(principal)
        keys = _keys(registration)
        left = [key for key in keys if key.get("kid") != credential_id]
        if len(left) == len(keys):
            raise NotFoundError(f"OAuth client {principal} has no key {credential_id}", remedy="nothing to do")
        self._write(registration, left or [self._unkept()])

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Authorization servers do not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _unkept(self) -> dict[str, str]:
        jwk = public_jwk(load_key(generate_key(self._algorithm), of=f"OAuth client {self._client_id}"))
        return {**jwk, "kid": f"{RETIRED}{thumbprint(jwk)}"}

    def _read(self, principal: str) -> Registration:
        if self._unsaved is not None:
            self._remember(self._unsaved)
        notes = self._unsaved or RegistrationNotes.parse(self._kept.load())
        uri = self._uri or notes.uri
        if not uri:
            raise ConfigurationError(
                f"nobody said where OAuth client {principal} is managed", remedy="set registration_client_uri"
            )
        registration = self._client.read_registration(uri, notes.token)
        if registration.client_id != principal:
            raise ConfigurationError(
                f"the registration at {uri} is of another client than {principal}", remedy="correct client_id"
            )
        self._keep_token(notes, registration)
        if registration.metadata.get("jwks_uri"):
            raise ConfigurationError(
                f"OAuth client {principal} publishes its keys at a jwks_uri", remedy="register its keys as `jwks`"
            )
        return replace(registration, uri=uri)

    def _write(self, registration: Registration, keys: Sequence[Mapping[str, Any]]) -> None:
        metadata = {**registration.metadata, "jwks": {"keys": [*keys]}}
        notes = self._unsaved or RegistrationNotes.parse(self._kept.load())
        updated = self._client.update_registration(
            replace(registration, metadata=metadata), keep_secret=registration.client_secret
        )
        self._keep_token(notes, updated)
        if {key.get("kid") for key in _keys(updated)} != {key.get("kid") for key in keys}:
            raise RemoteServiceError(
                f"the server did not take the key set of OAuth client {registration.client_id}",
                remedy="this server does not update keys: rotate the client by another kind",
            )

    def _keep_token(self, notes: RegistrationNotes, registration: Registration) -> None:
        """Keep what manages the registration from now on; when the store fails now, it waits in memory."""
        if registration.access_token == notes.token:
            return
        self._remember(replace(notes, token=registration.access_token))

    def _remember(self, notes: RegistrationNotes) -> None:
        try:
            self._kept.save(notes.value())
        except LifecycleError as error:
            self._unsaved = notes
            _logger.warning("the registration access token is not stored yet: %s", error.message)
        else:
            self._unsaved = None


def _keys(registration: Registration) -> list[dict[str, Any]]:
    found = registration.metadata.get("jwks")
    keys = found.get("keys") if isinstance(found, Mapping) else None
    return [dict(key) for key in keys] if isinstance(keys, list) else []


def _shown(key: Mapping[str, Any]) -> ProviderCredential:
    kid = str(key.get("kid") or f"unnamed.{thumbprint({n: str(v) for n, v in key.items()})}")
    slot = kid.removeprefix(_OURS).partition(".")[0] if kid.startswith(_OURS) else ""
    return ProviderCredential(id=CredentialId(kid), slot=slot if slot in _SLOTS else "")


def _is_retired(key: Mapping[str, Any]) -> bool:
    return str(key.get("kid", "")).startswith(RETIRED)


_: type[SettingIssuer] = OAuthPrivateKeyJwtIssuer

KIND = Kind(
    name="oauth_private_key_jwt",
    family=Family.ISSUER,
    settings=OAuthPrivateKeyJwtSettings,
    summary="Signing key of an OAuth client: two keys in its registered key set (RFC 7592).",
    traits=_TRAITS,
)

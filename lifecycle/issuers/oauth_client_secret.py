"""The secret of an OAuth client, replaced through the management of its registration (RFC 7592).

1. An update (PUT) that leaves `client_secret` out makes the server issue a new one. Servers differ, so what one does is
   declared: `overlap`, how long the replaced secret stays valid (then class B with two slots, else class D: the old
   one dies with the call), and `readback`, whether a read (GET) shows the secret, so that a lost answer loses nothing.
2. The update may also change the registration access token. Token and what only we know (which secret was replaced,
   until when, by which operation) lie in a `KeptRegistration`, a place in the secret store that is written before and
   after. If the answer of an update is lost on a server that changed the token, nobody can manage the registration
   until its operator gives a new token: reads are refused and the operation is quarantined, the old secret intact.
3. `revoke` of the replaced secret: servers that show `previous_client_secret_expires_at` end the overlap at once;
   elsewhere it waits for the declared overlap to pass (a retryable error that says until when).
4. `revoke` of the current secret is refused while another one lives, as it would end that one, which consumers use
   after a rollback. As the only secret (retirement) it is replaced by one that nobody keeps; the client stays.

A secret's id is its keyed fingerprint. Sources: RFC 7591, RFC 7592; npm oidc-provider (client_secret on update).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lifecycle.clients.oauth import OAuthClient, Registration, SecretMethod
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
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
from lifecycle.domain.ports import Clock, MintingIssuer
from lifecycle.domain.secret import Fingerprint, SecretText, SecretValue
from lifecycle.domain.spec import Duration
from lifecycle.issuers.registration_notes import NO_ID, KeptRegistration, RegistrationNotes

_logger = logging.getLogger(__name__)
_BASIC: SecretMethod = "client_secret_basic"
_LONG_AGO = 1  # seconds since 1970: ends an overlap at once


class OAuthClientSecretSettings(KindSettings):
    """A credential of kind `oauth_client_secret`.

    Attributes:
        client_id: the client.
        issuer: its authorization server, or `sandbox://oauth`.
        registration_client_uri: where its registration is managed; empty = kept with the registration access token.
        readback: a read of the registration shows the secret.
        overlap: how long a replaced secret stays valid; 0s = it dies at once.
        end_initial_secret: a rotation during the overlap of the first issuance may end the secret that the client was
            registered with; otherwise it waits until that one has lapsed.
        token_endpoint_auth_method: how the client authenticates.
    """

    client_id: str
    issuer: str
    registration_client_uri: str = ""
    readback: bool = False
    overlap: Duration = timedelta()
    end_initial_secret: bool = False
    token_endpoint_auth_method: SecretMethod = _BASIC


def traits_of(*, readback: bool, overlap: timedelta) -> Traits:
    """The traits that the declared behaviour gives."""
    overlapping = overlap > timedelta()
    return Traits(
        credential_class=CredentialClass.B if overlapping else CredentialClass.D,
        slots=0 if overlapping else 1,  # `mint` itself refuses to end a secret that must live on
        stamp=readback,
        readback=readback,
        request_timeout=timedelta(seconds=30),
    )


class OAuthClientSecretIssuer:
    """Makes and ends secrets of one client; the principal is its client id.

    Args:
        client: the authorization server.
        kept: the registration access token and our notes.
        fingerprint: names a value without revealing it.
        clock: the time.
        readback: as declared.
        overlap: as declared.
        end_initial_secret: as declared.
        registration_client_uri: where the registration is managed; empty = as kept.
    """

    def __init__(
        self,
        client: OAuthClient,
        kept: KeptRegistration,
        fingerprint: Callable[[SecretValue], Fingerprint],
        *,
        clock: Clock,
        readback: bool,
        overlap: timedelta,
        end_initial_secret: bool = False,
        registration_client_uri: str = "",
    ) -> None:
        self._client = client
        self._kept = kept
        self._fingerprint = fingerprint
        self._clock = clock
        self._overlap = overlap
        self._end_initial = end_initial_secret
        self._uri = registration_client_uri
        self._traits = traits_of(readback=readback, overlap=overlap)
        self._unsaved: RegistrationNotes | None = None

    @property
    def traits(self) -> Traits:
        """As declared: B with overlap, else D."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """The current secret and, while it lives, the one that it replaced."""
        notes, registration = self._read(principal)
        current = self._current_id(registration, notes)
        found = [self._current(current, notes)] if current else []
        previous = self._previous(current, registration, notes)
        return CompleteListing(
            principal=principal, credentials=tuple(found if previous is None else [*found, previous])
        )

    def identify(self, value: SecretValue) -> CredentialId:
        """The keyed fingerprint of client id and secret."""
        return CredentialId(self._fingerprint({name: value[name] for name in ("client_id", "client_secret")}))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Ask for a new secret. Which one it replaces, and for whom, is written down before."""
        notes, registration = self._read(principal)
        replaced = self._current_id(registration, notes) or (self.identify(previous) if previous else NO_ID)
        if notes.replacing and registration.client_secret is None:
            raise RemoteServiceError(
                f"an update of OAuth client {principal} was sent and its answer lost, and the server shows no secret",
                remedy="replace the secret at the server, store it, then `lifecycle rotate adopt`",
            )
        living = self._previous(replaced, registration, notes)
        if living is not None and not self._may_end(living, notes):
            raise SlotOccupiedError(
                f"OAuth client {principal} has a replaced secret that lives until {living.expires}, "
                "and a new one would end it at once",
                remedy="run again then; `end_initial_secret: true` allows it for the secret of its registration",
            )
        initial = notes.initial or (NO_ID if notes.current else replaced)
        notes = replace(notes, initial=initial, replacing=replaced, owed_marker=marker)
        self._kept.save(notes.value())
        updated = self._client.update_registration(registration)
        now = self._clock()
        secret = _issued(updated, registration, principal)
        value = self._value(principal, secret)
        until = _moment(updated.previous_expires) or now + self._overlap
        notes = replace(notes, previous=replaced, marker=marker)
        self._remember(_after(notes, updated, current=self.identify(value), previous_until=until, minted_at=now))
        return Minted(credential=ProviderCredential(id=self.identify(value), created=now, marker=marker), value=value)

    def read_back(self, principal: str) -> Minted | NotReported:
        """The current secret again, where the server shows it."""
        if not self._traits.readback:
            return NotReported.UNKNOWN
        notes, registration = self._read(principal)
        if registration.client_secret is None:
            return NotReported.UNKNOWN
        value = self._value(principal, registration.client_secret)
        return Minted(credential=self._current(self.identify(value), notes), value=value)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """RFC 7592 has no soft off."""
        raise RemoteServiceError(
            f"secrets of OAuth client {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the secret instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """End a secret as told at the head of this module."""
        notes, registration = self._read(principal)
        current = self._current_id(registration, notes)
        previous = self._previous(current, registration, notes)
        if previous is not None and previous.id == credential_id:
            self._end_previous(principal, notes, registration, previous)
        elif current != credential_id:
            raise NotFoundError(f"OAuth client {principal} has no secret {credential_id}", remedy="nothing to do")
        elif previous is not None and not self._may_end(previous, notes):
            raise RemoteServiceError(
                f"the current secret of OAuth client {principal} cannot be revoked while the one before it lives",
                remedy=f"let consumers go back to the one before, which lives until {previous.expires}",
            )
        else:
            self._replace_unkept(principal, notes, registration, current)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Authorization servers do not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _end_previous(
        self, principal: str, notes: RegistrationNotes, registration: Registration, previous: ProviderCredential
    ) -> None:
        if registration.previous_expires is None or registration.client_secret is None:
            now = self._clock()
            raise RemoteServiceError(
                f"{self._client.issuer} cannot end the replaced secret of {principal} before {previous.expires}",
                remedy="run again then; shorten the overlap at the server when that is too late",
                retryable=True,
                retry_after=max(timedelta(), (previous.expires or now) - now),
            )
        updated = self._client.update_registration(
            registration, keep_secret=registration.client_secret, end_previous_at=_LONG_AGO
        )
        self._remember(_after(notes, updated, current=notes.current, previous_until=None, minted_at=notes.minted_at))

    def _replace_unkept(
        self, principal: str, notes: RegistrationNotes, registration: Registration, current: CredentialId
    ) -> None:
        """Retirement: the secret is replaced by one that nobody keeps, and its overlap ended."""
        updated = self._client.update_registration(registration)
        secret = _issued(updated, registration, principal)
        unkept, now = self.identify(self._value(principal, secret)), self._clock()
        until = _moment(updated.previous_expires) or now + self._overlap
        notes = replace(notes, previous=current, unkept=unkept, marker="")
        notes = _after(notes, updated, current=unkept, previous_until=until)
        self._remember(notes)
        left = self._previous(unkept, updated, notes)
        if left is not None:
            self._end_previous(principal, notes, updated, left)

    def _may_end(self, living: ProviderCredential, notes: RegistrationNotes) -> bool:
        """Whether a mint may end this replaced secret: nobody ever had it, or the spec says so of the initial one."""
        return living.id == notes.unkept or (self._end_initial and living.id == notes.initial)

    def _read(self, principal: str) -> tuple[RegistrationNotes, Registration]:
        """Our notes and the registration as it is now."""
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
        # A server may change the token with any answer (RFC 7592, 3): the newest is the only one that counts.
        if registration.access_token != notes.token:
            notes = replace(notes, token=registration.access_token)
            self._remember(notes)
        return notes, replace(registration, uri=uri)

    def _remember(self, notes: RegistrationNotes) -> None:
        """Keep notes. When the store fails now, the fresh secret must still reach it, so the notes wait in memory."""
        try:
            self._kept.save(notes.value())
        except LifecycleError as error:
            self._unsaved = notes
            _logger.warning("registration notes are not stored yet: %s", error.message)
        else:
            self._unsaved = None

    def _value(self, principal: str, secret: SecretText) -> SecretValue:
        return {"client_id": SecretText(principal), "client_secret": secret}

    def _current_id(self, registration: Registration, notes: RegistrationNotes) -> CredentialId:
        """The current secret; where the server does not show it, the newest of which we know that it lives."""
        if registration.client_secret is None:
            return notes.replacing or notes.current
        return self.identify(self._value(registration.client_id, registration.client_secret))

    def _current(self, current: CredentialId, notes: RegistrationNotes) -> ProviderCredential:
        if current == notes.current:
            return ProviderCredential(id=current, created=notes.minted_at, marker=notes.marker)
        # Only a holder of the registration access token can have changed the secret: it is what our update asked for.
        return ProviderCredential(id=current, marker=notes.owed_marker if _landed(current, notes) else "")

    def _previous(
        self, current: CredentialId, registration: Registration, notes: RegistrationNotes
    ) -> ProviderCredential | None:
        """The replaced secret while it lives."""
        now, landed = self._clock(), _landed(current, notes)
        expires = _moment(registration.previous_expires)
        if expires is None:
            expires = now + self._overlap if landed else notes.previous_until
        if expires is None or expires <= now:
            return None
        known = notes.replacing if landed else (notes.previous if current == notes.current else NO_ID)
        return ProviderCredential(id=known or CredentialId("replaced by somebody else"), expires=expires)


def _landed(current: CredentialId, notes: RegistrationNotes) -> bool:
    """Whether an update whose answer is owed has taken effect."""
    return notes.replacing not in (NO_ID, current)


def _after(
    notes: RegistrationNotes,
    updated: Registration,
    *,
    current: CredentialId,
    previous_until: datetime | None,
    minted_at: datetime | None = None,
) -> RegistrationNotes:
    return replace(
        notes,
        token=updated.access_token,
        uri=updated.uri,
        current=current,
        previous_until=previous_until,
        minted_at=minted_at,
        replacing=NO_ID,
        owed_marker="",
    )


def _issued(updated: Registration, before: Registration, principal: str) -> SecretText:
    if updated.client_secret is None or updated.client_secret == before.client_secret:
        raise RemoteServiceError(
            f"the server did not issue a new secret for OAuth client {principal}",
            remedy="this server replaces no secrets on update: rotate it by another kind",
        )
    return updated.client_secret


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


_: type[MintingIssuer] = OAuthClientSecretIssuer

KIND = Kind(
    name="oauth_client_secret",
    family=Family.ISSUER,
    settings=OAuthClientSecretSettings,
    summary="Secret of an OAuth client, replaced by updating its registration (RFC 7592).",
    traits=traits_of(readback=False, overlap=timedelta()),
)

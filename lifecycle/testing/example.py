"""The smallest issuer that conforms: a ring of named keys in memory. Read it beside the contract when writing yours."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import AuthenticationError, NotFoundError, RemoteServiceError, UnreachableError
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretText, SecretValue


@dataclass(kw_only=True)
class KeyRing:
    """What stands for the vendor's server.

    Attributes:
        login: what an administrator must show.
        keys: by id.
        up: whether anybody listens.
    """

    login: str
    keys: dict[CredentialId, ProviderCredential] = field(default_factory=dict)
    up: bool = True
    made: int = 0

    def admits(self, value: SecretValue) -> bool:
        """Whether a key logs in."""
        return CredentialId(value["id"].get_secret_value()) in self.keys


@dataclass(frozen=True, kw_only=True)
class KeyRingIssuer:
    """Keys of a ring, stamped with the marker of their operation.

    Attributes:
        ring: the server.
        login: our own.
        clock: when a key was made.
    """

    ring: KeyRing
    login: SecretText
    clock: Callable[[], datetime] = lambda: datetime.fromtimestamp(time.time(), UTC)

    @property
    def traits(self) -> Traits:
        """Class B: several at once, made by the server."""
        return Traits(credential_class=CredentialClass.B, stamp=True, settle=timedelta(seconds=1))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """A key nobody had before."""
        ring = self._open()
        ring.made += 1
        made = ProviderCredential(id=CredentialId(f"{principal}-{ring.made}"), created=self.clock(), marker=marker)
        ring.keys[made.id] = made
        return Minted(credential=made, value={"id": SecretText(made.id), "key": SecretText(f"secret of {made.id}")})

    def read_back(self, principal: str) -> Minted | NotReported:
        """Shown once."""
        return NotReported.UNKNOWN

    def list(self, principal: str) -> CompleteListing:
        """Everything on the ring."""
        return CompleteListing(principal=principal, credentials=tuple(self._open().keys.values()))

    def identify(self, value: SecretValue) -> CredentialId:
        """Its id is part of the value."""
        return CredentialId(value["id"].get_secret_value())

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """There is no soft off."""
        raise RemoteServiceError(f"{credential_id} cannot be switched off", remedy="revoke it")

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Take it off the ring."""
        if self._open().keys.pop(credential_id, None) is None:
            raise NotFoundError(f"{credential_id} is not on the ring", remedy="none needed")

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """A ring does not know."""
        return NotReported.UNKNOWN

    def _open(self) -> KeyRing:
        if not self.ring.up:
            raise UnreachableError("nobody listens at the ring", remedy="start it")
        if self.login.get_secret_value() != self.ring.login:
            raise AuthenticationError("the ring refuses our login", remedy="check the login")
        return self.ring


_: type[MintingIssuer] = KeyRingIssuer

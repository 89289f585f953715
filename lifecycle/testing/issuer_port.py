"""One process's way to any issuer, so that a conductor can cut each call of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lifecycle.domain.credential import (
    CompleteListing,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.ports import MintingIssuer, SettingIssuer
from lifecycle.domain.secret import SecretValue
from lifecycle.testing.world import Port, T


@dataclass(frozen=True, kw_only=True)
class IssuerPort(Port):
    """Passes each call on to the issuer.

    Attributes:
        issuer: of either sort; only calls that it has are made.
        ahead: how far the driver's clock has jumped ahead of the provider's.
        jumps: by id, how far it had jumped when the provider made it; what is listed is told by the driver's clock.
    """

    issuer: Any
    ahead: Callable[[], timedelta]
    jumps: dict[str, timedelta] = field(default_factory=dict)

    @property
    def traits(self) -> Traits:
        """The issuer's."""
        traits: Traits = self.issuer.traits
        return traits

    def identify(self, value: SecretValue) -> CredentialId:
        """No call to the outside, so it cannot be cut."""
        return CredentialId(self.issuer.identify(value))

    def generate(self, slot: str) -> SecretValue:
        """No call to the outside, so it cannot be cut."""
        value: SecretValue = self.issuer.generate(slot)
        return value

    def list(self, principal: str) -> CompleteListing:
        """A read."""

        def effect() -> CompleteListing:
            listed: CompleteListing = self.issuer.list(principal)
            return replace(listed, credentials=tuple(self._told(item) for item in listed.credentials))

        return self.call("issuer.list", effect, write=False)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """A read."""

        def effect() -> datetime | NotReported:
            used: datetime | NotReported = self.issuer.last_used(principal, credential_id)
            return used

        return self.call("issuer.last_used", effect, write=False)

    def read_back(self, principal: str) -> Minted | NotReported:
        """A read."""

        def effect() -> Minted | NotReported:
            again: Minted | NotReported = self.issuer.read_back(principal)
            return again

        return self.call("issuer.read_back", effect, write=False)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """A write."""

        def effect() -> None:
            self.issuer.set_enabled(principal, credential_id, enabled)

        self.call("issuer.set_enabled", effect, write=True)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """A write."""
        self.call("issuer.revoke", lambda: self.issuer.revoke(principal, credential_id), write=True)

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """A write."""

        def effect() -> Minted:
            minted: Minted = self.issuer.mint(principal, marker, previous)
            return minted

        return self.call("issuer.mint", lambda: self._made(principal, effect), write=True)

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """A write."""

        def effect() -> ProviderCredential:
            shown: ProviderCredential = self.issuer.set(principal, slot, value, expected=expected, admin=admin)
            return shown

        return self.call("issuer.set", lambda: self._made(principal, effect), write=True)

    def _made(self, principal: str, effect: Callable[[], T]) -> T:
        """Note when it was made, whether or not the driver gets the answer."""
        before = self.issuer.list(principal).ids()
        result = effect()
        for fresh in self.issuer.list(principal).ids() - before:
            self.jumps[fresh] = self.ahead()
        return result

    def _told(self, item: ProviderCredential) -> ProviderCredential:
        if item.created is None:
            return item
        return replace(item, created=item.created + self.jumps.get(item.id, timedelta()))


_: type[MintingIssuer] = IssuerPort
__: type[SettingIssuer] = IssuerPort

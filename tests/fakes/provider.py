"""Strict providers, one per class of credential. Each knows who made what and refuses what a real one refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import NotFoundError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.ports import MintingIssuer, SettingIssuer
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.testing.world import CANARY, Fault, Port, World

US, THEM = "us", "somebody-else"
PRINCIPAL = "svc"


def value_of(name: str) -> SecretValue:
    """A simulated secret: the id is public, the rest carries the canary."""
    return secret_value({"id": name, "secret": f"{CANARY}-{name}"})


def id_of(value: SecretValue) -> CredentialId:
    """Which credential a simulated value is."""
    return CredentialId(value["id"].get_secret_value())


@dataclass(kw_only=True)
class Provider:
    """What all classes share: a list of credentials, of which those enabled are accepted."""

    world: World
    traits: Traits
    held: dict[CredentialId, ProviderCredential] = field(default_factory=dict)
    uses: dict[CredentialId, datetime] = field(default_factory=dict)
    before_delete: Callable[[ProviderCredential], None] = lambda _item: None
    before_mint: Callable[[], None] = lambda: None

    def add(self, name: str, *, by: str, marker: str = "", slot: str = "") -> SecretValue:
        """A credential that is simply there."""
        item = ProviderCredential(id=CredentialId(name), created=self.world.now, marker=marker, creator=by, slot=slot)
        self.held[item.id] = item
        return value_of(name)

    def list(self, principal: str) -> CompleteListing:
        return CompleteListing(principal=principal, credentials=tuple(self.shown(item) for item in self.held.values()))

    def shown(self, item: ProviderCredential) -> ProviderCredential:
        """What the listing tells: creator and marker only where the traits say so."""
        return replace(
            item,
            creator=item.creator if self.traits.creator else "",
            marker=item.marker if self.traits.stamp else "",
        )

    def stale(self, principal: str) -> CompleteListing:
        """A lagging list: what is younger than the settle time is missing."""
        old = tuple(self.shown(item) for item in self.held.values() if not self.is_fresh(item.id))
        return CompleteListing(principal=principal, credentials=old)

    def is_fresh(self, credential_id: CredentialId) -> bool:
        item = self.held.get(credential_id)
        return item is not None and self.world.now - (item.created or self.world.now) < self.traits.settle

    def identify(self, value: SecretValue) -> CredentialId:
        return id_of(value)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        if not self.traits.soft_off:
            raise RemoteServiceError(f"{credential_id} cannot be switched off", remedy="revoke it")
        self.held[credential_id] = replace(self._get(credential_id), enabled=enabled)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        self.before_delete(self._get(credential_id))
        del self.held[credential_id]

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        if not self.traits.last_used:
            return NotReported.UNKNOWN
        self._get(credential_id)
        return self.uses.get(credential_id, NotReported.NEVER)

    def accepts(self, value: SecretValue) -> bool:
        item = self.held.get(id_of(value))
        return item is not None and item.enabled

    def _get(self, credential_id: CredentialId) -> ProviderCredential:
        found = self.held.get(credential_id)
        if found is None:
            raise NotFoundError(f"{credential_id} is not there", remedy="none needed")
        return found


class MintingProvider(Provider):
    """B: several at once, made by the server, shown once."""

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        if self.traits.slots and len(self.held) >= self.traits.slots:
            raise SlotOccupiedError("no free slot", remedy="free one")
        self.before_mint()
        name = f"k{self.world.next()}"
        value = self.add(name, by=US, marker=marker)
        return Minted(credential=self.shown(self.held[CredentialId(name)]), value=value)

    def read_back(self, principal: str) -> Minted | NotReported:
        return NotReported.UNKNOWN


class SlotProvider(Provider):
    """A: two slots that we fill; a slot is written only if it holds what the caller expects."""

    def generate(self, slot: str) -> SecretValue:
        return value_of(f"key{self.world.next()}")

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        there = next((item for item in self.held.values() if item.slot == slot), None)
        if there is not None and there.id == id_of(value):
            return self.shown(there)
        if (there.id if there else None) != (expected.id if expected else None):
            if "conditional-set" not in self.world.removed:
                raise SlotOccupiedError(f"slot {slot} holds something else", remedy="read it")
        if there is not None:
            if there.creator == THEM:
                self.world.broken("I2: a key that somebody else set was overwritten")
            del self.held[there.id]
        self.add(id_of(value), by=US, slot=slot)
        return self.shown(self.held[id_of(value)])


class SingleProvider(Provider):
    """C: one value at a time, set by an admin or by the value it replaces. The id is the role, the same for ever."""

    accepted: SecretValue | None = None
    changed: datetime | None = None

    def generate(self, slot: str) -> SecretValue:
        return value_of(f"pw{self.world.next()}")

    def identify(self, value: SecretValue) -> CredentialId:
        return CredentialId("role")

    def list(self, principal: str) -> CompleteListing:
        role = ProviderCredential(id=CredentialId("role"), created=self.changed)
        return CompleteListing(principal=principal, credentials=(role,) if self.accepted else ())

    def stale(self, principal: str) -> CompleteListing:
        return self.list(principal)

    def is_fresh(self, credential_id: CredentialId) -> bool:
        return self.changed is not None and self.world.now - self.changed < self.traits.settle

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        by_admin = admin is not None and id_of(admin) == "admin"
        if not by_admin and self.accepted is not None and value != self.accepted:
            if admin is None or not self.accepts(admin):
                raise RemoteServiceError("the change is authorised by a value that is not accepted", remedy="none")
        self.accepted, self.changed = value, self.world.now
        return ProviderCredential(id=CredentialId("role"), created=self.changed)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        if self.accepted is None:
            raise NotFoundError("no role", remedy="none")
        self.accepted = None

    def accepts(self, value: SecretValue) -> bool:
        return value == self.accepted


class RegeneratingProvider(SingleProvider):
    """D: one value, made by the server; the old one dies with the call."""

    def identify(self, value: SecretValue) -> CredentialId:
        return CredentialId("client")

    def list(self, principal: str) -> CompleteListing:
        client = ProviderCredential(id=CredentialId("client"), created=self.changed)
        return CompleteListing(principal=principal, credentials=(client,) if self.accepted else ())

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        self.accepted, self.changed = value_of(f"s{self.world.next()}"), self.world.now
        client = ProviderCredential(id=CredentialId("client"), created=self.changed)
        return Minted(credential=client, value=self.accepted)

    def read_back(self, principal: str) -> Minted | NotReported:
        if not self.traits.readback or self.accepted is None:
            return NotReported.UNKNOWN
        client = ProviderCredential(id=CredentialId("client"), created=self.changed)
        return Minted(credential=client, value=self.accepted)


class TokenProvider(Provider):
    """E: a refresh-token family; presenting a used token outside the overlap revokes the family."""

    newest: SecretValue | None = None
    parent: SecretValue | None = None
    used_at: datetime | None = None
    alive: bool = True

    def list(self, principal: str) -> CompleteListing:
        return CompleteListing(principal=principal, credentials=())

    def stale(self, principal: str) -> CompleteListing:
        return self.list(principal)

    def is_fresh(self, credential_id: CredentialId) -> bool:
        return False

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        if not self.alive:
            raise RemoteServiceError("the family was revoked", remedy="authorise again")
        if previous != self.newest:
            if previous != self.parent or not self._tolerated():
                self.alive = False
                self.world.broken("E: a used refresh token was presented again; family revoked")
                raise RemoteServiceError("reuse detected, family revoked", remedy="authorise again")
        else:
            self.used_at = self.world.now
        self.parent, self.newest = previous, value_of(f"t{self.world.next()}")
        return Minted(credential=ProviderCredential(id=id_of(self.newest)), value=self.newest)

    def read_back(self, principal: str) -> Minted | NotReported:
        return NotReported.UNKNOWN

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        self.alive = False

    def accepts(self, value: SecretValue) -> bool:
        return self.alive and value == self.newest

    def _tolerated(self) -> bool:
        return self.used_at is not None and self.world.now - self.used_at < self.traits.overlap


@dataclass(frozen=True, kw_only=True)
class ProviderPort(Port):
    """One process's way to the provider, and to the target that accepts its credentials."""

    provider: Provider

    @property
    def traits(self) -> Traits:
        return self.provider.traits

    def list(self, principal: str) -> CompleteListing:
        def effect() -> CompleteListing:
            if self._fault_is(Fault.STALE):
                return self.provider.stale(principal)
            return self.provider.list(principal)

        return self.call("issuer.list", effect, write=False)

    def identify(self, value: SecretValue) -> CredentialId:
        return self.provider.identify(value)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        def effect() -> None:
            return self.provider.set_enabled(principal, credential_id, enabled)

        return self.call("issuer.disable", effect, write=True)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        return self.call("issuer.revoke", lambda: self.provider.revoke(principal, credential_id), write=True)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        return self.call("issuer.last_used", lambda: self.provider.last_used(principal, credential_id), write=False)

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        provider = self.provider
        if not isinstance(provider, MintingProvider | RegeneratingProvider | TokenProvider):
            raise TypeError("this provider does not mint")
        return self.call("issuer.mint", lambda: provider.mint(principal, marker, previous), write=True, late=True)

    def read_back(self, principal: str) -> Minted | NotReported:
        provider = self.provider
        if not isinstance(provider, MintingProvider | RegeneratingProvider | TokenProvider):
            raise TypeError("this provider does not mint")
        return self.call("issuer.read_back", lambda: provider.read_back(principal), write=False)

    def generate(self, slot: str) -> SecretValue:
        if not isinstance(self.provider, SlotProvider | SingleProvider):
            raise TypeError("this provider makes the value itself")
        return self.provider.generate(slot)

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        provider = self.provider
        if not isinstance(provider, SlotProvider | SingleProvider):
            raise TypeError("this provider makes the value itself")

        def effect() -> ProviderCredential:
            return provider.set(principal, slot, value, expected=expected, admin=admin)

        return self.call("issuer.set", effect, write=True, late=True)

    def verify(self, value: SecretValue) -> VerificationResult:
        """Log in at the target. Never raises; what cannot be found out is indeterminate."""

        def effect() -> Reason:
            accepted = self.provider.accepts(value)
            if self._fault_is(Fault.NOT_YET) and accepted and self.provider.is_fresh(self.provider.identify(value)):
                return Reason.WRONG_VALUE
            if accepted:
                self.world.verified.add(id_of(value))
            return Reason.WORKS if accepted else Reason.REVOKED

        try:
            reason = self.call("target.verify", effect, write=False)
        except RemoteServiceError:
            reason = Reason.SERVICE_FAULT
        except Exception as error:
            if type(error).__name__ != "UnreachableError":
                raise
            reason = Reason.TIMEOUT_CONNECT
        return VerificationResult(status=outcome(reason), reason=reason)

    def _fault_is(self, fault: Fault) -> bool:
        return self.world.current_fault is fault


_SETTLE, _TIMEOUT = timedelta(seconds=10), timedelta(seconds=30)


def provider_for(kind: CredentialClass, world: World, **traits: object) -> Provider:
    """A provider of a class, with its usual traits unless told otherwise."""
    makers: dict[CredentialClass, type[Provider]] = {
        CredentialClass.A: SlotProvider,
        CredentialClass.B: MintingProvider,
        CredentialClass.C: SingleProvider,
        CredentialClass.D: RegeneratingProvider,
        CredentialClass.E: TokenProvider,
    }
    usual: dict[str, object] = {
        "credential_class": kind,
        "slots": {CredentialClass.A: 2, CredentialClass.B: 5}.get(kind, 0),
        "stamp": kind is CredentialClass.B,
        "conditional_set": True,
        "settle": _SETTLE,
        "request_timeout": _TIMEOUT,
    }
    return makers[kind](world=world, traits=Traits(**(usual | traits)))  # type: ignore[arg-type]  # checked by Traits


_: type[MintingIssuer] = ProviderPort
__: type[SettingIssuer] = ProviderPort

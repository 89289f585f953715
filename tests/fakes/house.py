"""A whole simulated set-up of one credential, contexts of its processes, and the referee of invariants I1-I8."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.domain.audit import Result
from lifecycle.domain.change_window import ALWAYS, ChangeWindow
from lifecycle.domain.credential import CredentialClass, CredentialId, ProviderCredential
from lifecycle.domain.errors import IntegrityError
from lifecycle.domain.ports import AuditLog
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.rotation_policy import Limits, RotationPolicy
from lifecycle.domain.secret import (
    Fingerprint,
    OperationId,
    SecretRef,
    SecretValue,
    VersionId,
    VersionStage,
    VersionSummary,
    fingerprint,
)
from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.operations.rotation_context import ConsumerBinding, RotationContext
from lifecycle.testing.simulated_journal import AuditPort, JournalPort, MemoryAudit, MemoryJournal
from lifecycle.testing.simulated_store import MemoryStore, StorePort
from lifecycle.testing.world import CANARY, Conductor, Port, World
from tests.fakes.destination import DestinationPort, MemoryConsumer
from tests.fakes.provider import (
    PRINCIPAL,
    THEM,
    US,
    Provider,
    ProviderPort,
    SingleProvider,
    TokenProvider,
    id_of,
    provider_for,
    value_of,
)

NAME = "ingest"
REF = SecretRef(store="default", path=NAME)
LEASE = timedelta(minutes=30)
MINIMUM = timedelta(hours=1)
ADMIN = value_of("admin")
SLOTTED = (CredentialClass.A, CredentialClass.B)


def name_of(value: SecretValue) -> Fingerprint:
    """The keyed fingerprint used in all simulations."""
    return fingerprint(value, key=b"k" * 32, key_id="t1")


@dataclass(kw_only=True)
class House:
    """One credential with its provider, store, consumer and journal.

    Args:
        kind: class of the credential.
        first: nothing exists yet.
        admin: an admin identity sets or regenerates; else the credential changes itself.
        consumers: whether a consumer is declared.
        traits: changes to the usual traits of the class.
    """

    kind: CredentialClass
    first: bool = False
    admin: bool = True
    consumed: bool = True
    adopted: bool = True
    traits: dict[str, object] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    world: World = field(default_factory=World)
    period: timedelta = timedelta(days=30)
    window: ChangeWindow | None = ALWAYS
    retiring: bool = False
    book: MemoryJournal | SqliteJournal | None = None
    log: AuditLog | None = None
    in_use: bool = False  # somebody who is no declared consumer goes on using the old credential

    def __post_init__(self) -> None:
        self.world.removed = self.removed
        self.provider: Provider = provider_for(self.kind, self.world, **self.traits)
        self.store = MemoryStore(world=self.world)
        self.journal = self.book or MemoryJournal(clock=lambda: self.world.now, removed=self.removed)
        self.audit: AuditLog = self.log or MemoryAudit()
        self.consumer = MemoryConsumer(world=self.world, provider=self.provider, fingerprint=name_of)
        self.foreign_promotion: int | None = None
        self.texts: list[str] = []
        if not self.first:
            self._install()
        if self.kind is CredentialClass.B:
            self.provider.add("w0", by=THEM)  # somebody else's, there before we came: must survive everything
        self.world.pass_time(timedelta(days=1))
        self.world.ticks.append(self.consumer.tick)
        if self.in_use:
            self.world.ticks.append(self._use_old)
        self.world.instant.append(self._instant)
        self.provider.before_delete = self._before_delete
        self.provider.before_mint = self._before_mint
        self.store.before_promote = self._before_promote
        self.world.state_of = lambda: self.record.state if self.record else State.IDLE

    def _install(self) -> None:
        provider = self.provider
        if isinstance(provider, TokenProvider):
            value = provider.newest = value_of("v0")
        elif isinstance(provider, SingleProvider):
            value = provider.accepted = value_of("v0")
        else:
            value = provider.add("v0", by=US, slot="1" if self.kind is CredentialClass.A else "")
        self.store.put_current(value)
        self.consumer.box = self.consumer.holds = self.consumer.original = value
        self.world.verified.add("v0")

    @property
    def record(self) -> RotationRecord | None:
        """The newest record."""
        return self.journal.head(NAME).record

    def context(self, process: str) -> RotationContext:
        """What one process works with."""
        world = self.world
        audit = AuditPort(world=world, process=process, log=self.audit)
        issuer = ProviderPort(world=world, process=process, provider=self.provider)
        journal = JournalPort(world=world, process=process, journal=self.journal)
        reach = DestinationPort(world=world, process=process, consumer=self.consumer)
        return RotationContext(
            credential=NAME,
            scope="test",
            owner=process,
            actor="tester",
            issuer=issuer,
            principal=PRINCIPAL,
            store=StorePort(world=world, process=process, store=self.store),
            ref=REF,
            verify=issuer.verify,
            journal=journal,
            leases=journal,
            audit=audit,
            notifier=audit,
            clock=lambda: world.now,
            monotonic=lambda: world.now.timestamp(),  # noqa: PLW0108 - `now` is replaced as time passes
            sleep=Sleeper(world=world, process=process).sleep,
            new_id=lambda: f"op{world.next()}",
            fingerprint=name_of,
            consumers=(ConsumerBinding(name="app", destination=reach),) if self.consumed else (),
            policy=RotationPolicy(period=self.period, minimum=MINIMUM, ceiling=timedelta(hours=6), window=self.window),
            limits=Limits(lease=LEASE, poll=timedelta(minutes=30)),
            admin=(lambda: ADMIN) if self.admin else None,
            creator=US,
            observe=lambda _name, state, text: self.texts.append(f"{state} {text}"),
        )

    # -- what others do

    def lease_lapses(self) -> None:
        """Time passes until whoever holds the lease has lost it."""
        self.world.paused = True
        self.world.pass_time(LEASE + timedelta(seconds=1))

    def somebody_creates(self) -> SecretValue:
        """Another admin makes a credential of the same principal."""
        used = {item.slot for item in self.provider.held.values()}
        slot = next((name for name in ("1", "2") if name not in used), "") if self.kind is CredentialClass.A else ""
        return self.provider.add(f"x{self.world.next()}", by=THEM, slot=slot)

    def somebody_promotes(self) -> None:
        """Another admin makes a credential and stores it as current."""
        value = self.somebody_creates()
        self.world.verified.add(id_of(value))
        self.store.put_current(value)
        self.foreign_promotion = self.store.revision

    def somebody_promotes_previous(self) -> None:
        """Another admin makes the previous value current again."""
        value = self.store.value(VersionStage.PREVIOUS)
        if value is not None:
            self.store.put_current(value)
            self.foreign_promotion = self.store.revision

    def _use_old(self) -> None:
        self.provider.uses[CredentialId("v0")] = self.world.now

    # -- the referee

    def _instant(self) -> None:
        """What must hold after every single call."""
        current = self.store.value(VersionStage.CURRENT)
        if current is not None and id_of(current) not in self.world.verified:
            self.world.broken("an unverified value became current")
        record = self.record
        if record is not None and record.state is State.CLOSED and record.outcome is Outcome.DONE and record.old:
            if self.kind in SLOTTED and record.old.id in self.provider.held:
                self.world.broken("I3: closed while the retired credential lives")
        if self.retiring or current is None or self.kind in (CredentialClass.D, CredentialClass.E):
            return
        if self.kind is CredentialClass.C:
            if not any(self.provider.accepts(value) for value in self.store.reachable()):
                self.world.broken("I1: the target accepts no value that the store holds")
        elif not self.provider.accepts(current):
            self.world.broken("I1: the current value is not accepted by the target")
        for value in (self.consumer.box, self.consumer.holds):
            if value is not None and self.kind in SLOTTED and not self.provider.accepts(value):
                self.world.broken("I7: revoked while the consumer still uses it")

    def _before_delete(self, item: ProviderCredential) -> None:
        """I2 and I7, at the moment when the provider deletes."""
        record = self.record
        retiring = self.store.value(VersionStage.RETIRING)
        sealed = retiring is not None and id_of(retiring) == item.id
        if item.creator == THEM and not sealed:
            self.world.broken("I2: deleted a credential that the operation did not make")
        used = self.provider.uses.get(item.id)
        if self.provider.traits.last_used and used is not None and self.world.now - used < MINIMUM:
            self.world.broken("I7: revoked while it was still in use")
        if record is None or self.retiring or record.old is None or record.old.id != item.id or not record.promoted:
            return
        if self.world.now - (record.promoted_at or self.world.now) < MINIMUM:
            self.world.broken("I7: revoked before the minimum of grace was over")

    def _before_mint(self) -> None:
        """Nothing is made unrecorded, nor while an earlier one is unaccounted for."""
        record = self.record
        if record is None or record.state is not State.MINTING:
            if not self.world.paused:
                self.world.broken("minted with no record of the intent")
            return
        told = [
            event.detail.get("attempt")
            for event in self.audit.read()
            if (event.action, event.result) == ("credential.mint", Result.INTENT)
        ]
        if record.attempt not in told:
            self.world.broken("minted with no audit record of the intent")
        known = {id_of(value) for _, value in self.store.values.values()} | set(record.condemned)
        lost = [item for item in self.provider.held.values() if item.creator == US and item.id not in known]
        if lost and not self.world.paused:
            self.world.broken("minted again while the first is not accounted for")

    def _before_promote(self, operation: OperationId, current: VersionSummary | None) -> None:
        """I2: what somebody else promoted after the operation began is not overwritten."""
        begun = next((item for item in self._records() if item.operation == operation), None)
        if begun is None or current is None:
            return
        replaced = self.provider.identify(self.store.values[current.version][1])
        if begun.old is None or begun.old.id != replaced:
            self.world.broken("I2: a promotion by somebody else was overwritten")

    def at_rest(self) -> None:
        """What must hold when nothing runs and a fault-free resume has ended."""
        record, provider = self.record, self.provider
        if record is None:
            return
        if record.open:
            self.world.broken(f"I4: at rest in {record.state}")
        current = self.store.value(VersionStage.CURRENT)
        if record.state is State.CLOSED and record.outcome is not Outcome.RETIRED:
            self._closed(current)
        if self.kind is CredentialClass.B and CredentialId("w0") not in provider.held:
            self.world.broken("I2: somebody else's credential was deleted")
        for item in provider.held.values():
            if not item.enabled and record.state is State.CLOSED:
                self.world.broken(f"I2: {item.id} is left switched off")
        self._no_canary()
        try:
            self.journal.history(NAME)
            self.audit.read()
        except IntegrityError as error:
            self.world.broken(f"I8: {error.message}")

    def _closed(self, current: SecretValue | None) -> None:
        provider = self.provider
        if self.kind in SLOTTED:
            kept = id_of(current) if current else None
            excused = {kept} if self.foreign_promotion is None else {kept, "v0"}  # nobody shows that v0 was ours
            left = sorted(item.id for item in provider.held.values() if item.creator == US and item.id not in excused)
            if left:
                self.world.broken("I3: live at the provider and accounted for nowhere")
        elif current is not None and not provider.accepts(current):
            self.world.broken("I3: closed, and the target does not accept the current value")
        if self.consumed and current is not None and self.consumer.box != current and self.foreign_promotion is None:
            self.world.broken("the consumer is left with a value that is not current")

    def _no_canary(self) -> None:
        """I5: no value in journal, audit log, alert, progress or error text."""
        surfaces = [record.model_dump_json() for record in self._records()]
        surfaces += [event.model_dump_json() for event in self.audit.read()]
        surfaces += self.world.told + self.texts
        if any(CANARY in text for text in surfaces):
            self.world.broken("I5: a secret value outside the store")

    def _records(self) -> list[RotationRecord]:
        """Without the checks of `history`, which a mutant may have broken."""
        if isinstance(self.journal, MemoryJournal):
            return [record for _, record in self.journal.records.get(NAME, [])]
        return list(self.journal.history(NAME))

    def picture(self) -> tuple[object, ...]:
        """Everything that a second resume must not change (I6)."""
        head = self.journal.head(NAME).digest
        held = tuple(sorted((item.id, item.enabled) for item in self.provider.held.values()))
        single = getattr(self.provider, "accepted", None), getattr(self.provider, "newest", None)
        return head, held, single, self.store.revision, tuple(self.store.values), self.consumer.box, self.consumer.holds


@dataclass(frozen=True, kw_only=True)
class Sleeper(Port):
    """Sleeping is when the rest of the world moves on."""

    def sleep(self, length: timedelta) -> None:
        if self.process in self.world.dead:
            self.die()
        self.world.pass_time(length)


__all__ = ["NAME", "REF", "Conductor", "House", "OperationId", "VersionId"]

"""One process's hold on one credential: lease, journal head, newest record; and the guarded ways to the outside.

1. `open_session` takes the lease and reads the head; if an operation is open, a record with the new fence comes before
   any other call (amendment 3).
2. `apply` writes the record that follows from an event. A lost answer is resolved by reading; a lost race ends the run.
3. `before_change` lets a change out only while our own lease outlasts the call (amendment 10).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import AuditEvent, Digest, Result
from lifecycle.domain.credential import CompleteListing, Traits
from lifecycle.domain.errors import AmbiguousEffectError, FenceError, LifecycleError, LostRaceError, NotFoundError
from lifecycle.domain.ports import MintingIssuer, SettingIssuer
from lifecycle.domain.rotation import JournalHead, Lease, RotationRecord, State, ValueMark, idle_record
from lifecycle.domain.rotation_machine import Stamp, next_record
from lifecycle.domain.secret import SecretValue, StoredValue, StoreState, VersionId, VersionStage, VersionSummary
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.rotation_context import RotationContext


@dataclass(slots=True, kw_only=True)
class Session:
    """Mutable on purpose: `record` moves on with each journal write; everything a crash may take is in it."""

    context: RotationContext
    lease: Lease
    lease_until: float
    head: JournalHead
    fresh: bool = False
    noted: list[str] = field(default_factory=list)

    # -- what is known

    @property
    def record(self) -> RotationRecord:
        """The newest record, virtual while there is none."""
        return self.head.record or idle_record(
            self.context.credential, self.traits.credential_class, self.context.clock()
        )

    @property
    def traits(self) -> Traits:
        """What the issuer can do."""
        return self.context.issuer.traits

    @property
    def minting(self) -> MintingIssuer:
        """The issuer of classes B, D and E."""
        return self.context.issuer  # type: ignore[return-value]  # bootstrap pairs class and issuer; checked by begin

    @property
    def setting(self) -> SettingIssuer:
        """The issuer of classes A and C."""
        return self.context.issuer  # type: ignore[return-value]  # as above

    # -- journal

    def apply(self, event: on.Event) -> None:
        """Write the record that follows from an event; from then on it is what happened.

        Raises:
            FenceError, LostRaceError: another process works on this credential; stop without another call.
        """
        stamp = Stamp(at=self.context.clock(), fence=self.lease.fence, previous=self.head.digest)
        record = next_record(self.record, event, stamp)
        self.head = JournalHead(digest=self._append(record), record=record)
        self.fresh = True
        self.context.observe(record.credential, record.state, record.reason or type(event).__name__)
        if record.state is State.QUARANTINED:
            self._alert(record)

    def virtually(self, event: on.Event) -> None:
        """Pass through a state that has no effect outside and is never written down."""
        stamp = Stamp(at=self.context.clock(), fence=self.lease.fence, previous=self.head.digest)
        self.head = JournalHead(digest=self.head.digest, record=next_record(self.record, event, stamp))

    def _append(self, record: RotationRecord) -> Digest:
        problem = ""
        for _ in range(2):
            try:
                return self.context.journal.append(self.lease, record, self.head.digest)
            except AmbiguousEffectError as error:
                problem = error.message
                seen = self.context.journal.head(record.credential)
                if seen.record == record:
                    return seen.digest
                if seen.digest != self.head.digest:
                    raise LostRaceError(
                        f"{record.credential}: another run has written a record", remedy="let it finish"
                    ) from None
        raise AmbiguousEffectError(
            f"{record.credential}: the journal does not say whether it wrote the record ({problem})",
            remedy="repair the journal, e.g. free disk space, then `lifecycle rotate resume`",
        )

    # -- lease and time

    def before_change(self) -> None:
        """Send a change only while our lease, by our own clock, outlasts the call (amendment 10)."""
        needed = self.traits.request_timeout.total_seconds()
        if self.lease_until - self.context.monotonic() > needed:
            return
        self.renew()
        if self.lease_until - self.context.monotonic() <= needed:
            raise FenceError(
                f"the lease on {self.context.credential} is shorter than one call of {needed:.0f} s",
                remedy="make the lease longer than the issuer's request timeout",
            )

    def renew(self) -> None:
        """Prolong the lease. Raises FenceError when another process took over."""
        asked = self.context.monotonic()
        self.lease = self.context.leases.renew(self.lease, self.context.limits.lease)
        self.lease_until = asked + self.context.limits.lease.total_seconds()

    def settle(self) -> None:
        """Wait until no call of ours can still be under way and the provider has caught up with the last one."""
        self.pause(self.traits.request_timeout + self.traits.settle)

    def pause(self, length: timedelta) -> None:
        """Sleep without losing the lease."""
        self.fresh = False
        step = self.context.limits.lease / 3
        while length > timedelta():
            self.context.sleep(min(length, step))
            length -= step
            if self.lease_until - self.context.monotonic() < 2 * step.total_seconds():
                self.renew()

    # -- outside, reading

    def listing(self) -> CompleteListing:
        """What the provider lists now."""
        return self.context.issuer.list(self.context.principal)

    def store_state(self) -> StoreState:
        """What the store holds now, without values."""
        return self.context.store.describe(self.context.ref)

    def read(self, which: VersionStage | VersionId) -> StoredValue | None:
        """One stored value, None when there is none."""
        try:
            return self.context.store.read(self.context.ref, which)
        except NotFoundError:
            return None

    def mark(self, value: SecretValue) -> ValueMark:
        """Name a value without revealing it."""
        return ValueMark(id=self.context.issuer.identify(value), fingerprint=self.context.fingerprint(value))

    def current(self) -> ValueMark | None:
        """Which value is current in the store."""
        found = self.read(VersionStage.CURRENT)
        return None if found is None else self.mark(found.value)

    def staged(self) -> list[VersionSummary]:
        """Pending versions of this operation, oldest attempt first."""
        mine = (item for item in self.store_state().pending if item.operation == self.record.operation)
        return sorted(mine, key=lambda item: tuple(int(part) for part in item.candidate.split("-") if part.isdigit()))

    def candidate_value(self) -> SecretValue | None:
        """The value of the recorded candidate, wherever this operation has moved it."""
        state, record = self.store_state(), self.record
        places = (*state.pending, *(item for item in (state.current, state.previous, state.retiring) if item))
        for item in places:
            if item.operation == record.operation and item.candidate == record.candidate:
                found = self.read(item.version)
                return None if found is None else found.value
        return None

    def try_value(self, value: SecretValue) -> VerificationStatus:
        """Log in with a value. A refusal soon after a change is not believed before it was repeated."""
        result = self.context.verify(value)
        if result.status is VerificationStatus.INVALID:
            self.settle()
            result = self.context.verify(value)
        self.noted.append(f"{result.reason}{': ' + result.detail if result.detail else ''}")
        return result.status

    # -- outside, telling

    def audit(self, action: str, result: Result, **detail: str | int | bool) -> None:
        """Append to the audit log; raises when it cannot, so that nothing is done unrecorded."""
        self.context.audit.append(self._event(action, result, detail))

    def unaudited(self, action: str, error: LifecycleError) -> None:
        """Tell people that something was done which the audit log did not take; the journal holds what it was."""
        detail: dict[str, str | int | bool] = {"action": action, "reason": error.message}
        self.context.notifier.notify(self._event("audit.append", Result.FAILED, detail))

    def _event(self, action: str, result: Result, detail: dict[str, str | int | bool]) -> AuditEvent:
        record = self.record
        known: dict[str, str | int | bool] = {
            "operation": record.operation,
            "state": record.state,
            "fence": record.fence,
        }
        return AuditEvent(
            at=self.context.clock(),
            actor=self.context.actor,
            action=action,
            object=f"credentials.{self.context.credential}",
            result=result,
            digest=self.head.digest,
            detail=known | detail,
        )

    def _alert(self, record: RotationRecord) -> None:
        event = self._event("credential.quarantine", Result.FAILED, {"reason": record.reason, "remedy": record.remedy})
        self.context.notifier.notify(event)
        self.context.audit.append(event)


@contextlib.contextmanager
def open_session(context: RotationContext) -> Iterator[Session]:
    """Take the lease, read the head, take over what is open; give the lease back at the end.

    Raises:
        BusyError: another process holds the lease.
        IntegrityError: the journal does not verify.
    """
    asked = context.monotonic()
    lease = context.leases.acquire(context.credential, context.owner, context.limits.lease)
    until = asked + context.limits.lease.total_seconds()
    try:
        head = context.journal.head(context.credential)
        session = Session(context=context, lease=lease, lease_until=until, head=head)
        if head.record is not None and head.record.open:
            session.apply(on.TakenOver())
            session.fresh = False
        yield session
    finally:
        with contextlib.suppress(LifecycleError):  # it lapses by itself
            context.leases.release(lease)

"""With nothing open: find and repair what a paused process may have left behind, then begin what is due (amendment 1).

1. Current is the value with which the last operation closed; else change nothing and ask a person.
2. Consumers that hold another value are delivered again, before anything is deleted.
3. Live credentials that are ours and not current are condemned and deleted; a single-value target must accept current.
4. Pending values are discarded only when their operation is recorded closed (amendment 9).
"""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.domain import rotation_events as on
from lifecycle.domain.credential import Acknowledgement, CompleteListing, CredentialClass, CredentialId, NotKnown
from lifecycle.domain.errors import ConfigurationError, LifecycleError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.rotation import Outcome, PreImageEntry, RotationRecord, State, ValueMark
from lifecycle.domain.rotation_ownership import describe, foreign_slots, spare_slot, strays
from lifecycle.domain.secret import OperationId, StoreState, VersionStage
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.promote_candidate import FOREIGN
from lifecycle.operations.rotation_context import ConsumerBinding, Waiting
from lifecycle.operations.rotation_objections import check_life, windowless
from lifecycle.operations.rotation_session import Session

_SLOTTED = (CredentialClass.A, CredentialClass.B)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read under the lock with nothing open."""

    listing: CompleteListing
    store: StoreState
    current: ValueMark | None


def look(session: Session) -> Seen:
    """Read provider and store."""
    store = session.store_state()
    return Seen(listing=session.listing(), store=store, current=None if store.current is None else session.current())


def reconcile(session: Session) -> on.Event | Waiting | None:
    """One repair to record, or None when everything is as it was left.

    Raises:
        RemoteServiceError: it cannot be told whether the target accepts current; nothing was changed.
    """
    record = session.record
    if record.state is not State.CLOSED or record.outcome is Outcome.RETIRED:
        return None
    seen = look(session)
    if seen.current != record.live:
        return on.Quarantined(reason="current is not the value with which the last operation closed", remedy=FOREIGN)
    needy = _outdated_consumer(session, record)
    if needy is not None:
        return on.RedeliveryNeeded(consumer=needy.name, ceiling=session.context.policy.ceiling)
    if record.credential_class in _SLOTTED:
        left = _strays(session, seen)
        if left:
            return on.Condemned(id=left[0], candidate=None, reason=f"{left[0]} is ours, live, and not current")
    elif seen.current is not None:
        refused = _current_refused(session)
        if refused is not None:
            return refused
    _clear_pending(session, record, seen.store)
    return None


def _strays(session: Session, seen: Seen) -> tuple[CredentialId, ...]:
    """Ours by the provider's evidence, or because an operation that is closed had staged its value."""
    record, current = session.record, seen.current.id if seen.current else None
    left = strays(record, seen.listing, session.traits, session.context.identity, current)
    if left or not seen.store.pending:
        return left
    closed = _closed_operations(session)
    values = (session.read(item.version) for item in seen.store.pending if item.operation in closed)
    staged = {session.context.issuer.identify(found.value) for found in values if found is not None}
    return tuple(sorted(staged & seen.listing.ids() - {current}))


def _closed_operations(session: Session) -> frozenset[OperationId]:
    """Of this credential; called with nothing open."""
    history = session.context.journal.history(session.record.credential)
    return frozenset(item.operation for item in history)


def _outdated_consumer(session: Session, record: RotationRecord) -> ConsumerBinding | None:
    if record.live is None:
        return None
    for binding in session.context.consumers:
        said = binding.destination.acknowledged(binding.name)
        if said is NotKnown.UNOBSERVABLE:
            continue
        if not isinstance(said, Acknowledgement) or said.fingerprint != record.live.fingerprint:
            return binding
    return None


def _current_refused(session: Session) -> on.Event | None:
    """The target may have been changed behind a closed operation."""
    found = session.read(VersionStage.CURRENT)
    if found is None:
        return None
    match session.try_value(found.value):
        case VerificationStatus.VALID:
            return None
        case VerificationStatus.INVALID:
            kept = ", ".join(f"{item.operation}/{item.candidate}" for item in session.store_state().pending)
            return on.Quarantined(
                reason=f"the target refuses the current value; kept: previous{', ' + kept if kept else ''}",
                remedy="make the target accept a kept value or store the right one, then `lifecycle rotate adopt`",
            )
        case VerificationStatus.INDETERMINATE:
            raise RemoteServiceError(
                f"{session.context.credential}: it cannot be told whether the current value works: {session.noted[-1]}",
                remedy="repair what the reason names; nothing was changed",
                retryable=True,
            )


def _clear_pending(session: Session, record: RotationRecord, store: StoreState) -> None:
    """A value that was sent to a single-value target stays until the next operation has closed."""
    if not store.pending:
        return
    closed = _closed_operations(session)
    for item in store.pending:
        still_needed = item.operation == record.operation and record.credential_class is CredentialClass.C
        if item.operation in closed and not (still_needed and record.sent):
            session.before_change()
            session.context.store.discard(session.context.ref, item.candidate)


def begin(session: Session) -> on.Begun:
    """Read everything that the operation depends on, under the lock; refuse before anything was changed.

    Raises:
        SlotOccupiedError: somebody else's credential holds the slot we would need.
        ConfigurationError: class D without an admin identity or change window; a life shorter than the period.
    """
    seen, traits, context = look(session), session.traits, session.context
    current = seen.current.id if seen.current else None
    _check_room(session, seen)
    if traits.credential_class is CredentialClass.D and context.admin is None:
        raise ConfigurationError(
            f"{context.credential}: replacing it kills the old value at once, and no admin identity could repair that",
            remedy="declare an admin identity that can regenerate it, or leave this class of credential",
        )
    if seen.current is not None:
        check_life(context, seen.listing, current)
        for refused in windowless(context):
            raise refused
    if context.admin is not None:
        context.admin()  # prove by a read, now, that it is there
    pre_image = {item.id: PreImageEntry(id=item.id, created=item.created) for item in seen.listing.credentials}
    if current is not None:  # whatever the listing shows (amendment 12)
        pre_image.setdefault(current, PreImageEntry(id=current))
    operation = OperationId(context.new_id())
    return on.Begun(
        operation=operation,
        credential_class=traits.credential_class,
        marker=context.identity.marker(operation),
        pre_image=tuple(pre_image.values()),
        old=seen.current,
        revision=seen.store.revision,
        slot=spare_slot(seen.listing, current, traits) if traits.credential_class is CredentialClass.A else "",
    )


def _check_room(session: Session, seen: Seen) -> None:
    traits, current = session.traits, seen.current.id if seen.current else None
    listed = seen.listing.credentials
    full = bool(traits.slots) and len(listed) >= traits.slots
    foreign = tuple(item for item in listed if item.id != current)
    if traits.credential_class is CredentialClass.A:
        foreign = foreign_slots(session.record, seen.listing, current)
        full = bool(foreign) and len(listed) >= max(traits.slots, 2)
    if not full or traits.credential_class not in _SLOTTED:
        return
    told = "; ".join(describe(item, _used(session, item.id)) for item in foreign)
    raise SlotOccupiedError(
        f"{session.context.credential}: no free slot at {session.context.principal}: {told}",
        remedy="find out whose it is and delete it at the provider, then run again",
    )


def _used(session: Session, credential_id: str) -> str:
    if not session.traits.last_used:
        return "not reported"
    try:
        item = next(item.id for item in session.listing().credentials if item.id == credential_id)
        return str(session.context.issuer.last_used(session.context.principal, item))
    except (LifecycleError, StopIteration):
        return "not reported"

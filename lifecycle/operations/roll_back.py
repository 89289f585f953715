"""ROLLING_BACK and DISCARDING: store, then consumers, then the candidate; only the condemned is deleted."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AmbiguousEffectError, LostRaceError
from lifecycle.domain.secret import VersionStage
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.deliver_value import NOT_ACKNOWLEDGED, find_value, hand_over
from lifecycle.operations.end_previous import delete
from lifecycle.operations.prepare_candidate import STORE_FAILING
from lifecycle.operations.promote_candidate import FOREIGN
from lifecycle.operations.rotation_context import Waiting
from lifecycle.operations.rotation_session import Session
from lifecycle.operations.set_candidate import send


def roll_back(session: Session) -> on.Event | Waiting:
    """ROLLING_BACK: swap only if this operation promoted (6.2)."""
    record = session.record
    if record.promoted and not record.restored:
        return _restore(session)
    if record.restored:
        back = _consumers_back(session)
        if back is not None:
            return back
    if record.credential_class is CredentialClass.C:
        return _set_back(session)
    if record.new is None:
        return on.Quarantined(reason=f"nothing to take back: {record.reason}", remedy=FOREIGN)
    return on.Condemned(id=record.new.id, candidate=record.candidate, reason=record.reason)


def _restore(session: Session) -> on.Event:
    """The old value becomes current and the rejected one is sealed, in one compare-and-set (amendment 4)."""
    context, record = session.context, session.record
    try:
        session.before_change()
        revision = context.store.restore(context.ref, expected=record.expected)
    except (AmbiguousEffectError, LostRaceError):
        state = session.store_state()
        if state.revision == record.expected and not _is_old_current(session):
            return on.AttemptSpent(
                limit=context.limits.attempts, reason="the store did not restore the old value", remedy=STORE_FAILING
            )
        retiring = session.read(VersionStage.RETIRING)
        if retiring is None or session.mark(retiring.value) != record.new or not _is_old_current(session):
            return on.Quarantined(reason="somebody else changed the secret during the rollback", remedy=FOREIGN)
        revision = state.revision
    return on.Restored(revision=revision, ceiling=context.policy.ceiling)


def _is_old_current(session: Session) -> bool:
    return session.record.old is not None and session.current() == session.record.old


def _consumers_back(session: Session) -> on.Event | Waiting | None:
    """None when every consumer holds the old value again; only then may the rejected one be deleted."""
    old = session.record.old
    value = find_value(session, old)
    if value is None or old is None:
        return on.Quarantined(reason="the old value is not current any more", remedy=FOREIGN)
    answer = hand_over(session, value, old.fingerprint)
    if isinstance(answer, on.AllAcknowledged):
        return None
    if isinstance(answer, on.ConsumerFailed):
        return on.Quarantined(reason=f"{answer.consumer} does not come back: {answer.reason}", remedy=NOT_ACKNOWLEDGED)
    return answer


def _set_back(session: Session) -> on.Event:
    """C: set the old value and prove it; the candidate stays pending until the next operation closed (amendment 9)."""
    old = session.read(VersionStage.CURRENT)
    if old is None:
        return on.Quarantined(reason=f"there is no old value to set back: {session.record.reason}", remedy=FOREIGN)
    expected = next(iter(session.listing().credentials), None)
    send(session, old.value, expected=expected, slot=session.record.slot, itself=session.candidate_value())
    session.settle()
    if session.try_value(old.value) is VerificationStatus.VALID:
        return on.SetBack()
    return on.AttemptSpent(
        limit=session.context.limits.attempts,
        reason="the old value could not be set back",
        remedy="make the target accept a value that the store keeps, then `lifecycle rotate release`",
    )


def discard(session: Session) -> on.Event:
    """DISCARDING: delete what the journal condemned, at the provider and in the pending slot."""
    record, context = session.record, session.context
    doomed = record.doomed
    if doomed is None:
        return on.Quarantined(reason="nothing was condemned", remedy=FOREIGN)
    current = session.current()
    if current is not None and current.id == doomed:
        return on.Quarantined(reason=f"{doomed} is condemned and has become current", remedy=FOREIGN)
    delete(session, doomed)
    if session.listing().find(doomed) is not None:
        session.settle()
        if session.listing().find(doomed) is not None:
            return on.AttemptSpent(
                limit=context.limits.attempts + 1,
                reason=f"{doomed} is still listed",
                remedy=f"delete {doomed} at the provider, then `lifecycle rotate release`",
            )
    for item in session.staged():
        if item.candidate == record.candidate:
            session.before_change()
            context.store.discard(context.ref, item.candidate)
    return on.Discarded(limit=context.limits.attempts)

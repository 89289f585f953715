"""SETTING: the target is made to accept a value that we chose and staged (classes A and C)."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.credential import CompleteListing, CredentialClass, ProviderCredential
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.secret import SecretValue, VersionStage
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.rotation_session import Session

_KEPT = "the store keeps every candidate; make the target accept one of them, then `lifecycle rotate release`"


def set_value(session: Session) -> on.Event:
    """One step of SETTING, by the rules of the class."""
    value = session.candidate_value()
    if value is None:
        return on.Quarantined(reason="the candidate is no longer in the store", remedy=_KEPT)
    if session.record.credential_class is CredentialClass.A:
        return _set_slot(session, value)
    return _set_single(session, value)


def _set_slot(session: Session, value: SecretValue) -> on.Event:
    """A: only while the slot is still empty, or already holds this key (amendment 6)."""
    if not session.fresh:
        return _look_at_slot(session)
    if not session.traits.conditional_set and _holder(session.listing(), session.record.slot) is not None:
        return _look_at_slot(session)
    answer = send(session, value, expected=None, slot=session.record.slot, itself=_current(session))
    return _look_at_slot(session) if answer is None else answer


def _look_at_slot(session: Session) -> on.Event:
    session.settle()
    record = session.record
    there = _holder(session.listing(), record.slot)
    if there is not None and record.new is not None and there.id == record.new.id:
        return on.SetAccepted()
    if there is not None:
        return on.Rejected(reason=f"slot {record.slot} holds {there.id}, which is not ours")
    return on.AttemptSpent(limit=session.context.limits.attempts, reason="the slot is still empty", remedy=_KEPT)


def _holder(listing: CompleteListing, slot: str) -> ProviderCredential | None:
    return next((item for item in listing.credentials if item.slot == slot), None)


def _set_single(session: Session, value: SecretValue) -> on.Event:
    """C: when in doubt probe pending, then current. Resume sends the same candidate again, never a new one."""
    if session.fresh:
        listing = session.listing()
        there = next(iter(listing.credentials), None)
        answer = send(session, value, expected=there, slot=session.record.slot, itself=_current(session))
        if answer is not None:
            return answer
    session.settle()
    pending = session.try_value(value)
    if pending is VerificationStatus.VALID:
        return on.SetAccepted()
    old = session.read(VersionStage.CURRENT)
    before = VerificationStatus.INVALID if old is None else session.try_value(old.value)
    if session.record.attempt >= session.context.limits.attempts:
        return on.Quarantined(reason="the target did not take the new value", remedy=_KEPT)
    if old is not None and pending is before is VerificationStatus.INVALID:
        return on.Quarantined(reason="the target accepts no value that the store holds", remedy=_KEPT)
    return on.AttemptSpent(
        limit=session.context.limits.attempts, reason="the target did not take the new value yet", remedy=_KEPT
    )


def send(
    session: Session, value: SecretValue, *, expected: ProviderCredential | None, slot: str, itself: SecretValue | None
) -> on.Event | None:
    """Set once: accepted, explicitly refused, or None for a lost answer.

    Args:
        session: whose record is durable already.
        value: what the target shall accept.
        expected: what the slot must hold for the change to be made.
        slot: which slot, empty where there is one.
        itself: without an admin identity, the value that authorises its own replacement.
    """
    context = session.context
    admin = context.admin() if context.admin is not None else itself
    session.audit("credential.set", Result.INTENT, attempt=session.record.attempt)
    session.before_change()
    session.fresh = False
    try:
        session.setting.set(context.principal, slot, value, expected=expected, admin=admin)
    except AmbiguousEffectError:
        return None
    except (AuthenticationError, UnreachableError):
        raise
    except RemoteServiceError as error:
        if error.retryable and not isinstance(error, SlotOccupiedError):
            raise
        return on.Rejected(reason=error.message)
    return on.SetAccepted()


def _current(session: Session) -> SecretValue | None:
    found = session.read(VersionStage.CURRENT)
    return None if found is None else found.value

"""GRACE, DISABLING, REVOKING: the old credential ends by evidence, sealed first, and is gone only when read back."""

from __future__ import annotations

from datetime import datetime

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.credential import Acknowledgement, CredentialId, NotKnown, NotReported
from lifecycle.domain.errors import AmbiguousEffectError, LostRaceError, NotFoundError
from lifecycle.domain.secret import VersionStage
from lifecycle.operations.deliver_value import NOT_ACKNOWLEDGED, sent_back
from lifecycle.operations.prepare_candidate import STORE_FAILING
from lifecycle.operations.promote_candidate import FOREIGN
from lifecycle.operations.rotation_context import Waiting
from lifecycle.operations.rotation_session import Session


def grace(session: Session) -> on.Event | Waiting:
    """GRACE: minimum over, every consumer still holds the new value, no use of the old one; then seal it."""
    failed = complaint(session)
    if failed is not None:
        return sent_back(session, failed)
    record, now = session.record, session.context.clock()
    if record.hold_until is not None and now < record.hold_until:
        return Waiting(until=record.hold_until, why="the minimum of grace is running")
    used = fallen_back(session) or _still_used(session, now)
    if used:
        if record.ceiling_at is not None and now >= record.ceiling_at:
            return on.Quarantined(reason=f"the old credential is still used: {used}", remedy=NOT_ACKNOWLEDGED)
        return Waiting(until=now + session.context.limits.poll, why=used)
    return _seal(session)


def fallen_back(session: Session) -> str:
    """Which consumer no longer holds the value that it acknowledged, as after a restart into an older copy."""
    new = session.record.new
    for binding in session.context.consumers:
        said = binding.destination.acknowledged(binding.name)
        if said is NotKnown.UNOBSERVABLE and binding.unobservable:
            continue
        if not isinstance(said, Acknowledgement) or new is None or said.fingerprint != new.fingerprint:
            return f"{binding.name} acknowledged the new value and no longer holds it"
    return ""


def complaint(session: Session) -> on.ConsumerFailed | None:
    """The first consumer that says it cannot work with the new value."""
    for binding in session.context.consumers:
        said = binding.destination.acknowledged(binding.name)
        new = session.record.new
        if (
            isinstance(said, Acknowledgement)
            and said.failing
            and new is not None
            and said.fingerprint == new.fingerprint
        ):
            return on.ConsumerFailed(consumer=binding.name, reason=said.failing)
    return None


def _still_used(session: Session, now: datetime) -> str:
    """Why the old credential cannot be taken for unused; empty when it can, or when the provider does not tell."""
    record, policy = session.record, session.context.policy
    if not session.traits.last_used or record.old is None:
        return ""
    try:
        used = session.context.issuer.last_used(session.context.principal, record.old.id)
    except NotFoundError:
        return ""
    if used is NotReported.NEVER:
        return ""
    if isinstance(used, NotReported):
        return "its last use is not known"
    return f"last use {used:%Y-%m-%d %H:%M:%S}" if now - used < policy.minimum else ""


def _seal(session: Session) -> on.Event:
    """Nobody may promote what is about to be revoked (amendment 4)."""
    context, soft_off = session.context, session.traits.soft_off
    try:
        session.before_change()
        revision = context.store.seal(context.ref, expected=session.record.expected)
    except (AmbiguousEffectError, LostRaceError):
        return _read_seal(session)
    return on.Sealed(revision=revision, soft_off=soft_off)


def _read_seal(session: Session) -> on.Event:
    record, state = session.record, session.store_state()
    ours = (
        state.current is not None
        and (state.current.operation, state.current.candidate) == (record.operation, record.candidate)
        and state.previous is None
    )
    retiring = session.read(VersionStage.RETIRING) if ours else None
    if retiring is not None and session.mark(retiring.value) == record.old:
        return on.Sealed(revision=state.revision, soft_off=session.traits.soft_off)
    if state.revision == record.expected:
        return on.AttemptSpent(
            limit=session.context.limits.attempts, reason="the store did not seal the old value", remedy=STORE_FAILING
        )
    return on.Quarantined(reason="somebody else changed the secret during grace", remedy=FOREIGN)


def disable(session: Session) -> on.Event:
    """DISABLING: switch the retired credential off and read that back."""
    context = session.context
    for retired in session.record.retired:
        try:
            session.before_change()
            context.issuer.set_enabled(context.principal, retired, False)
        except (AmbiguousEffectError, NotFoundError):
            session.fresh = False  # the listing decides
    listing = session.listing()
    if any(item.enabled for item in listing.credentials if item.id in session.record.retired):
        return on.AttemptSpent(
            limit=context.limits.attempts,
            reason="the retired credential is still switched on",
            remedy="repair the issuer's admin credential, then `lifecycle rotate release`",
        )
    return on.Disabled(quiet=context.policy.quiet)


def revoke(session: Session) -> on.Event | Waiting:
    """REVOKING: delete one retired credential; only the provider's own list says that it is gone."""
    context, record = session.context, session.record
    failed = complaint(session) if session.traits.soft_off and record.promoted else None
    if failed is not None:
        return on.Quarantined(
            reason=f"{failed.consumer} complains after the old credential was switched off: {failed.reason}",
            remedy=f"switch {', '.join(record.retired)} on again at the provider, then `lifecycle rotate abandon`",
        )
    if record.hold_until is not None and context.clock() < record.hold_until:
        return Waiting(until=record.hold_until, why="the retired credential is switched off and watched")
    doomed = record.retired[0]
    current = session.current() if record.promoted else None
    if current is not None and current.id == doomed:  # sealed, but a client may have written the value itself again
        return on.Quarantined(reason=f"{doomed} is retired and has become current again", remedy=FOREIGN)
    delete(session, doomed)
    if session.listing().find(doomed) is None:
        if not record.promoted:  # a retirement: nothing replaces the value
            session.before_change()
            context.store.purge(context.ref)
        return on.Revoked(id=doomed)
    return on.AttemptSpent(
        limit=context.limits.attempts,
        reason=f"{doomed} is still listed",
        remedy=f"delete {doomed} at the provider, then `lifecycle rotate release`",
    )


def delete(session: Session, doomed: CredentialId) -> None:
    """Delete at the provider; gone already is success, a lost answer is waited out for the reader."""
    context = session.context
    session.audit("credential.revoke", Result.INTENT, id=doomed)
    session.before_change()
    try:
        context.issuer.revoke(context.principal, doomed)
    except NotFoundError:
        return
    except AmbiguousEffectError:
        session.settle()

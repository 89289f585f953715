"""VERIFYING and PROMOTING: what was proved to work becomes current, over the value seen under the lock."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AmbiguousEffectError, LostRaceError
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.mint_candidate import REAUTHORISE
from lifecycle.operations.prepare_candidate import STORE_FAILING
from lifecycle.operations.rotation_session import Session

FOREIGN = "find out who changed the secret; `lifecycle rotate adopt` accepts what is current now"


def verify(session: Session) -> on.Event:
    """VERIFYING: valid promotes, an explicit refusal rolls back, unknown does neither."""
    value = session.candidate_value()
    if value is None:
        return on.Quarantined(reason="the candidate is no longer in the store", remedy=FOREIGN)
    match session.try_value(value):
        case VerificationStatus.VALID:
            return on.Verified()
        case VerificationStatus.INVALID if session.record.credential_class in (CredentialClass.D, CredentialClass.E):
            return on.Quarantined(reason=f"the new value is refused: {session.noted[-1]}", remedy=REAUTHORISE)
        case VerificationStatus.INVALID:
            return on.Rejected(reason=f"the new value is refused: {session.noted[-1]}")
        case VerificationStatus.INDETERMINATE:
            limits = session.context.limits
            return on.AttemptSpent(
                limit=limits.attempts,
                reason=f"it cannot be told whether the new value works: {session.noted[-1]}",
                remedy="repair what the reason names, then `lifecycle rotate release`",
                not_before=session.context.clock() + limits.poll,
            )


def promote(session: Session) -> on.Event:
    """PROMOTING: compare-and-set against the revision read under the lock; when in doubt, read."""
    context, record = session.context, session.record
    if record.candidate is None:
        return on.Quarantined(reason="there is no candidate to promote", remedy=FOREIGN)
    try:
        session.before_change()
        revision = context.store.promote(context.ref, record.candidate, expected=record.expected)
    except (AmbiguousEffectError, LostRaceError):
        return _read_promotion(session)
    return on.Promoted(revision=revision, ceiling=context.policy.ceiling)


def _read_promotion(session: Session) -> on.Event:
    record, state = session.record, session.store_state()
    mine = (record.operation, record.candidate)
    if state.current is not None and (state.current.operation, state.current.candidate) == mine:
        return on.Promoted(revision=state.revision, ceiling=session.context.policy.ceiling)
    if state.revision == record.expected:
        return on.AttemptSpent(
            limit=session.context.limits.attempts, reason="the store did not promote", remedy=STORE_FAILING
        )
    displaced = state.previous is not None and (state.previous.operation, state.previous.candidate) == mine
    reason = "somebody else promoted another value"
    if displaced or record.credential_class not in (CredentialClass.A, CredentialClass.B):
        return on.Quarantined(reason=reason, remedy=FOREIGN)
    return on.Rejected(reason=reason)

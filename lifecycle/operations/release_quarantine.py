"""A person ends QUARANTINED, with a reason, on record: go on where it stopped, or close it and keep everything."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import OperationId
from lifecycle.operations.rotate_credential import run
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome
from lifecycle.operations.rotation_session import Session


def release(context: RotationContext, *, reason: str, wait: bool = False) -> RotationOutcome:
    """The cause is repaired: go on in the state that was interrupted, with fresh attempts and a new ceiling."""

    def start(session: Session) -> None:
        _must_be_quarantined(session)
        session.audit("credential.release", Result.INTENT, reason=reason)
        session.apply(on.Released(reason=reason, ceiling=context.policy.ceiling))
        session.fresh = False

    return run(context, start, wait=wait)


def abandon(context: RotationContext, *, reason: str) -> RotationOutcome:
    """Close the operation as it stands: what is current stays current, nothing is deleted by this command."""

    def start(session: Session) -> None:
        _must_be_quarantined(session)
        session.audit("credential.abandon", Result.INTENT, reason=reason)
        session.apply(
            on.Settled(
                outcome=Outcome.ABANDONED,
                operation=OperationId(context.new_id()),
                current=session.current(),
                revision=session.store_state().revision,
                live_since=session.record.promoted_at or session.record.live_since,
                reason=reason,
            )
        )

    return run(context, start, wait=False, by_hand=True)


def _must_be_quarantined(session: Session) -> None:
    if session.record.state is not State.QUARANTINED:
        raise CheckRefusedError(
            f"{session.context.credential} is not quarantined: {session.record.state}",
            remedy="see `lifecycle rotate status`",
        )

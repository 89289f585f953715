"""A value has leaked, or may have: due now, on record, with the reason; nothing is revoked before it is replaced."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import OperationId
from lifecycle.operations.rotate_credential import run
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome
from lifecycle.operations.rotation_session import Session


def mark_exposed(context: RotationContext, *, reason: str) -> RotationOutcome:
    """Make the next run rotate it. It counts as older than its period, so that a failed rotation keeps it due."""

    def start(session: Session) -> None:
        record = session.record
        if record.state is not State.CLOSED or record.live is None:
            raise CheckRefusedError(
                f"{context.credential} stands in {record.state} and has no settled value to mark",
                remedy="finish what is open with `lifecycle rotate resume`, then mark it",
            )
        session.audit("credential.mark_exposed", Result.INTENT, reason=reason)
        old_enough = context.clock() - context.policy.period
        session.apply(
            on.Settled(
                outcome=Outcome.EXPOSED,
                operation=OperationId(context.new_id()),
                current=record.live,
                revision=session.store_state().revision,
                live_since=min(record.live_since or old_enough, old_enough),
                reason=f"exposed: {reason}",
            )
        )

    return run(context, start, wait=False, by_hand=True)

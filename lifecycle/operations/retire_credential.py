"""Retire a credential for good: consumers give it back, it is revoked, read back as gone, and the store forgets it."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import OperationId
from lifecycle.operations.rotate_credential import run
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome
from lifecycle.operations.rotation_session import Session


def retire(context: RotationContext, *, wait: bool = False) -> RotationOutcome:
    """Drain, revoke, confirm gone, purge; a retirement that is under way already is carried on."""

    def start(session: Session) -> None:
        if not session.record.open:
            _begin(session)

    return run(context, start, wait=wait)


def _begin(session: Session) -> None:
    """Write the intent to retire what is current; refuse while anything is quarantined or not ours."""
    record, context = session.record, session.context
    if record.state is State.CLOSED and record.outcome is Outcome.RETIRED:
        return
    current = session.current()
    if record.state is not State.CLOSED or current is None or current != record.live:
        raise CheckRefusedError(
            f"{context.credential} cannot be retired in {record.state}: its value must be ours and nothing may be open",
            remedy="finish it with `lifecycle rotate resume`, or take it over with `lifecycle rotate adopt`",
        )
    operation = OperationId(context.new_id())
    session.apply(
        on.RetireBegun(
            operation=operation,
            current=current,
            revision=session.store_state().revision,
            ceiling=context.policy.ceiling,
        )
    )

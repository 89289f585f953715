"""How a step ended, in the audit log: what was announced with INTENT is followed by what came of it.

It is written after the record, never between an answer and the store: a log that fails here must not cost the value.
It then tells the notifier; the journal holds the facts, and the next INTENT is refused while the log fails.
"""

from __future__ import annotations

from typing import Final

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.rotation import RotationRecord, State
from lifecycle.operations.rotation_session import Session

_MINT, _SET, _PROMOTE, _REVOKE = (f"credential.{verb}" for verb in ("mint", "set", "promote", "revoke"))

# What each state was there to do, and how the events that end one try at it are called.
_ACTS: Final[dict[State, tuple[str, dict[type[object], Result]]]] = {
    State.MINTING: (
        _MINT,
        {
            on.StagedValue: Result.DONE,
            on.Rejected: Result.REFUSED,
            on.Condemned: Result.FAILED,
            on.AttemptSpent: Result.UNKNOWN,
            on.Quarantined: Result.UNKNOWN,
        },
    ),
    State.SETTING: (
        _SET,
        {
            on.SetAccepted: Result.DONE,
            on.Rejected: Result.REFUSED,
            on.AttemptSpent: Result.UNKNOWN,
            on.Quarantined: Result.UNKNOWN,
        },
    ),
    State.PROMOTING: (
        _PROMOTE,
        {
            on.Promoted: Result.DONE,
            on.Rejected: Result.REFUSED,
            on.AttemptSpent: Result.UNKNOWN,
            on.Quarantined: Result.UNKNOWN,
        },
    ),
    State.REVOKING: (
        _REVOKE,
        {on.Revoked: Result.DONE, on.AttemptSpent: Result.UNKNOWN, on.Quarantined: Result.REFUSED},
    ),
    State.DISCARDING: (
        _REVOKE,
        {on.Discarded: Result.DONE, on.AttemptSpent: Result.UNKNOWN, on.Quarantined: Result.REFUSED},
    ),
    State.ROLLING_BACK: (
        _SET,
        {on.SetBack: Result.DONE},
    ),
}


def audit_step(session: Session, before: RotationRecord, event: on.Event) -> None:
    """Append what came of a step, if it changed anything outside or tried to.

    Args:
        session: has written the record that followed.
        before: the record in which the step was made.
        event: what came of it.
    """
    known = _named(before, event)
    if known is None:
        return
    action, result, detail = known
    if reason := str(getattr(event, "reason", "")):
        detail |= {"reason": reason}
    try:
        session.audit(action, result, **detail)
    except LifecycleError as error:
        session.unaudited(action, error)


def _named(before: RotationRecord, event: on.Event) -> tuple[str, Result, dict[str, str | int | bool]] | None:
    if isinstance(event, on.Delivered):
        return "credential.deliver", Result.DONE, {"consumer": event.consumer, "attempt": before.attempt}
    if isinstance(event, on.ConsumerFailed):
        return "credential.deliver", Result.FAILED, {"consumer": event.consumer, "attempt": before.attempt}
    if isinstance(event, on.Restored):
        return "credential.restore", Result.DONE, {"attempt": before.attempt}
    if before.state not in _ACTS:
        return None
    action, results = _ACTS[before.state]
    result = Result.FAILED if isinstance(event, on.SurroundingsFailed) else results.get(type(event))
    if result is None:
        return None
    detail: dict[str, str | int | bool] = {"attempt": before.attempt}
    changed = _changed(before, event)
    return action, result, detail | ({"id": changed} if changed else {})


def _changed(before: RotationRecord, event: on.Event) -> str:
    """The credential that was made, set, promoted or deleted, where it is known."""
    if isinstance(event, on.Revoked | on.Condemned):
        return event.id
    if isinstance(event, on.StagedValue):
        return event.new.id
    if before.state is State.DISCARDING:
        return before.doomed or ""
    if before.state is State.REVOKING:
        return before.retired[0] if before.retired else ""
    return before.new.id if before.new is not None else ""

"""The whole table of rotation steps: (state, event, next state). `docs/rotation.md` draws it, and a test compares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lifecycle.domain import rotation_events as on
from lifecycle.domain.rotation import ENDED, VIRTUAL, State

OPEN = tuple(state for state in State if state not in ENDED | VIRTUAL)
_ACTING = (
    State.INTENT,
    State.MINTING,
    State.SETTING,
    State.VERIFYING,
    State.PROMOTING,
    State.GRACE,
    State.DISABLING,
    State.REVOKING,
    State.ROLLING_BACK,
    State.DISCARDING,
)


def _rows() -> Iterable[tuple[State, type[Any], State]]:
    s = State
    yield from (
        (s.IDLE, on.Planned, s.PLANNED),
        (s.CLOSED, on.Planned, s.PLANNED),
        (s.PLANNED, on.Locked, s.LOCKED),
        (s.LOCKED, on.Begun, s.INTENT),
        (s.INTENT, on.Prepared, s.MINTING),
        (s.INTENT, on.StagedValue, s.STAGED),
        (s.INTENT, on.Rejected, s.CLOSED),
        (s.MINTING, on.StagedValue, s.STAGED),
        (s.MINTING, on.Rejected, s.CLOSED),
        (s.MINTING, on.Condemned, s.DISCARDING),
        (s.STAGED, on.StageConfirmed, s.SETTING),
        (s.STAGED, on.StageConfirmed, s.VERIFYING),
        (s.STAGED, on.Condemned, s.DISCARDING),
        (s.SETTING, on.SetAccepted, s.VERIFYING),
        (s.SETTING, on.Rejected, s.ROLLING_BACK),
        (s.VERIFYING, on.Verified, s.PROMOTING),
        (s.VERIFYING, on.Rejected, s.ROLLING_BACK),
        (s.PROMOTING, on.Promoted, s.PROPAGATING),
        (s.PROMOTING, on.Rejected, s.ROLLING_BACK),
        (s.PROPAGATING, on.AllAcknowledged, s.GRACE),
        (s.PROPAGATING, on.AllAcknowledged, s.CLOSED),
        (s.PROPAGATING, on.ConsumerFailed, s.ROLLING_BACK),
        (s.GRACE, on.ConsumerFailed, s.ROLLING_BACK),
        (s.GRACE, on.Sealed, s.DISABLING),
        (s.GRACE, on.Sealed, s.REVOKING),
        (s.DISABLING, on.Disabled, s.REVOKING),
        (s.REVOKING, on.Revoked, s.REVOKING),
        (s.REVOKING, on.Revoked, s.CLOSED),
        (s.ROLLING_BACK, on.Restored, s.ROLLING_BACK),
        (s.ROLLING_BACK, on.Condemned, s.DISCARDING),
        (s.ROLLING_BACK, on.SetBack, s.CLOSED),
        (s.DISCARDING, on.Discarded, s.MINTING),
        (s.DISCARDING, on.Discarded, s.CLOSED),
        (s.DISCARDING, on.Discarded, s.QUARANTINED),
        (s.CLOSED, on.Condemned, s.DISCARDING),
        (s.CLOSED, on.RedeliveryNeeded, s.REDELIVERING),
        (s.REDELIVERING, on.AllAcknowledged, s.CLOSED),
        (s.CLOSED, on.RetireBegun, s.WITHDRAWING),
        (s.WITHDRAWING, on.Withdrawn, s.DISABLING),
        (s.WITHDRAWING, on.Withdrawn, s.REVOKING),
        (s.CLOSED, on.Quarantined, s.QUARANTINED),
        (s.IDLE, on.Settled, s.CLOSED),
        (s.CLOSED, on.Settled, s.CLOSED),
        (s.QUARANTINED, on.Settled, s.CLOSED),
    )
    for state in (s.PROPAGATING, s.ROLLING_BACK, s.REDELIVERING):
        yield state, on.Delivered, state
        yield state, on.Acknowledged, state
    for state in _ACTING:
        yield state, on.AttemptSpent, state
        yield state, on.AttemptSpent, s.QUARANTINED
    for state in OPEN:
        yield state, on.TakenOver, state
        yield state, on.SurroundingsFailed, state
        yield state, on.SurroundingsFailed, s.QUARANTINED
        yield state, on.Quarantined, s.QUARANTINED
    for state in (*OPEN, s.CLOSED):
        yield s.QUARANTINED, on.Released, state


TRANSITIONS = frozenset((source, event.__name__, target) for source, event, target in _rows())


# Rows that every open state has; drawn as one note instead of a dozen arrows each.
_COMMON = ("TakenOver", "SurroundingsFailed", "Quarantined", "AttemptSpent", "Released")


def draw() -> str:
    """The table as a Mermaid state diagram, for `docs/rotation.md`."""
    edges: dict[tuple[State, State], list[str]] = {}
    for source, event, target in sorted(TRANSITIONS):
        if event not in _COMMON or (source, event) == (State.CLOSED, "Quarantined"):
            edges.setdefault((source, target), []).append(event)
    lines = [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in edges.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> IDLE", *lines])

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


_S = State
_OWN: tuple[tuple[State, type[Any], State], ...] = (
    (_S.IDLE, on.Planned, _S.PLANNED),
    (_S.CLOSED, on.Planned, _S.PLANNED),
    (_S.PLANNED, on.Locked, _S.LOCKED),
    (_S.LOCKED, on.Begun, _S.INTENT),
    (_S.INTENT, on.Prepared, _S.MINTING),
    (_S.INTENT, on.StagedValue, _S.STAGED),
    (_S.INTENT, on.Rejected, _S.CLOSED),
    (_S.MINTING, on.StagedValue, _S.STAGED),
    (_S.MINTING, on.Rejected, _S.CLOSED),
    (_S.MINTING, on.Condemned, _S.DISCARDING),
    (_S.STAGED, on.StageConfirmed, _S.SETTING),
    (_S.STAGED, on.StageConfirmed, _S.VERIFYING),
    (_S.STAGED, on.Condemned, _S.DISCARDING),
    (_S.SETTING, on.SetAccepted, _S.VERIFYING),
    (_S.SETTING, on.Rejected, _S.ROLLING_BACK),
    (_S.VERIFYING, on.Verified, _S.PROMOTING),
    (_S.VERIFYING, on.Rejected, _S.ROLLING_BACK),
    (_S.PROMOTING, on.Promoted, _S.PROPAGATING),
    (_S.PROMOTING, on.Rejected, _S.ROLLING_BACK),
    (_S.PROPAGATING, on.AllAcknowledged, _S.GRACE),
    (_S.PROPAGATING, on.AllAcknowledged, _S.CLOSED),
    (_S.PROPAGATING, on.ConsumerFailed, _S.ROLLING_BACK),
    (_S.GRACE, on.ConsumerFailed, _S.ROLLING_BACK),
    (_S.GRACE, on.Sealed, _S.DISABLING),
    (_S.GRACE, on.Sealed, _S.REVOKING),
    (_S.DISABLING, on.Disabled, _S.REVOKING),
    (_S.REVOKING, on.Revoked, _S.REVOKING),
    (_S.REVOKING, on.Revoked, _S.CLOSED),
    (_S.ROLLING_BACK, on.Restored, _S.ROLLING_BACK),
    (_S.ROLLING_BACK, on.Condemned, _S.DISCARDING),
    (_S.ROLLING_BACK, on.SetBack, _S.CLOSED),
    (_S.DISCARDING, on.Discarded, _S.MINTING),
    (_S.DISCARDING, on.Discarded, _S.CLOSED),
    (_S.DISCARDING, on.Discarded, _S.QUARANTINED),
    (_S.CLOSED, on.Condemned, _S.DISCARDING),
    (_S.CLOSED, on.RedeliveryNeeded, _S.REDELIVERING),
    (_S.REDELIVERING, on.AllAcknowledged, _S.CLOSED),
    (_S.CLOSED, on.RetireBegun, _S.WITHDRAWING),
    (_S.WITHDRAWING, on.Withdrawn, _S.DISABLING),
    (_S.WITHDRAWING, on.Withdrawn, _S.REVOKING),
    (_S.CLOSED, on.Quarantined, _S.QUARANTINED),
    (_S.IDLE, on.Settled, _S.CLOSED),
    (_S.CLOSED, on.Settled, _S.CLOSED),
    (_S.QUARANTINED, on.Settled, _S.CLOSED),
)


def _rows() -> Iterable[tuple[State, type[Any], State]]:
    s = State
    yield from _OWN
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

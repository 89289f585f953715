"""How often, how long and how stubbornly: the numbers a rotation goes by, and when one is due. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle.domain.change_window import ChangeWindow
from lifecycle.domain.rotation import Outcome, RotationRecord, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPolicy:
    """What the spec says about one credential.

    Attributes:
        period: from one promotion to the next.
        minimum: how long the old value lives at least after everybody acknowledged the new one.
        ceiling: how long to wait for acknowledgement or quiet; then QUARANTINED, never revoked.
        quiet: how long a retired credential stays switched off before it is deleted, where it can be.
        max_age: how old a value may become; None = no limit beside the period.
        window: when it may be replaced; None = at any time, but never without overlap.
    """

    period: timedelta = timedelta(days=90)
    minimum: timedelta = timedelta(hours=1)
    ceiling: timedelta = timedelta(days=7)
    quiet: timedelta = timedelta()
    max_age: timedelta | None = None
    window: ChangeWindow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How stubborn a run is.

    Attributes:
        attempts: calls per state before QUARANTINED.
        faults: failures of the surroundings per state before QUARANTINED; with the back-off, more than a day.
        first_delay, longest_delay: back-off after a fault, doubled each time.
        poll: between two looks at consumers and last use.
        patience: how long one run waits for something that is nearly there before it leaves the rest to the next run.
        lease: how long a process may be silent before another one takes over.
    """

    attempts: int = 3
    faults: int = 12
    first_delay: timedelta = timedelta(minutes=1)
    longest_delay: timedelta = timedelta(hours=6)
    poll: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(minutes=5)

    def delay(self, failures: int) -> timedelta:
        """Back-off before the next try after that many failures in a row."""
        return min(self.first_delay * (1 << min(max(failures - 1, 0), 20)), self.longest_delay)

    def spread(self, failures: int, whom: str) -> timedelta:
        """Back-off with up to a quarter more, told by the name: what failed together does not come back together.

        Args:
            failures: in a row.
            whom: whose back-off it is; the same name always waits equally long.
        """
        share = int.from_bytes(hashlib.sha256(f"{whom} {failures}".encode()).digest()[:2], "big") / 65536
        return self.delay(failures) * (1 + share / 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Whether a rotation is due, since or from when, and why."""

    now: bool
    at: datetime | None
    why: str


def due(record: RotationRecord | None, policy: RotationPolicy, limits: Limits, at: datetime) -> Due:
    """When the next rotation is due, from the newest record alone: it survives a lost store.

    Args:
        record: newest record of the credential, None when there never was one.
        policy: its rotation policy.
        limits: for the back-off after failed rotations.
        at: the moment of the question.
    """
    if record is None:
        return Due(now=True, at=None, why="it was never issued")
    if record.state is State.QUARANTINED:
        return Due(now=False, at=None, why="a person must end its quarantine first")
    if record.state is not State.CLOSED:
        return Due(now=True, at=record.intent_at, why="a rotation is open")
    if record.outcome is Outcome.RETIRED:
        return Due(now=False, at=None, why="it was retired")
    since = record.live_since
    when = record.at if since is None and record.live is None else (since or record.at) + policy.period
    if record.failures:
        when = max(when, record.at + limits.delay(record.failures))
    why = record.reason if record.outcome is Outcome.EXPOSED else f"rotation period of {policy.period} is over"
    return Due(now=when <= at, at=when, why=why if when <= at else "")

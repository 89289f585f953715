"""Since when a connector is as it is, and whether it flaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.verification import Reason, VerificationStatus

FLAPPING_WINDOW = timedelta(hours=24)
FLAPPING_CHANGES = 4


class Turn(BaseModel):
    """One line of the history: from this moment on, a connector answered like this.

    Attributes:
        at: aware UTC time of the first such result.
        connector: its name in the spec.
        through: the position it was verified from: an allowlist, or `direct`.
        status: of the result.
        reason: of the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    connector: str
    through: str
    status: VerificationStatus
    reason: Reason

    def says_the_same(self, other: Turn) -> bool:
        """Whether nothing has turned between the two."""
        return (self.status, self.reason) == (other.status, other.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How long a connector has been as it is.

    Attributes:
        since: the first of the unbroken row of equal results.
        changes: how often its status changed in the last day.
    """

    since: datetime
    changes: int = 0

    @property
    def flapping(self) -> bool:
        """Whether it changes so often that its last result says little."""
        return self.changes >= FLAPPING_CHANGES


def standing(turns: Sequence[Turn], now: Turn) -> Standing:
    """Where a connector stands.

    Args:
        turns: of the same connector and position, oldest first.
        now: the result just found.
    """
    told = [*turns, now] if not turns or not turns[-1].says_the_same(now) else list(turns)
    recent = [
        later
        for earlier, later in pairwise(told)
        if later.status is not earlier.status and now.at - later.at <= FLAPPING_WINDOW
    ]
    return Standing(since=told[-1].at, changes=len(recent))

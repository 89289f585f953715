"""A point in monotonic time by which something must have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Make one with `Deadline.after`; hand it down, so that all parts of a call share one budget.

    Attributes:
        at: reading of `monotonic` at which it ends, in seconds.
        monotonic: the clock; never the wall clock, which may jump.
    """

    at: float
    monotonic: Monotonic = field(default=time.monotonic, repr=False)

    @classmethod
    def after(cls, duration: timedelta, monotonic: Monotonic = time.monotonic) -> Deadline:
        """The deadline `duration` from now."""
        return cls(at=monotonic() + duration.total_seconds(), monotonic=monotonic)

    @property
    def seconds_left(self) -> float:
        """Seconds until it ends; 0 when it has."""
        return max(0.0, self.at - self.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it has ended."""
        return self.seconds_left <= 0.0

    def cap(self, seconds: float) -> float:
        """The smaller of `seconds` and what is left; never 0, which many libraries read as "for ever"."""
        return max(0.001, min(seconds, self.seconds_left))

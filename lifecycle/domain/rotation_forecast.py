"""How long a run of rotations takes under the providers' quotas, from what the journal measured. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from lifecycle.domain.rotation import RotationRecord

GUESS = timedelta(seconds=10)  # from intent to promotion, of a credential that was never rotated


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What one rotation takes from one quota.

    Attributes:
        quota: its name; credentials that name the same one share it.
        calls: writes of one rotation, from the first to the last.
        per_second: sustained rate of the quota.
    """

    quota: str
    calls: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rotation of a run, as the forecast sees it."""

    wave: int
    takes: timedelta
    grace: timedelta
    quotas: tuple[QuotaUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLoad:
    """What a whole run takes from one quota."""

    quota: str
    calls: int
    per_second: float

    @property
    def needs(self) -> timedelta:
        """The least time in which the quota lets that many calls through."""
        return timedelta(seconds=self.calls / self.per_second)

    def __str__(self) -> str:
        return f"{self.quota}: {self.calls} calls at {self.per_second:g} a second, {in_words(self.needs)} at least"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When the new values are current, and when the old ones are gone at the earliest."""

    promoted: timedelta
    finished: timedelta
    loads: tuple[QuotaLoad, ...]


def measured(record: RotationRecord | None) -> timedelta:
    """From intent to promotion of the last rotation, where the newest record tells."""
    if record is None or record.intent_at is None or record.promoted_at is None:
        return GUESS
    return max(record.promoted_at - record.intent_at, timedelta())


def forecast(steps: Sequence[Step], workers: int) -> Forecast:
    """Wave after wave: each takes what its slowest member, its workers or its busiest quota takes."""
    by_wave: dict[int, list[Step]] = defaultdict(list)
    for step in steps:
        by_wave[step.wave].append(step)
    at, finished = timedelta(), timedelta()
    for wave in sorted(by_wave):
        members = by_wave[wave]
        worked = sum((step.takes for step in members), timedelta()) / max(1, min(workers, len(members)))
        limits = [load.needs for load in loads(members)]
        at += max(worked, *(step.takes for step in members), *limits)
        finished = max(finished, at + max(step.grace for step in members))
    return Forecast(promoted=at, finished=finished, loads=loads(steps))


def loads(steps: Sequence[Step]) -> tuple[QuotaLoad, ...]:
    """Calls per quota, by name."""
    calls: Counter[str] = Counter()
    rates: dict[str, float] = {}
    for use in (use for step in steps for use in step.quotas):
        calls[use.quota] += use.calls
        rates[use.quota] = min(rates.get(use.quota, use.per_second), use.per_second)
    return tuple(QuotaLoad(quota=name, calls=calls[name], per_second=rates[name]) for name in sorted(calls))


def in_words(length: timedelta) -> str:
    """`45 s`, `7 min`, `3 h`, `2 d`: rounded up, as people plan."""
    seconds = length.total_seconds()
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{-(-seconds // unit):.0f} {name}"
    return f"{-(-seconds // 1):.0f} s"

"""When a credential without overlap may be replaced: weekly hours, in UTC. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 8  # days to look ahead: the same hours of today may be over already


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWindow:
    """Weekly hours. One that ends at or before its start goes on past midnight.

    Attributes:
        days: on which it opens, of `DAYS`.
        start, end: in UTC.
    """

    days: tuple[str, ...]
    start: time
    end: time

    def opens(self, at: datetime) -> datetime:
        """The first moment from `at` on at which it is open; `at` itself while it is."""
        now = at.astimezone(UTC)
        for offset in range(-1, _WEEK):
            day = (now + timedelta(days=offset)).date()
            if DAYS[day.weekday()] not in self.days:
                continue
            begins = datetime.combine(day, self.start, tzinfo=UTC)
            ends = datetime.combine(day, self.end, tzinfo=UTC)
            if ends <= begins:
                ends += timedelta(days=1)
            if now < ends:
                return max(begins, now)
        raise ValueError("a change window needs at least one day")  # the spec asks for one

    def open(self, at: datetime) -> bool:
        """Whether it is open."""
        return self.opens(at) <= at

    def __str__(self) -> str:
        return f"{', '.join(self.days)} {self.start:%H:%M} to {self.end:%H:%M} UTC"


ALWAYS = ChangeWindow(days=DAYS, start=time(), end=time())

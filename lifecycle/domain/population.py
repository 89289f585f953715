"""Which credentials were alive when, and how the rotations of a period went. Pure; reads journal records only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle.domain.rotation import Outcome, RotationRecord, State

History = Mapping[str, Sequence[RotationRecord]]

FAILURES = frozenset({Outcome.FAILED, Outcome.ROLLED_BACK, Outcome.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Credentials at both ends of a period, and what happened between: opening + added - retired = closing."""

    opening: tuple[str, ...]
    added: tuple[str, ...]
    retired: tuple[str, ...]
    closing: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether the numbers agree; they do unless a journal lost records."""
        return len(self.opening) + len(self.added) - len(self.retired) == len(self.closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodOperation:
    """One operation that had a step in the period.

    Attributes:
        last: its newest record up to the end of the period.
        promoted_at: when its value became current; None when it did not.
        due_at: when the value before should have been replaced at the latest; None at a first issuance.
    """

    credential: str
    number: int
    last: RotationRecord
    promoted_at: datetime | None
    due_at: datetime | None

    @property
    def failed(self) -> bool:
        """Whether it ended without its value current, or needs a person."""
        return self.last.outcome in FAILURES or self.last.state is State.QUARANTINED

    @property
    def late_by(self) -> timedelta | None:
        """How late the new value came; None when in time, not come, or not known."""
        if self.due_at is None or self.promoted_at is None or self.promoted_at <= self.due_at:
            return None
        return self.promoted_at - self.due_at


def alive(record: RotationRecord | None) -> bool:
    """Whether a value of ours was current by this record."""
    if record is None:
        return False
    return record.live is not None or (record.promoted and not record.restored and record.outcome is Outcome.NONE)


def population(history: History, since: datetime, until: datetime) -> Population:
    """Count both ends and every change between; a credential that came and went counts in both."""
    opening: list[str] = []
    closing: list[str] = []
    added: list[str] = []
    retired: list[str] = []
    for name in sorted(history):
        was = alive(_newest(history[name], before=since))
        if was:
            opening.append(name)
        for record in history[name]:
            if since <= record.at <= until and alive(record) is not was:
                was = not was
                (added if was else retired).append(name)
        if was:
            closing.append(name)
    return Population(opening=tuple(opening), added=tuple(added), retired=tuple(retired), closing=tuple(closing))


def operations(
    history: History, periods: Mapping[str, timedelta], since: datetime, until: datetime
) -> tuple[PeriodOperation, ...]:
    """Every operation with a step in the period, by credential and number.

    Args:
        history: all records, oldest first.
        periods: rotation period per credential, as declared today: the journal does not keep it.
        since: first moment.
        until: last moment; later records are not looked at.
    """
    return tuple(item for name in sorted(history) for item in _operations(name, history[name], periods, since, until))


def overdue(
    history: History, periods: Mapping[str, timedelta], at: datetime
) -> tuple[tuple[str, datetime, timedelta], ...]:
    """Credentials alive at a moment whose value was older than their period: name, since when due, by how much."""
    found = []
    for name, period in sorted(periods.items()):
        record = _newest(history.get(name, ()), before=at, inclusive=True)
        if record is not None and alive(record) and record.live_since and record.live_since + period < at:
            when = record.live_since + period
            found.append((name, when, at - when))
    return tuple(found)


def _operations(
    name: str, records: Sequence[RotationRecord], periods: Mapping[str, timedelta], since: datetime, until: datetime
) -> Iterator[PeriodOperation]:
    grouped: dict[int, list[RotationRecord]] = {}
    for record in records:
        if record.at <= until:
            grouped.setdefault(record.number, []).append(record)
    live_since: datetime | None = None
    for number, steps in sorted(grouped.items()):
        if any(step.at >= since for step in steps):
            period = periods.get(name)
            yield PeriodOperation(
                credential=name,
                number=number,
                last=steps[-1],
                promoted_at=next((step.promoted_at for step in steps if step.promoted_at), None),
                due_at=live_since + period if live_since and period else None,
            )
        live_since = steps[-1].live_since or live_since


def _newest(records: Sequence[RotationRecord], *, before: datetime, inclusive: bool = False) -> RotationRecord | None:
    earlier = [record for record in records if record.at < before or (inclusive and record.at == before)]
    return earlier[-1] if earlier else None

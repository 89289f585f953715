"""How each credential stands: state, oldest live age, next due, whom it waits for. Reads the journal only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lifecycle.domain.errors import ExitCode
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.rotation_policy import due
from lifecycle.operations.rotation_context import RotationContext


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStatus:
    """One credential.

    Attributes:
        oldest_live: since when the oldest value that still works has been current; None when none, or not known.
        age: of that value.
        awaiting: consumers that have not acknowledged.
        why: of its state; remedy: for a person.
    """

    credential: str
    state: State
    outcome: Outcome
    oldest_live: datetime | None
    age: timedelta | None
    next_due: datetime | None
    overdue: bool
    awaiting: tuple[str, ...]
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStatus:
    """All credentials in question."""

    credentials: tuple[CredentialStatus, ...]

    @property
    def open(self) -> bool:
        """Whether a rotation is under way that needs no person."""
        return any(item.state not in (State.IDLE, State.CLOSED, State.QUARANTINED) for item in self.credentials)

    def exit_code(self) -> ExitCode:
        """7 when a person is needed, else 0."""
        quarantined = any(item.state is State.QUARANTINED for item in self.credentials)
        return ExitCode.QUARANTINED if quarantined else ExitCode.DONE

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {"credentials": [_document(item) for item in self.credentials]}

    def lines(self) -> list[str]:
        """For people."""
        return [line for item in self.credentials for line in _lines(item)] or ["no credentials"]


def rotation_status(contexts: Sequence[RotationContext]) -> RotationStatus:
    """Read the newest record of each credential."""
    return RotationStatus(credentials=tuple(_status(context) for context in contexts))


def _status(context: RotationContext) -> CredentialStatus:
    record, now = context.journal.head(context.credential).record, context.clock()
    verdict = due(record, context.policy, context.limits, now)
    since = record.live_since if record else None
    return CredentialStatus(
        credential=context.credential,
        state=record.state if record else State.IDLE,
        outcome=record.outcome if record else Outcome.NONE,
        oldest_live=since,
        age=now - since if since else None,
        next_due=verdict.at,
        overdue=verdict.now,
        awaiting=_awaiting(context, record),
        why=record.reason if record else verdict.why,
        remedy=record.remedy if record else "",
    )


def _awaiting(context: RotationContext, record: RotationRecord | None) -> tuple[str, ...]:
    state = record.interrupted if record and record.state is State.QUARANTINED else (record.state if record else None)
    if record is None or state not in (State.PROPAGATING, State.ROLLING_BACK, State.REDELIVERING):
        return ()
    ready = {item.name for item in record.consumers if item.acknowledged is not None}
    return tuple(binding.name for binding in context.consumers if binding.name not in ready)


def _document(item: CredentialStatus) -> dict[str, Any]:
    return {
        "credential": item.credential,
        "state": item.state.value,
        "outcome": item.outcome.value,
        "oldest_live": item.oldest_live.isoformat() if item.oldest_live else None,
        "age_seconds": int(item.age.total_seconds()) if item.age else None,
        "next_due": item.next_due.isoformat() if item.next_due else None,
        "overdue": item.overdue,
        "awaiting": list(item.awaiting),
        "why": item.why,
        "remedy": item.remedy,
    }


def _lines(item: CredentialStatus) -> list[str]:
    age = f", oldest live {item.age.days} d" if item.age is not None else ""
    when = f", due {item.next_due:%Y-%m-%d}" if item.next_due else ""
    waits = f", waits for {', '.join(item.awaiting)}" if item.awaiting else ""
    why = f": {item.why}" if item.why else ""
    remedy = [f"  -> {item.remedy}"] if item.remedy else []
    return [f"{item.credential}: {item.state}{age}{when}{waits}{why}", *remedy]

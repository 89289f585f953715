"""Picks events of the audit log by who, what, object, result and time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from lifecycle.domain.audit import AuditEvent, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What must hold of an event; what is empty is not asked.

    Attributes:
        actor, action, object: shell patterns, e.g. `credential.*`.
        results: any of these.
        since, until: first and last moment.
    """

    actor: str = ""
    action: str = ""
    object: str = ""
    results: tuple[Result, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, event: AuditEvent) -> bool:
        """Whether the event is wanted."""
        named = ((self.actor, event.actor), (self.action, event.action), (self.object, event.object))
        return (
            all(not pattern or fnmatchcase(text, pattern) for pattern, text in named)
            and (not self.results or event.result in self.results)
            and (self.since is None or event.at >= self.since)
            and (self.until is None or event.at <= self.until)
        )


def select_events(events: Sequence[AuditEvent], wanted: EventFilter) -> tuple[AuditEvent, ...]:
    """The wanted events, in their order."""
    return tuple(event for event in events if wanted.holds(event))

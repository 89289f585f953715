"""Walk the known causes of DataRobot failures in order, and stop at the first that holds.

The order is that in which one cause hides the next: who cannot reach the endpoint learns nothing about the key, who has
no live key learns nothing about the deployment. Nothing is changed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

from lifecycle.domain.diagnosis import Cause, Diagnosis, Examined, Finding, Seen, Unknown
from lifecycle.domain.errors import LifecycleError


class Installation(Protocol):
    """Asks one DataRobot installation as one identity. Reads only; remembers answers, so asking again costs nothing."""

    def ask(self, path: str) -> Seen:
        """GET a path below /api/v2. Never raises for what is answered, or not."""
        ...

    def ask_all(self, path: str) -> Seen:
        """GET every page of a list; `data` of the document holds all of it."""
        ...

    def evaluate(self, path: str, body: dict[str, Any]) -> Seen:
        """Ask by POST what can only be asked so, and changes nothing."""
        ...

    def knock(self, url: str) -> Seen:
        """GET an address without any login: does somebody answer there, and how soon?"""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One cause to look for."""

    name: str
    look: Callable[[], Finding]


def diagnose(
    checks: Sequence[Check],
    *,
    subject: str,
    now: datetime,
    scrub: Callable[[str], str] = str,
    watch: Callable[[str], None] = lambda _name: None,
) -> Diagnosis:
    """Look for each cause; stop at the first that holds.

    Args:
        checks: in the order in which one cause hides the next.
        subject: what is examined, for people.
        now: aware UTC time.
        scrub: removes every known secret from a text: a service may answer with what was sent.
        watch: told the name of each check before it.
    """
    examined: list[Examined] = []
    for number, check in enumerate(checks, start=1):
        watch(check.name)
        finding = _scrubbed(_look(check), scrub)
        examined.append(Examined(check=check.name, finding=finding))
        if isinstance(finding, Cause):
            ahead = tuple(item.name for item in checks[number:])
            return Diagnosis(subject=subject, checked_at=now, examined=tuple(examined), ahead=ahead)
    return Diagnosis(subject=subject, checked_at=now, examined=tuple(examined))


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except LifecycleError as error:  # of a store or a cloud that the check needed: no verdict on what it is about
        return Unknown(why=error.message)


def _scrubbed(finding: Finding, scrub: Callable[[str], str]) -> Finding:
    values = ((item.name, getattr(finding, item.name)) for item in fields(finding))
    texts: dict[str, Any] = {name: scrub(value) for name, value in values if type(value) is str}
    return replace(finding, **texts)

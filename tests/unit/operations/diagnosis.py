"""An installation that answers from a table, and what tests say about findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Seen, Unknown
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Installation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "app.eu.datarobot.com"


def ok(**document: Any) -> Seen:
    """A success."""
    return Seen(reason=Reason.WORKS, status=200, document=document)


def rows(*items: Mapping[str, Any]) -> Seen:
    """A list."""
    return ok(data=list(items))


def refused(status: int, *, native: bool = True) -> Seen:
    """A refusal."""
    return Seen(reason=Reason.WORKS, status=status, native=native)


def unmet(reason: Reason) -> Seen:
    """No answer."""
    return Seen(reason=reason)


@dataclass
class Table:
    """Answers by path; a path that is not there is 404. `knocks` are answers of other addresses."""

    answers: dict[str, Seen] = field(default_factory=dict)
    knocks: dict[str, Seen] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def ask(self, path: str) -> Seen:
        self.asked.append(path)
        return self.answers.get(path, refused(404))

    def ask_all(self, path: str) -> Seen:
        return self.ask(path)

    def evaluate(self, path: str, body: dict[str, Any]) -> Seen:
        self.asked.append(body)
        return self.ask(path)

    def knock(self, url: str) -> Seen:
        return self.knocks.get(url, unmet(Reason.CONNECTION_REFUSED))


_: type[Installation] = Table


def cause(finding: Finding) -> Cause:
    """The cause, which must hold, be in words and have a remedy."""
    assert isinstance(finding, Cause), finding
    assert finding.message and finding.evidence and finding.remedy
    return finding


def fine(finding: Finding) -> str:
    """What was seen where nothing is wrong."""
    assert isinstance(finding, Fine), finding
    return finding.evidence


def not_asked(finding: Finding) -> str:
    """Why nothing was asked."""
    assert isinstance(finding, NotAsked), finding
    return finding.why


def unknown(finding: Finding) -> str:
    """Why nothing could be found out."""
    assert isinstance(finding, Unknown), finding
    return finding.why

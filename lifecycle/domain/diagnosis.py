"""What a walk through the known causes of failure finds: four outcomes of a check, and the whole of a walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason

_LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """The cause does not hold; `evidence` says what was seen."""

    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """The check does not apply, or what it needs may not be seen by us. Judges nothing."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The check applies, and no answer could be had: not fine, and no cause either."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The cause holds: what is wrong with what, what shows it, what to do, and the exit code it ends in."""

    message: str
    evidence: str
    remedy: str
    exit_code: ExitCode = ExitCode.REFUSED


Finding = Fine | NotAsked | Unknown | Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One check and its outcome."""

    check: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A whole walk; it ended at the first cause.

    Attributes:
        subject: what was examined, for people.
        checked_at: aware UTC time.
        examined: in order.
        ahead: the checks behind the cause, which nobody asked.
    """

    subject: str
    checked_at: datetime
    examined: tuple[Examined, ...]
    ahead: tuple[str, ...] = ()

    @property
    def cause(self) -> Cause | None:
        """The first cause that holds; None when none does."""
        last = self.examined[-1].finding if self.examined else None
        return last if isinstance(last, Cause) else None

    def exit_code(self) -> ExitCode:
        """That of the cause; 4 when something could not be found out; else 0."""
        if self.cause is not None:
            return self.cause.exit_code
        unknown = any(isinstance(item.finding, Unknown) for item in self.examined)
        return ExitCode.REMOTE if unknown else ExitCode.DONE


def outcome_of(finding: Finding) -> tuple[str, str]:
    """The word for an outcome, and what was seen or why nothing was."""
    match finding:
        case Fine():
            return "ok", finding.evidence
        case NotAsked():
            return "not asked", finding.why
        case Unknown():
            return "unknown", finding.why
        case Cause():
            return "cause", finding.evidence
        case _:
            assert_never(finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one question to a service brought.

    Attributes:
        reason: `WORKS` when an answer came, whatever its status; else why none came.
        status: of HTTP; 0 without an answer.
        document: the JSON object; empty when the answer is none.
        native: whether the answer has the service's own form, and not that of something in between.
        deprecated: whether the answer announces a deprecation.
        took: from the question to the last byte.
    """

    reason: Reason
    status: int = 0
    document: Mapping[str, Any] = field(default_factory=dict)
    native: bool = True
    deprecated: bool = False
    took: timedelta = timedelta()

    @property
    def good(self) -> bool:
        """Whether this is the service's own answer, and a success."""
        return self.reason is Reason.WORKS and self.status == 200 and self.native

    def in_words(self) -> str:
        """What came, without any text of the service: that may repeat what was sent."""
        if self.reason is not Reason.WORKS:
            return str(self.reason)
        return f"HTTP {self.status}" if self.native else f"HTTP {self.status}, not in DataRobot's form"

    def items(self, name: str = "data") -> tuple[Mapping[str, Any], ...]:
        """The objects of a list in the document."""
        listed = self.document.get(name)
        return tuple(item for item in listed if isinstance(item, Mapping)) if isinstance(listed, list) else ()

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in the document; empty when there is none."""
        found = self.document.get(name)
        return found if isinstance(found, Mapping) else {}


def moment(text: object) -> datetime | None:
    """A time as services write it, aware; None when it is none."""
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def plain(text: object) -> str:
    """A name that a service or a file gave, as one printable line of bounded length."""
    line = "".join(sign if sign.isprintable() else " " for sign in str(text))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

"""The evidence pack: ten questions, each with tables, and with what could not be shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTable:
    """One table; `name` names its CSV and JSON files."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSection:
    """The answer to one question.

    Attributes:
        id: anchor in the report.
        question: as a reviewer asks it.
        tables: what is known.
        not_shown: what has no source here. It never reads "passed".
    """

    id: str
    question: str
    tables: tuple[EvidenceTable, ...] = ()
    not_shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePack:
    """Everything that the pack tells about one environment and one period."""

    environment: str
    since: datetime
    until: datetime
    made: datetime
    tool_version: str
    audit_head: str
    sections: tuple[EvidenceSection, ...]

"""The evidence pack: ten questions, each with tables, and with what could not be shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePath


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTable:
    """One table; `name` names its CSV and JSON files.

    Attributes:
        empty: what it means that there is no row, where the source was read; without it an empty table is a gap.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSection:
    """The answer to one question.

    Attributes:
        id: anchor in the report.
        question: as a reviewer asks it.
        answer: in one sentence, numbers only.
        tables: what is known.
        not_shown: what has no source here. It never reads "passed".
    """

    id: str
    question: str
    answer: str = ""
    tables: tuple[EvidenceTable, ...] = ()
    not_shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePack:
    """Everything that the pack tells about one environment and one period.

    Attributes:
        audience_note: for whom it was cut down, and under which pseudonym key; empty when it was not.
    """

    environment: str
    since: datetime
    until: datetime
    made: datetime
    tool_version: str
    audit_head: str
    sections: tuple[EvidenceSection, ...]
    audience_note: str = ""


class Audience(StrEnum):
    """Who will read it. `INTERNAL` sees everything."""

    INTERNAL = "internal"
    AUDITOR = "auditor"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """Which pack is wanted.

    Attributes:
        folder: where the pack goes; new or empty.
        since, until: first and last moment of the period.
        audience: decides what stands in it.
    """

    folder: PurePath
    since: datetime
    until: datetime
    audience: Audience = Audience.INTERNAL

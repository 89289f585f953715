"""The one document in which Vault KV v2 keeps a credential, as a value that steps make from each other.

Check-and-set guards one path, so everything a promotion must move together lies in one document:

    {"user": "…", "password": "…",                          the current value, flat, for consumers
     "_lifecycle": {"operation": "…", "candidate": "…", "version": 7, "created": "…",
                    "previous": {"value": {…}, "operation": "…", "candidate": "…", "version": 4, "created": "…"},
                    "retiring": {…}, "sealed": 7 | "restored": 7}}

`version` is the document's version at which a value became current: the id under which it can be read. `sealed` and
`restored` name the version that the step expected, so that the same call made again is recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lifecycle.domain.secret import CandidateId, OperationId, SecretText, SecretValue, VersionId, VersionSummary
from lifecycle.secret_stores.envelope import Opened, enclose, open_document

_NO_OPERATION = OperationId("")
_NO_CANDIDATE = CandidateId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One value in its role. A marker is the empty value of first issuance."""

    value: SecretValue = field(repr=False)
    operation: OperationId = _NO_OPERATION
    candidate: CandidateId = _NO_CANDIDATE
    version: int = 0
    created: str = ""
    marker: bool = False

    def summary(self) -> VersionSummary:
        """The same without the value."""
        return VersionSummary(
            version=VersionId(str(self.version)),
            operation=self.operation,
            candidate=self.candidate,
            created=parse_time(self.created),
        )

    def notes(self) -> dict[str, Any]:
        """What the reserved key says about it."""
        notes: dict[str, Any] = {
            "operation": self.operation,
            "candidate": self.candidate,
            "version": self.version,
            "created": self.created,
        }
        return notes | {"marker": True} if self.marker else notes

    def packed(self) -> dict[str, Any]:
        """Value and notes as a member of the reserved key."""
        return self.notes() | {"value": {name: text.get_secret_value() for name, text in self.value.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultDocument:
    """The document at one of its versions."""

    version: int
    current: Held
    previous: Held | None = None
    retiring: Held | None = None
    sealed: int = 0
    restored: int = 0

    @classmethod
    def parse(cls, version: int, created: str, data: Mapping[str, Any]) -> VaultDocument:
        """From what Vault returned; a document that somebody else wrote became current with this version."""
        opened = open_document(data)
        notes = opened.notes
        return cls(
            version=version,
            current=held(opened, version=int(notes.get("version", version)), created=created),
            previous=_unpacked(notes.get("previous")),
            retiring=_unpacked(notes.get("retiring")),
            sealed=int(notes.get("sealed", 0)),
            restored=int(notes.get("restored", 0)),
        )

    def data(self) -> dict[str, Any]:
        """What is written."""
        notes = self.current.notes()
        roles = {"previous": self.previous, "retiring": self.retiring}
        notes |= {name: role.packed() for name, role in roles.items() if role is not None}
        notes |= {name: at for name, at in {"sealed": self.sealed, "restored": self.restored}.items() if at}
        return enclose(self.current.value, notes)

    def roles(self) -> tuple[Held, ...]:
        """Every real value in it."""
        return tuple(
            role for role in (self.current, self.previous, self.retiring) if role is not None and not role.marker
        )

    def promoting(self, candidate: Held) -> VaultDocument:
        """The next document: the candidate is current, the old current previous."""
        following = self.version + 1
        return VaultDocument(
            version=following,
            current=replace(candidate, version=following),
            previous=self.current,
            retiring=self.retiring,
        )

    def sealing(self) -> VaultDocument:
        """The next document: what was previous may no longer be promoted. A marker is simply dropped."""
        doomed = self.previous if self.previous is not None and not self.previous.marker else self.retiring
        return VaultDocument(version=self.version + 1, current=self.current, retiring=doomed, sealed=self.version)

    def restoring(self, previous: Held) -> VaultDocument:
        """The next document: previous is current again, what was rejected is retiring."""
        following = self.version + 1
        return VaultDocument(
            version=following,
            current=replace(previous, version=following),
            retiring=self.current,
            restored=self.version,
        )


def held(opened: Opened, *, version: int = 0, created: str = "") -> Held:
    """A stored document as a value in a role."""
    return Held(
        value=opened.value,
        operation=opened.operation,
        candidate=opened.candidate,
        version=version,
        created=str(opened.notes.get("created", "")) or created,
        marker=opened.is_marker,
    )


def parse_time(text: str) -> datetime | None:
    """A time as Vault writes it (RFC 3339 with nanoseconds); None when it is none."""
    try:
        head, _, fraction = text.rstrip("Z").partition(".")
        return datetime.fromisoformat(f"{head}.{(fraction or '0')[:6].ljust(6, '0')}+00:00")
    except ValueError:
        return None


def _unpacked(member: Any) -> Held | None:
    if not isinstance(member, dict):
        return None
    value = member.get("value")
    return Held(
        value={name: SecretText(str(text)) for name, text in value.items()} if isinstance(value, dict) else {},
        operation=OperationId(str(member.get("operation", ""))),
        candidate=CandidateId(str(member.get("candidate", ""))),
        version=int(member.get("version", 0)),
        created=str(member.get("created", "")),
        marker=bool(member.get("marker")),
    )

"""A consumer's copy at a place that keeps no fence of its own: what every such destination does in the same way.

A product says how its copy is put, seen and taken away (`CopyTarget`); here stands the order, for all of them:

1. The fence is kept in the secret store before the place is touched: a crash in between is repaired by whoever holds
   that fence, or a newer one. A lower fence is refused.
2. The copy is put, and what the product needs to recognise it is kept beside the fingerprint. Nothing is put again
   while the place still shows that copy.
3. `acknowledged` looks at the place: only a copy that is seen there counts; one that cannot work is told as failing.

What is kept holds fences, fingerprints and ids, never a value. A place that was asked to change and whose answer was
lost is asked again: putting the same value twice is one copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import FenceError, NotFoundError, RemoteServiceError
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import Fingerprint, OperationId, SecretValue, secret_value

Marks = Mapping[str, str]


class KeptNotes(Protocol):
    """Where a destination keeps its notes: one place of a secret store."""

    def load(self) -> SecretValue:
        """Read. Raises NotFoundError when nothing was kept yet."""
        ...

    def save(self, value: SecretValue) -> None:
        """Replace. Raises LostRaceError when another process wrote meanwhile."""
        ...


class Seen(Enum):
    """What a look at the place shows of the copy that was put."""

    HELD = "the copy is there and used"
    SETTLING = "the copy is there, its reader has not taken it up yet"
    CHANGED = "something else is there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look.

    Attributes:
        seen: what it showed.
        failing: why the consumer cannot work with the copy; empty when it can.
        at: when the copy was taken up, where the place tells.
    """

    seen: Seen
    failing: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One value to put.

    Attributes:
        consumer: as the rotation knows it.
        value: the secret.
        fingerprint: names it.
        operation: that delivers it.
        fence: under which it is delivered.
    """

    consumer: str
    value: SecretValue = field(repr=False)
    fingerprint: Fingerprint
    operation: OperationId
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """How a copy was taken.

    Attributes:
        marks: what is needed to recognise it later; no values.
        refused: why the consumer cannot work with this value; the place then holds what it held before.
    """

    marks: Marks = field(default_factory=dict)
    refused: str = ""


class CopyTarget(Protocol):
    """One product's place. Raises only errors of ours; every call may be made again."""

    @property
    def place(self) -> str:
        """Names it in messages."""
        ...

    def put(self, parcel: Parcel) -> Placed:
        """Replace the copy there."""
        ...

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Whether the copy that was put with these marks is what the place holds now."""
        ...

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Leave nothing usable there. Second call: nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    fence: int = 0
    fingerprint: Fingerprint | None = None
    refused: str = ""
    marks: Marks = field(default_factory=dict)


class NotedCopy:
    """A destination made of a place and notes about it.

    Args:
        target: the place.
        kept: where the notes are.
    """

    def __init__(self, target: CopyTarget, kept: KeptNotes) -> None:
        self._target = target
        self._kept = kept

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Put the copy, unless it is there."""
        notes = self._checked(consumer, fence)
        if notes.fingerprint == fingerprint and not notes.refused and self._is_there(notes, fingerprint):
            if fence > notes.fence:
                self._keep(_Notes(fence=fence, fingerprint=fingerprint, marks=notes.marks))
            return
        self._keep(_Notes(fence=fence))
        parcel = Parcel(consumer=consumer, value=value, fingerprint=fingerprint, operation=operation, fence=fence)
        placed = self._target.put(parcel)
        self._keep(_Notes(fence=fence, fingerprint=fingerprint, refused=placed.refused, marks=placed.marks))

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """What the place shows now."""
        del consumer
        notes = self._notes()
        if notes.fingerprint is None:
            return NotKnown.NOT_YET
        if notes.refused:
            return Acknowledgement(fingerprint=notes.fingerprint, failing=notes.refused)
        sight = self._target.look(notes.marks, notes.fingerprint)
        if sight.failing:
            return Acknowledgement(fingerprint=notes.fingerprint, at=sight.at, failing=sight.failing)
        if sight.seen is not Seen.HELD:
            return NotKnown.NOT_YET
        return Acknowledgement(fingerprint=notes.fingerprint, at=sight.at)

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Take the copy away; the fence stays."""
        self._checked(consumer, fence)
        self._keep(_Notes(fence=fence))
        self._target.take_away(consumer, operation, fence)

    def _is_there(self, notes: _Notes, fingerprint: Fingerprint) -> bool:
        sight = self._target.look(notes.marks, fingerprint)
        return sight.seen is not Seen.CHANGED and not sight.failing

    def _checked(self, consumer: str, fence: int) -> _Notes:
        notes = self._notes()
        if fence < notes.fence:
            raise FenceError(
                f"{self._target.place} of {consumer} was delivered under a newer lease ({notes.fence} > {fence})",
                remedy="nothing to do: the newer run carries on",
            )
        return notes

    def _notes(self) -> _Notes:
        try:
            plain = {name: text.get_secret_value() for name, text in self._kept.load().items()}
        except NotFoundError:
            return _Notes()
        marks = _marks(plain.get("marks", ""))
        if not plain.get("fence", "").isdigit() or marks is None:
            raise RemoteServiceError(
                f"what was kept about {self._target.place} is not ours", remedy="remove it from the secret store"
            )
        return _Notes(
            fence=int(plain["fence"]),
            fingerprint=Fingerprint(plain["fingerprint"]) if plain.get("fingerprint") else None,
            refused=plain.get("refused", ""),
            marks=marks,
        )

    def _keep(self, notes: _Notes) -> None:
        plain = {
            "fence": str(notes.fence),
            "fingerprint": notes.fingerprint or "",
            "refused": notes.refused,
            "marks": json.dumps(dict(notes.marks), sort_keys=True),
        }
        self._kept.save(secret_value(plain))


def _marks(text: str) -> Marks | None:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return None
    return {str(name): str(item) for name, item in found.items()} if isinstance(found, dict) else None


_: type[CredentialDestination] = NotedCopy

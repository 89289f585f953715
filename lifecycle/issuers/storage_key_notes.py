"""What only we know about the two keys of a storage account, kept in the secret store.

Azure keeps no name with a key, and a slot is never empty. So before each regeneration it is written down what the slot
held and what for: a slot that holds another key afterwards was regenerated for that purpose, whether or not the answer
arrived. Ids are keyed fingerprints: no key stands here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from lifecycle.domain.credential import CredentialId
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.secret import SecretValue, secret_value


class KeptNotes(Protocol):
    """Where the notes lie."""

    def load(self) -> SecretValue:
        """Read them. Raises NotFoundError when there are none yet."""
        ...

    def save(self, value: SecretValue) -> None:
        """Replace them."""
        ...


class Purpose(StrEnum):
    """Why a slot was regenerated."""

    MINT = "mint"
    PARK = "park"  # to end what it held; nobody has the key that came after it


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotNote:
    """The last announced regeneration of a slot: what it held before, and the operation's marker."""

    purpose: Purpose
    before: CredentialId
    marker: str = ""

    def landed(self, now: CredentialId) -> bool:
        """Whether it took place, seen from what the slot holds now."""
        return now != self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageKeyNotes:
    """Notes by slot; `last` is the slot of the newest mint."""

    slots: Mapping[str, SlotNote] = field(default_factory=dict)
    last: str = ""

    @classmethod
    def load(cls, kept: KeptNotes) -> StorageKeyNotes:
        """As they are kept; empty when nothing is."""
        try:
            value = kept.load()
        except NotFoundError:
            return cls()
        document = json.loads(value["notes"].get_secret_value())
        return cls(
            slots={
                slot: SlotNote(purpose=Purpose(purpose), before=CredentialId(before), marker=marker)
                for slot, (purpose, before, marker) in document["slots"].items()
            },
            last=document["last"],
        )

    def save(self, kept: KeptNotes) -> None:
        """Keep them."""
        slots = {slot: [str(note.purpose), note.before, note.marker] for slot, note in self.slots.items()}
        kept.save(secret_value({"notes": json.dumps({"slots": slots, "last": self.last}, sort_keys=True)}))

    def announcing(self, slot: str, note: SlotNote) -> StorageKeyNotes:
        """With what is about to be done."""
        last = slot if note.purpose is Purpose.MINT else ("" if self.last == slot else self.last)
        return replace(self, slots={**self.slots, slot: note}, last=last)

    def marker(self, slot: str, now: CredentialId) -> str:
        """Which operation made what the slot holds now; empty when none of ours did."""
        note = self.slots.get(slot)
        return note.marker if note and note.purpose is Purpose.MINT and note.landed(now) else ""

    def parked(self, slot: str, now: CredentialId) -> bool:
        """Whether the slot holds a key that nobody has."""
        note = self.slots.get(slot)
        return note is not None and note.purpose is Purpose.PARK and note.landed(now)

    def never_minted(self, slot: str, now: CredentialId) -> bool:
        """Whether a mint was announced for what the slot still holds: it was free then, so it is now."""
        note = self.slots.get(slot)
        return note is not None and note.purpose is Purpose.MINT and not note.landed(now)

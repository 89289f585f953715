"""Which provider credentials are ours to delete. Pure; rule 5 of the protocol with its amendments.

Ownership needs evidence: the marker of this credential, else our identity as creator together with "not in the
pre-image and not older than the intent", else an id that the journal recorded. Never age, never "all others".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.rotation import RotationRecord
from lifecycle.domain.secret import OperationId

# Provider and we may disagree about the time by this much; a pre-image entry is never taken for ours, whatever its age.
CLOCK_SKEW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """How we are recognised at the provider.

    Attributes:
        scope: environment or instance; two of them may share one principal.
        credential: name in the spec.
        creator: our identity as the provider lists creators; empty when it does not.
    """

    scope: str
    credential: str
    creator: str = ""

    def marker(self, operation: OperationId) -> str:
        """What is stamped on a credential made by this operation."""
        return f"{self._prefix}{operation}"

    def stamped(self, item: ProviderCredential) -> bool:
        """Whether the listing shows a marker of this credential."""
        return item.marker.startswith(self._prefix)

    @property
    def _prefix(self) -> str:
        return f"lifecycle:{self.scope}/{self.credential}:"


def is_ours(record: RotationRecord, item: ProviderCredential, traits: Traits, owner: Owner) -> bool:
    """Whether there is evidence that this credential was made for this entry of the spec."""
    if item.id in record.condemned or item.id in record.made:
        return True
    if traits.credential_class is CredentialClass.A:
        return False
    if traits.stamp:
        return owner.stamped(item)
    created_by_us = traits.creator and bool(owner.creator) and item.creator == owner.creator
    return created_by_us and _is_new(record, item)


def candidates_of(
    record: RotationRecord, listing: CompleteListing, traits: Traits, owner: Owner
) -> tuple[CredentialId, ...]:
    """Credentials that this operation may have minted without recording it."""
    return tuple(
        item.id
        for item in listing.credentials
        if item.id not in record.condemned
        and _is_new(record, item)
        and is_ours(record, item, traits, owner)
        and (not traits.stamp or item.marker == record.marker)
    )


def unexplained(
    record: RotationRecord, listing: CompleteListing, traits: Traits, owner: Owner
) -> tuple[CredentialId, ...]:
    """New credentials that may be ours or somebody else's, where there is no evidence at all.

    Listed creators are none for who does not know his own name there.
    """
    if traits.stamp or (traits.creator and owner.creator):
        return ()
    return tuple(
        item.id
        for item in listing.credentials
        if _is_new(record, item) and item.id not in record.condemned and item.id not in record.made
    )


def strays(
    record: RotationRecord, listing: CompleteListing, traits: Traits, owner: Owner, current: CredentialId | None
) -> tuple[CredentialId, ...]:
    """Live credentials that are ours and not current, while nothing is open (amendment 1)."""
    return tuple(
        sorted(item.id for item in listing.credentials if item.id != current and is_ours(record, item, traits, owner))
    )


def foreign_slots(
    record: RotationRecord, listing: CompleteListing, current: CredentialId | None
) -> tuple[ProviderCredential, ...]:
    """A: slots that hold a key which neither is current nor was set by us (amendment 6)."""
    ours = {*record.made, *record.condemned, current}
    return tuple(item for item in listing.credentials if item.id not in ours)


def spare_slot(listing: CompleteListing, current: CredentialId | None, traits: Traits) -> str:
    """A: the first empty slot, else the first that does not hold the current key."""
    names = traits.slot_names or tuple(str(number) for number in range(1, max(traits.slots, 2) + 1))
    held = {item.slot: item.id for item in listing.credentials}
    empty = [name for name in names if name not in held]
    return empty[0] if empty else next(name for name in names if held[name] != current)


def describe(item: ProviderCredential, used: object = NotReported.UNKNOWN) -> str:
    """One credential in words, for a person who must decide about it."""
    made = f"made {item.created:%Y-%m-%d %H:%M}" if item.created else "age unknown"
    by = f" by {item.creator}" if item.creator else ""
    return f"{item.id} ({made}{by}, last use: {used})"


def _is_new(record: RotationRecord, item: ProviderCredential) -> bool:
    if any(entry.id == item.id for entry in record.pre_image):
        return False
    if item.created is None or record.intent_at is None:
        return True
    return item.created >= record.intent_at - CLOCK_SKEW

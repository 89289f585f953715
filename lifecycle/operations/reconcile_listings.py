"""Compares what providers list with what the journal knows. Reads only; one refused listing stops nothing.

managed          a value of ours that is current, or under an open operation
known            we made it, retired it, or saw it before an operation, and it still exists
unknown          nobody here knows where it came from
missing          ours by the journal, and the provider does not list it
not inspectable  the listing was refused or incomplete: nothing is said about it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lifecycle.domain.credential import CompleteListing, CredentialId
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.rotation import RotationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One credential whose provider may be asked.

    Attributes:
        kind, principal: those with the same two share a listing.
        list: asks the provider.
    """

    credential: str
    kind: str
    principal: str
    list: Callable[[], CompleteListing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One principal at its provider.

    Attributes:
        problem: why it could not be inspected; empty when it was. The counts then say nothing.
        oldest: when the oldest enabled credential was made; None when the provider does not tell.
    """

    kind: str
    principal: str
    credentials: tuple[str, ...]
    managed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    oldest: datetime | None = None
    problem: str = ""


def reconcile_listings(
    inspected: Iterable[Inspected], history: Callable[[str], Sequence[RotationRecord]]
) -> tuple[Reconciled, ...]:
    """Ask each provider once per principal.

    Args:
        inspected: what to ask about.
        history: journal records of a credential, oldest first.
    """
    grouped: dict[tuple[str, str], list[Inspected]] = {}
    for item in inspected:
        grouped.setdefault((item.kind, item.principal), []).append(item)
    return tuple(_reconciled(items, history) for _, items in sorted(grouped.items()))


def _reconciled(items: list[Inspected], history: Callable[[str], Sequence[RotationRecord]]) -> Reconciled:
    names = tuple(sorted(item.credential for item in items))
    kind, principal = items[0].kind, items[0].principal
    try:
        records = [record for name in names for record in history(name)]
        newest = [found[-1] for found in (history(name) for name in names) if found]
        listing = items[0].list()
    except LifecycleError as error:
        return Reconciled(kind=kind, principal=principal, credentials=names, problem=error.message)
    ours = {key for record in newest for key in _current(record)}
    seen = {key for record in records for key in _seen(record)}
    listed = listing.ids()
    enabled = [item.created for item in listing.credentials if item.enabled and item.created is not None]
    return Reconciled(
        kind=kind,
        principal=principal,
        credentials=names,
        managed=tuple(sorted(listed & ours)),
        known=tuple(sorted((listed & seen) - ours)),
        unknown=tuple(sorted(listed - ours - seen)),
        missing=tuple(sorted({record.live.id for record in newest if record.live is not None} - listed)),
        oldest=min(enabled, default=None),
    )


def _current(record: RotationRecord) -> set[CredentialId]:
    marks = [record.live, record.new, record.old] if record.open else [record.live]
    return {mark.id for mark in marks if mark is not None} | (set(record.retired) if record.open else set())


def _seen(record: RotationRecord) -> set[CredentialId]:
    marks = {mark.id for mark in (record.new, record.old) if mark is not None}
    return marks | {*record.made, *record.condemned, *record.retired} | {entry.id for entry in record.pre_image}

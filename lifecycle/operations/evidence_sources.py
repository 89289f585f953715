"""What the evidence pack is made from, as read; and how its tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.domain.audit import AuditEvent
from lifecycle.domain.evidence import EvidenceTable
from lifecycle.domain.policy import GateVerdict, RuleCard
from lifecycle.domain.receipt import Receipt
from lifecycle.domain.rotation import RotationRecord
from lifecycle.domain.spec import Spec
from lifecycle.operations.reconcile_listings import Reconciled

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSources:
    """What was read.

    Attributes:
        records: journal records per credential, oldest first; None when the journal could not be read.
        events: of the audit log, chain checked; None when there is none or it does not verify.
        listings: what providers list, compared with the journal; None when they were not asked.
        signers: group, principal, limits; who may sign what, by the bundle.
        heads: when, line, digest, signer of each signed head that was checked.
        bundle_signatures: signer, bundle, version, predecessor of each signature that counts.
        rights_held: who, where it is written, what it may; read from the providers, None when nobody was asked.
        gaps: section id -> why a source is missing.
        waivers: id, rule, scope, owner, reason, ticket, expires.
        rights: identity, file, what it may do; generated from the spec.
    """

    spec: Spec
    verdict: GateVerdict
    cards: tuple[RuleCard, ...]
    receipts: tuple[Receipt, ...]
    records: Mapping[str, tuple[RotationRecord, ...]] | None
    events: tuple[AuditEvent, ...] | None
    audit_head: str
    waivers: tuple[tuple[str, ...], ...]
    rights: tuple[tuple[str, ...], ...]
    gaps: Mapping[str, tuple[str, ...]]
    listings: tuple[Reconciled, ...] | None = None
    signers: tuple[tuple[str, ...], ...] = ()
    heads: tuple[tuple[str, ...], ...] = ()
    bundle_signatures: tuple[tuple[str, ...], ...] = ()
    rights_held: tuple[tuple[str, ...], ...] | None = None


def table(name: str, caption: str, columns: str, rows: Rows) -> EvidenceTable:
    """A table; columns are separated by a comma and a space."""
    return EvidenceTable(name=name, caption=caption, columns=tuple(columns.split(", ")), rows=tuple(rows))

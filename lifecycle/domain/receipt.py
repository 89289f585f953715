"""The receipt of one run: what ran, whether it was what was reviewed, and what came of it. Holds no value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.approval import Approval

RECEIPT_SCHEMA = 1


class RunState(StrEnum):
    """How far a run came. `INTENDED` in a receipt means that it was cut off: nobody wrote what came of it."""

    INTENDED = "intended"
    FAILED = "failed"
    APPLIED = "applied"
    FINISHED = "finished"


class ReceiptPart(BaseModel):
    """Base of everything in a receipt: strict and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AppliedPlan(ReceiptPart):
    """The plan that was applied.

    Attributes:
        plan_digest: digest of the manifest.
        effect_digest: what was approved.
        manifest: the digests and the target, as recomputed right before the apply.
        approvals: those that counted.
        summary: the effect in words.
        addresses: what was finished, in this order.
        rules_evaluated: how many rules of the gate ran.
    """

    plan_digest: str
    effect_digest: str
    manifest: Mapping[str, Any]
    approvals: tuple[Approval, ...]
    summary: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    rules_evaluated: int = 0


class RotatedCredential(ReceiptPart):
    """What a run did to one credential. Ids are the provider's, which are no secrets."""

    credential: str
    state: str
    operation: str = ""
    outcome: str = ""
    next_due: datetime | None = None


class VerifiedConnector(ReceiptPart):
    """What a run found out about one connector."""

    connector: str
    status: str
    reason: str = ""


class ScannedSurface(ReceiptPart):
    """One place that was searched for values, or was not, and why."""

    name: str
    scanned: bool
    files: int = 0
    bytes: int = 0
    reason: str = ""


class FoundLeak(ReceiptPart):
    """Where a value was found: never the value itself."""

    surface: str
    where: str
    encoding: str
    secret: str


class LeakScan(ReceiptPart):
    """The scan after a run. `secrets` says how many values were searched for."""

    secrets: int
    surfaces: tuple[ScannedSurface, ...]
    leaks: tuple[FoundLeak, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was found. What was not scanned stands in `surfaces`."""
        return not self.leaks


class InForce(ReceiptPart):
    """What a run found, or made, to be in force: see `Receipt.digests` and `Receipt.commit`."""

    digests: Mapping[str, str] = {}
    commit: str = ""


class Receipt(ReceiptPart):
    """One run, from its intent to its end.

    Attributes:
        schema_version: of this document.
        id: of the run; names its file.
        environment: which environment.
        actor: who ran it.
        tool_version: of lifecycle.
        state: how far it came.
        started: aware UTC time.
        finished: when it ended; None while it runs or when it was cut off.
        plan: what was applied; None when the run applied nothing.
        rotation: one record per credential that the run touched.
        verification: one record per connector that was verified.
        leak_scan: None when it did not run, which a report says.
        grants: what the applied spec allows, one sentence each; the next plan is compared with it.
        entries: entries of the applied spec with their kind; the next plan knows by it what was removed.
        problem: what stopped the run; empty when nothing did.
        digests: of spec and policy bundle in force; the next apply may change one of them, never both.
        commit: what was checked out; whoever committed since does not approve the next apply.
    """

    schema_version: int = RECEIPT_SCHEMA
    id: str
    environment: str
    actor: str
    tool_version: str
    state: RunState
    started: datetime
    finished: datetime | None = None
    plan: AppliedPlan | None = None
    rotation: tuple[RotatedCredential, ...] = ()
    verification: tuple[VerifiedConnector, ...] = ()
    leak_scan: LeakScan | None = None
    grants: tuple[str, ...] = ()
    entries: Mapping[str, str] = {}
    problem: str = ""
    digests: Mapping[str, str] = {}
    commit: str = ""

"""Every contract between the core and the outside, on one page.

Adapters do not inherit from these; the last line of each adapter module lets mypy prove that it fits. All adapters
raise only errors of `lifecycle.domain.errors`. "Second call" says what happens when the same call is made again, which
is what resuming after a crash relies on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Digest
from lifecycle.domain.credential import (
    Acknowledgement,
    CompleteListing,
    CredentialId,
    Minted,
    NotKnown,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.plan import AppliedChanges, StateIdentity, ToolIdentity
from lifecycle.domain.policy import GateInput, GateVerdict
from lifecycle.domain.rotation import JournalHead, Lease, RotationRecord
from lifecycle.domain.secret import (
    CandidateId,
    Fingerprint,
    OperationId,
    SecretRef,
    SecretValue,
    StoredValue,
    StoreState,
    VersionId,
    VersionStage,
)
from lifecycle.domain.verification import Egress, VerificationResult

Clock = Callable[[], datetime]
Sleep = Callable[[timedelta], None]
NewId = Callable[[], str]


class SecretStore(Protocol):
    """Keeps values. Staging is create-only and leaves current alone; promotion alone is compare-and-set.

    Raises (all methods): AuthenticationError, UnreachableError, RemoteServiceError; AmbiguousEffectError when a write
    may or may not have landed.
    """

    def describe(self, ref: SecretRef) -> StoreState:
        """Read stages and the revision that compare-and-set calls expect. An absent secret has `exists=False`."""
        ...

    def prepare(self, ref: SecretRef) -> VersionId:
        """Before a first issuance: write the empty marker version and read it back. Second call: returns it again."""
        ...

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        """Write a pending version, create-only.

        Second call with the same value: same version; with another value: LostRaceError.
        """
        ...

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        """Read one version. Raises NotFoundError when there is none (the empty marker counts as none)."""
        ...

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        """Make the candidate current and the old current previous.

        Raises LostRaceError when `expected` moved. Second call after it landed: same id.
        """
        ...

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """Undo a promotion in one compare-and-set: previous becomes current, the rejected value becomes retiring."""
        ...

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """Move the previous value to retiring, so that nobody can promote what is about to be revoked.

        Raises LostRaceError when `expected` moved. Second call: returns the same.
        """
        ...

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        """Remove a pending version. Second call: nothing."""
        ...

    def purge(self, ref: SecretRef) -> None:
        """After retirement: make every kept value unreadable. Second call: nothing."""
        ...


class CredentialInventory(Protocol):
    """Every issuer: what exists at the provider. Listings are complete or raise."""

    @property
    def traits(self) -> Traits:
        """What this issuer can do."""
        ...

    def list(self, principal: str) -> CompleteListing:
        """All credentials of a principal, every page. Never a partial list."""
        ...

    def identify(self, value: SecretValue) -> CredentialId:
        """Which provider credential a stored value is, without a call to the provider."""
        ...

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Soft on/off where `traits.soft_off`. Second call: nothing changes. Raises NotFoundError when gone."""
        ...

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Delete for good. Raises NotFoundError when already gone, which callers treat as success."""
        ...

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Newest use the provider knows of."""
        ...


class MintingIssuer(CredentialInventory, Protocol):
    """B, D, E: the server makes the value and shows it once."""

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Make one. Never retried inside.

        Raises AmbiguousEffectError when the answer was lost, SlotOccupiedError when there is no free slot.
        """
        ...

    def read_back(self, principal: str) -> Minted | NotReported:
        """The live value again, where `traits.readback`; else `NotReported.UNKNOWN`."""
        ...


class SettingIssuer(CredentialInventory, Protocol):
    """A, C: we make the value and the target accepts it."""

    def generate(self, slot: str) -> SecretValue:
        """A fresh value for `slot` (empty where there is one) that satisfies the target's rules. No outside call."""
        ...

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Make the target accept `value` in `slot` if the slot still holds `expected` (None = empty).

        Second call with the same value: same result. Raises SlotOccupiedError when the slot holds something else.
        """
        ...


class CredentialDestination(Protocol):
    """Who must receive a new value."""

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Hand over. Refuses a fence lower than the highest seen (FenceError). Second call: no further effect."""
        ...

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """What the consumer itself says it holds; never what we believe we sent."""
        ...

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """At retirement: take the copy away. Second call: nothing."""
        ...


class ConnectorVerifier(Protocol):
    """Proves that a credential works at its target, changing nothing there."""

    def verify(self, target: Any, value: SecretValue, *, deadline: timedelta, via: Egress | None) -> VerificationResult:
        """Log in and probe the declared permissions. Never raises for what the target answers. Second call: same."""
        ...


class LeaseBook(Protocol):
    """One holder per credential; each takeover raises the fence, which never goes down."""

    def acquire(self, credential: str, owner: str, ttl: timedelta) -> Lease:
        """Take a free or lapsed lease with fence + 1. Raises BusyError naming the holder while it is held."""
        ...

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Prolong with the same fence. Raises FenceError when somebody took over."""
        ...

    def release(self, lease: Lease) -> None:
        """Give up early. Second call, or after a takeover: nothing."""
        ...


class RotationJournal(Protocol):
    """Durable progress of rotations: ids, states and fingerprints, chained by hash per credential, never values."""

    def append(self, lease: Lease, record: RotationRecord, expected_head: Digest) -> Digest:
        """Write the next record. Raises LostRaceError when the head moved, FenceError when a newer fence wrote."""
        ...

    def head(self, credential: str) -> JournalHead:
        """Newest record and its digest; `GENESIS` when there is none. Raises IntegrityError on a broken chain."""
        ...

    def open_operations(self) -> tuple[RotationRecord, ...]:
        """The newest record of each credential whose operation has not ended."""
        ...

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        """All records of a credential, oldest first, chain checked."""
        ...

    def credentials(self) -> tuple[str, ...]:
        """Names of all credentials that ever had a record."""
        ...


class AuditLog(Protocol):
    """Who did what to which object; chained by hash; fails closed before any mint."""

    def append(self, event: AuditEvent) -> Digest:
        """Write durably. Raises when it cannot, so that the caller does not act unrecorded."""
        ...

    def read(self) -> tuple[AuditEvent, ...]:
        """All events, oldest first. Raises IntegrityError when the chain does not verify."""
        ...


class Approvals(Protocol):
    """Who has approved what."""

    def verified(self, digest: Digest) -> tuple[Approval, ...]:
        """The approvals of this effect digest that verify now."""
        ...


class Notifier(Protocol):
    """Tells people. Must not raise: a lost alert never stops a rotation, it is counted."""

    def notify(self, event: AuditEvent) -> None:
        """Send one event."""
        ...


class PolicyEngine(Protocol):
    """Judges a change. Fails closed: an engine error is a verdict that does not pass."""

    def evaluate(self, subject: GateInput) -> GateVerdict:
        """Run every rule that applies."""
        ...


class PlanStore(Protocol):
    """Carries a reviewed plan from where it was planned to where it is applied."""

    def put(self, digest: Digest, folder: Path) -> None:
        """Keep the folder under its plan digest. Second call: nothing."""
        ...

    def get(self, digest: Digest, folder: Path) -> None:
        """Bring it back into `folder`. Raises NotFoundError."""
        ...


class TerraformRunner(Protocol):
    """Runs Terraform or OpenTofu in one working folder. Raises only our errors; progress goes to its own callback."""

    def version(self) -> ToolIdentity:
        """Which binary. Raises ConfigurationError when it is missing or too old."""
        ...

    def init(self) -> None:
        """Prepare the working folder with the locked providers. Second call: nothing changes."""
        ...

    def plan(self, out: Path, *, destroy: bool = False, refresh_only: bool = False) -> bool:
        """Write a saved plan; true when it holds changes."""
        ...

    def show(self, plan: Path) -> bytes:
        """The saved plan as JSON."""
        ...

    def apply(self, plan: Path) -> AppliedChanges:
        """Apply exactly this saved plan.

        Raises UnsafePlanError when it is stale, RemoteServiceError naming done and open addresses if it stops half-way.
        """
        ...

    def state_identity(self) -> StateIdentity:
        """Lineage and serial of the state now."""
        ...

    def state_bytes(self) -> bytes:
        """The state as stored, for the leak scan; empty when there is none."""
        ...

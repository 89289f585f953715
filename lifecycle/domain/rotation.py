"""What one rotation leaves on record: its states, outcomes, records and leases. Never a value.

The transitions between the states are in `rotation_machine`; what a person should know is in `docs/rotation.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from lifecycle.domain.audit import GENESIS, Digest, canonical, digest_bytes
from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.secret import CandidateId, Fingerprint, OperationId, VersionId

SCHEMA_VERSION: Final = 1


class State(StrEnum):
    """Where an operation stands. IDLE, PLANNED and LOCKED have no effect outside and are never written down."""

    IDLE = "IDLE"
    PLANNED = "PLANNED"
    LOCKED = "LOCKED"
    INTENT = "INTENT"
    MINTING = "MINTING"
    STAGED = "STAGED"
    SETTING = "SETTING"
    VERIFYING = "VERIFYING"
    PROMOTING = "PROMOTING"
    PROPAGATING = "PROPAGATING"
    GRACE = "GRACE"
    DISABLING = "DISABLING"
    REVOKING = "REVOKING"
    ROLLING_BACK = "ROLLING_BACK"
    DISCARDING = "DISCARDING"
    REDELIVERING = "REDELIVERING"
    WITHDRAWING = "WITHDRAWING"
    CLOSED = "CLOSED"
    QUARANTINED = "QUARANTINED"


VIRTUAL = frozenset({State.IDLE, State.PLANNED, State.LOCKED})
ENDED = frozenset({State.CLOSED, State.QUARANTINED})


class Outcome(StrEnum):
    """How a closed operation ended; `NONE` while it is open or quarantined."""

    NONE = ""
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    RETIRED = "retired"
    ADOPTED = "adopted"
    ABANDONED = "abandoned"
    EXPOSED = "exposed"


class Frozen(BaseModel):
    """Base of everything that is written into a journal: strict, frozen, no input in error texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PreImageEntry(Frozen):
    """One credential that the provider listed before this operation made any change."""

    id: CredentialId
    created: AwareDatetime | None = None


class ValueMark(Frozen):
    """A value without the value: which provider credential it is and its keyed fingerprint."""

    id: CredentialId
    fingerprint: Fingerprint


class ConsumerProgress(Frozen):
    """What was handed to one consumer by this operation, and what it said it holds."""

    name: str
    delivered: Fingerprint | None = None
    acknowledged: Fingerprint | None = None


class RotationRecord(Frozen):
    """One journal entry; the newest one is all that a resuming process needs.

    Attributes:
        credential: name in the spec.
        sequence: counts the records of this credential from 1; 0 is the virtual record before the first.
        previous: digest of the record before, which makes the chain.
        number: counts the operations of this credential.
        fence: of the lease under which it was written.
        outcome: set when closed; a later step of the same operation (a stray, a delivery) keeps it.
        marker: what is stamped on a new credential of this operation.
        intent_at: when the operation began; nothing of ours is older.
        pre_image: what the provider listed under the lock, and always the credential of the current value.
        old: the value that was current under the lock; None at a first issuance.
        candidate: the pending version in the store.
        new: the credential and fingerprint of the candidate.
        slot: A: the slot this operation fills.
        pinned: the store revision read under the lock (amendment 5).
        expected: the revision that the next compare-and-set names.
        attempt: calls made in this state so far.
        faults: failures of the surroundings in this state so far.
        sent: the candidate may have reached the target.
        promoted: this operation made its candidate current.
        restored: this operation brought the old value back.
        doomed: the credential that is being deleted; after: where to go then.
        retired: credentials to be revoked and not yet confirmed gone.
        condemned: ids that must never be staged, verified or promoted again. One-way.
        made: ids of every value this credential ever sent to its target.
        not_before: back-off after a failure of the surroundings or an attempt without a result.
        hold_until: end of the minimum of grace, or of the quiet time after switching off; no failure shortens it.
        live_since: when the value that is current when idle became current.
        failures: operations in a row that did not end in `done`.
        interrupted: QUARANTINED: the state to which a release returns.
        reason, remedy: why it stands where it stands, and for a person what to do.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    credential: str
    credential_class: CredentialClass
    sequence: int = 0
    previous: Digest = GENESIS
    at: AwareDatetime
    number: int = 0
    operation: OperationId = OperationId("")
    fence: int = 0
    state: State
    outcome: Outcome = Outcome.NONE
    marker: str = ""
    intent_at: AwareDatetime | None = None
    pre_image: tuple[PreImageEntry, ...] = ()
    old: ValueMark | None = None
    candidate: CandidateId | None = None
    new: ValueMark | None = None
    slot: str = ""
    pinned: VersionId = VersionId("")
    expected: VersionId = VersionId("")
    attempt: int = 1
    faults: int = 0
    sent: bool = False
    promoted: bool = False
    restored: bool = False
    doomed: CredentialId | None = None
    after: State | None = None
    retired: tuple[CredentialId, ...] = ()
    condemned: tuple[CredentialId, ...] = ()
    made: tuple[CredentialId, ...] = ()
    consumers: tuple[ConsumerProgress, ...] = ()
    promoted_at: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    hold_until: AwareDatetime | None = None
    ceiling_at: AwareDatetime | None = None
    live_since: AwareDatetime | None = None
    failures: int = 0
    interrupted: State | None = None
    reason: str = ""
    remedy: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse records that no transition can make."""
        if self.state is State.CLOSED and self.outcome is Outcome.NONE:
            raise ValueError("a closed record needs an outcome")
        if self.state is State.QUARANTINED and not (self.reason and self.remedy and self.interrupted):
            raise ValueError("a quarantined record needs a reason, a remedy and the interrupted state")
        if self.state is State.DISCARDING and (self.doomed is None or self.doomed not in self.condemned):
            raise ValueError("only a condemned credential may be deleted")
        return self

    @property
    def open(self) -> bool:
        """Whether the operation still has steps to do that need no person."""
        return self.state not in ENDED and self.state not in VIRTUAL

    @property
    def live(self) -> ValueMark | None:
        """The value that must be current in the store while nothing is open; None when there is none."""
        if self.outcome in (Outcome.DONE, Outcome.ADOPTED, Outcome.ABANDONED, Outcome.EXPOSED):
            return self.new
        return None if self.outcome is Outcome.RETIRED else self.old

    def digest(self) -> Digest:
        """SHA-256 over the canonical JSON of this record, which includes the digest of the one before."""
        return digest_bytes(canonical(self.model_dump(mode="json")))


def idle_record(credential: str, credential_class: CredentialClass, at: datetime) -> RotationRecord:
    """The virtual record that stands before the first one."""
    return RotationRecord(credential=credential, credential_class=credential_class, at=at, state=State.IDLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one credential until `expires`; `fence` is the monotonic fencing number."""

    credential: str
    owner: str
    fence: int
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """Newest record of a credential and its digest; `record` is None at GENESIS."""

    digest: Digest
    record: RotationRecord | None

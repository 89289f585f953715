"""What can happen to a rotation.

The driver turns answers of the outside into these; the machine turns them into records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.rotation import Outcome, PreImageEntry, ValueMark
from lifecycle.domain.secret import CandidateId, Fingerprint, OperationId, VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """It is due, or a person asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """The lease is ours; what follows is read under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """All that was read under the lock before any change (amendments 5 and 12)."""

    operation: OperationId
    credential_class: CredentialClass
    marker: str
    pre_image: tuple[PreImageEntry, ...]
    old: ValueMark | None
    revision: VersionId
    slot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireBegun:
    """A person removes the credential for good."""

    operation: OperationId
    current: ValueMark
    revision: VersionId
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """Another process took the lease of an open operation (amendment 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The store can take a pending value: it holds a current one, or the marker was read back (amendment 13)."""

    revision: VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedValue:
    """The candidate lies in the store, read back; `revision` is the marker's where this step wrote one."""

    candidate: CandidateId
    new: ValueMark
    revision: VersionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfirmed:
    """The staged value was read and has the recorded fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAccepted:
    """The target holds the candidate, or says so when asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The provider refused the change, or the target refused the candidate. Explicit, never guessed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpent:
    """One attempt of this state is over without a result; the next one is recorded before it is made."""

    limit: int
    reason: str
    remedy: str
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SurroundingsFailed:
    """Store, provider, audit log or network failed; nothing is known to have changed."""

    limit: int
    reason: str
    remedy: str
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemned:
    """This id will be deleted; nobody may use it from now on (amendment 2)."""

    id: CredentialId
    candidate: CandidateId | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """The condemned credential is gone."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The candidate works with all declared permissions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """The candidate is current; ours by reading, whoever's call it was."""

    revision: VersionId
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A consumer was handed a value."""

    consumer: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A consumer says that it holds this fingerprint."""

    consumer: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAcknowledged:
    """Every declared consumer holds the value it was to get."""

    minimum: timedelta
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerFailed:
    """A consumer cannot work with the new value."""

    consumer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Grace is over and the old value can no longer be promoted (amendment 4)."""

    revision: VersionId
    soft_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """The retired credential is switched off, read back."""

    quiet: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The provider confirms that this retired credential is gone."""

    id: CredentialId


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The old value is current again and the rejected one is sealed."""

    revision: VersionId
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBack:
    """C: the target accepts the old value again; the candidate stays pending (amendment 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliveryNeeded:
    """A consumer holds another value than the current one, with no operation open (amendment 1)."""

    consumer: str
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Every consumer gave its copy back."""

    soft_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """It cannot go on without a person; every value is kept."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A person repaired the cause: go on where it stopped, with a new ceiling."""

    reason: str
    ceiling: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A person proved what is current and ends whatever was open: adopted, or abandoned with a reason."""

    outcome: Outcome
    operation: OperationId
    current: ValueMark | None
    revision: VersionId
    live_since: datetime | None
    reason: str


Event = (
    Planned
    | Locked
    | Begun
    | RetireBegun
    | TakenOver
    | Prepared
    | StagedValue
    | StageConfirmed
    | SetAccepted
    | Rejected
    | AttemptSpent
    | SurroundingsFailed
    | Condemned
    | Discarded
    | Verified
    | Promoted
    | Delivered
    | Acknowledged
    | AllAcknowledged
    | ConsumerFailed
    | Sealed
    | Disabled
    | Revoked
    | Restored
    | SetBack
    | RedeliveryNeeded
    | Withdrawn
    | Quarantined
    | Released
    | Settled
)

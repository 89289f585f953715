"""What one rotation works with: built by bootstrap, one per credential; and what a run reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lifecycle.domain.errors import ExitCode, LifecycleError
from lifecycle.domain.ports import (
    AuditLog,
    Clock,
    CredentialDestination,
    LeaseBook,
    MintingIssuer,
    NewId,
    Notifier,
    RotationJournal,
    SecretStore,
    SettingIssuer,
    Sleep,
)
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.rotation_forecast import QuotaUse
from lifecycle.domain.rotation_ownership import Owner
from lifecycle.domain.rotation_policy import Limits, RotationPolicy
from lifecycle.domain.secret import Fingerprinter, SecretRef, SecretValue
from lifecycle.domain.verification import VerificationResult

Observer = Callable[[str, State, str], None]  # credential, state, what happens in words
Verify = Callable[[SecretValue], VerificationResult]  # never raises for what the target answers
AdminReader = Callable[[], SecretValue]
ServerClock = Callable[[], datetime | None]  # what another machine says it is; None = none was asked


def _silent(_credential: str, _state: State, _text: str) -> None:
    """The observer of those who watch nothing."""


def _nobody_asked() -> datetime | None:
    """The server clock of those who trust their own."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerBinding:
    """One declared consumer and the destination that reaches it.

    Attributes:
        name: as the destination knows it.
        destination: where it is delivered.
        unobservable: declared by its owner as unable to acknowledge; the minimum of grace stands in for it.
    """

    name: str
    destination: CredentialDestination
    unobservable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationContext:
    """Everything that rotating one credential needs.

    Attributes:
        credential: name in the spec.
        scope: environment or sandbox instance; part of the marker that is stamped at the provider.
        owner: who holds the lease, e.g. `host:pid`.
        actor: who stands in the audit log.
        issuer: makes, lists and revokes.
        principal: whose credential it is at the provider.
        creator: our identity as the provider lists creators; empty when it does not.
        store, ref: where the value is kept.
        verify: logs in with a value at every declared connector and returns the worst result.
        consumers: who must acknowledge before the old value is revoked.
        admin: reads the admin identity that can set or regenerate; None = the credential changes itself.
        monotonic: seconds, for the send deadline; never set back.
        uses: credentials with whose value this one is changed; they are rotated after it.
        users: everything in the spec that uses it; None = nobody looked.
        quotas: what one rotation takes from which quota.
        server_clock: the time by a server's own clock.
        unapproved: why nothing may be handed out under this spec; None = it was approved.
        objections: asks the policy gate what it says against rotating it.
        emergency: two people have signed for it: change windows and policy findings hold nothing up.
    """

    credential: str
    scope: str
    owner: str
    actor: str
    issuer: MintingIssuer | SettingIssuer
    principal: str
    store: SecretStore
    ref: SecretRef
    verify: Verify
    journal: RotationJournal
    leases: LeaseBook
    audit: AuditLog
    notifier: Notifier
    clock: Clock
    monotonic: Callable[[], float]
    sleep: Sleep
    new_id: NewId
    fingerprint: Fingerprinter
    consumers: tuple[ConsumerBinding, ...] = ()
    policy: RotationPolicy = field(default_factory=RotationPolicy)
    limits: Limits = field(default_factory=Limits)
    admin: AdminReader | None = None
    creator: str = ""
    observe: Observer = _silent
    uses: tuple[str, ...] = ()
    users: tuple[str, ...] | None = None
    quotas: tuple[QuotaUse, ...] = ()
    server_clock: ServerClock = _nobody_asked
    unapproved: LifecycleError | None = None
    objections: Callable[[], tuple[LifecycleError, ...]] = tuple
    emergency: bool = False

    @property
    def identity(self) -> Owner:
        """How we are recognised at the provider."""
        return Owner(scope=self.scope, credential=self.credential, creator=self.creator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A state that has nothing to do until a moment, or until somebody else has acted."""

    until: datetime
    why: str


class Standing(StrEnum):
    """How one credential stands at the end of a run."""

    DONE = "done"
    NOT_DUE = "not due"
    PENDING = "pending"
    BUSY = "busy"
    FAILED = "failed"
    REFUSED = "refused"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOutcome:
    """What a run did for one credential.

    Attributes:
        credential: name in the spec.
        standing: how it stands now.
        state: state of its newest record; IDLE when it has none.
        outcome: of its last closed operation.
        text: one sentence for a person.
        remedy: what to do; empty when nothing is to be done.
        until: PENDING: when it is worth coming back.
        error: what stopped the run, if something did.
    """

    credential: str
    standing: Standing
    state: State
    outcome: Outcome = Outcome.NONE
    text: str = ""
    remedy: str = ""
    until: datetime | None = None
    error: LifecycleError | None = None

    def exit_code(self, *, detailed: bool = False) -> ExitCode:
        """The process exit code this stands for; PENDING counts as done unless `detailed`."""
        match self.standing:
            case Standing.DONE | Standing.NOT_DUE:
                return ExitCode.DONE
            case Standing.PENDING:
                return ExitCode.PENDING if detailed else ExitCode.DONE
            case Standing.QUARANTINED:
                return ExitCode.QUARANTINED
            case Standing.REFUSED:
                return self.error.exit_code if self.error else ExitCode.REFUSED
            case Standing.BUSY | Standing.FAILED:
                return self.error.exit_code if self.error else ExitCode.REMOTE


def outcome_of(
    context: RotationContext,
    record: RotationRecord | None,
    *,
    standing: Standing,
    text: str = "",
    until: datetime | None = None,
    error: LifecycleError | None = None,
) -> RotationOutcome:
    """Sum up from the newest record; an error brings its own words."""
    remedy = error.remedy if error else (record.remedy if record else "")
    return RotationOutcome(
        credential=context.credential,
        standing=standing,
        state=record.state if record else State.IDLE,
        outcome=record.outcome if record else Outcome.NONE,
        text=text or (error.message if error else (record.reason if record else "")),
        remedy=remedy,
        until=until,
        error=error,
    )

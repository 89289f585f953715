"""`rotate rehearse`: the whole path on a shadow credential beside the real one, timed, and cleaned up.

1. Hold the real credential's lease, so that no rotation of it meets the shadow. 2. Clear what a killed rehearsal left.
3. Issue the shadow: mint or set, stage, verify, promote, deliver to a consumer that lives here. 4. Rotate it, where the
provider has room for two more. 5. Retire it: revoke, read back as gone, purge. Every step is a record under the
shadow's own name; the real credential's value, consumers and records are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.domain.credential import Acknowledgement, CredentialClass, NotKnown
from lifecycle.domain.errors import CheckRefusedError, ExitCode, most_urgent
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.rotation import Lease, Outcome, State
from lifecycle.domain.rotation_policy import RotationPolicy
from lifecycle.domain.secret import Fingerprint, OperationId, SecretRef, SecretValue
from lifecycle.operations.release_quarantine import abandon
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import ConsumerBinding, RotationContext, RotationOutcome, Standing

SHADOW = ".rehearsal"  # no name in a spec has a dot, so no entry can be mistaken for a shadow
_SHADOWED = (CredentialClass.A, CredentialClass.B)


class Place(Protocol):
    """Where the shadow's value is kept for a while."""

    def make(self) -> None:
        """Make an empty place. Second call: nothing."""
        ...

    def remove(self) -> None:
        """Take it away. Second call: nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One part of a rehearsal: how it ended, and how long each state took."""

    name: str
    outcome: RotationOutcome
    took: timedelta
    states: tuple[tuple[State, timedelta], ...]

    @property
    def done(self) -> bool:
        """Whether it went to its end."""
        return self.outcome.standing is Standing.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of a rehearsal."""

    credential: str
    stretches: tuple[Stretch, ...]

    def exit_code(self) -> ExitCode:
        """The most urgent of all parts; a part that waits is no success of a rehearsal."""
        codes = [item.outcome.exit_code() for item in self.stretches]
        return most_urgent([*codes, *(ExitCode.REMOTE for item in self.stretches if not item.done)])

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {
            "credential": self.credential,
            "rehearsed": all(item.done for item in self.stretches),
            "stretches": [
                {
                    "name": item.name,
                    "standing": item.outcome.standing.value,
                    "text": item.outcome.text,
                    "remedy": item.outcome.remedy,
                    "seconds": round(item.took.total_seconds(), 3),
                    "states": {state.value: round(took.total_seconds(), 3) for state, took in item.states},
                }
                for item in self.stretches
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        for item in self.stretches:
            parts = ", ".join(f"{state} {took.total_seconds():.1f} s" for state, took in item.states)
            why = f": {item.outcome.text}" if item.outcome.text and not item.done else ""
            lines.append(f"{item.name}: {item.outcome.standing} in {item.took.total_seconds():.1f} s{why}")
            lines += [f"  {parts}"] if parts else []
            lines += [f"  -> {item.outcome.remedy}"] if item.outcome.remedy and not item.done else []
        return lines


class RehearsalConsumer:
    """A consumer that lives here: it keeps the fingerprint and nothing else."""

    def __init__(self) -> None:
        self._holds: Fingerprint | None = None

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Take note."""
        del consumer, value, operation, fence
        self._holds = fingerprint

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """What was noted."""
        del consumer
        return NotKnown.NOT_YET if self._holds is None else Acknowledgement(fingerprint=self._holds)

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Forget it."""
        del consumer, operation, fence
        self._holds = None


def shadow_of(context: RotationContext) -> RotationContext:
    """The context of the shadow: same provider, store and probes; own name, place, records and consumer."""
    return replace(
        context,
        credential=f"{context.credential}{SHADOW}",
        ref=SecretRef(store=context.ref.store, path=f"{context.ref.path}{SHADOW}"),
        consumers=(ConsumerBinding(name="rehearsal", destination=RehearsalConsumer()),),
        policy=RotationPolicy(period=context.policy.period, minimum=timedelta(), ceiling=context.limits.lease),
        users=("rehearsal",),
        uses=(),
    )


def rehearse(context: RotationContext, place: Place) -> Rehearsal:
    """Rehearse the rotation of one credential.

    Args:
        context: of the real one.
        place: where the shadow's value is kept.

    Raises:
        CheckRefusedError: it has one value only, so a rehearsal would be the rotation itself.
        BusyError: another run works on the credential.
    """
    kind = context.issuer.traits.credential_class
    if kind not in _SHADOWED:
        raise CheckRefusedError(
            f"{context.credential} is of class {kind}: its target holds one value, so there is no room for a shadow",
            remedy="declare a spare principal of the same kind as its own credential and rotate that",
        )
    lease = context.leases.acquire(context.credential, context.owner, context.limits.lease)
    stretches: list[Stretch] = []
    try:
        _audit(context, Result.INTENT)
        _all_of_it(context, place, lease, stretches)
    finally:
        context.leases.release(lease)
    told = Rehearsal(credential=context.credential, stretches=tuple(stretches))
    _audit(context, Result.DONE if told.exit_code() is ExitCode.DONE else Result.FAILED)
    return told


def _all_of_it(context: RotationContext, place: Place, lease: Lease, stretches: list[Stretch]) -> None:
    def stretch(name: str, work: Callable[[RotationContext], RotationOutcome]) -> bool:
        context.leases.renew(lease, context.limits.lease)
        stretches.append(_timed(shadow, name, work))
        return stretches[-1].done

    shadow = shadow_of(context)
    place.make()
    if _left_over(context) and not stretch("clear what an earlier rehearsal left", _clean_up):
        return
    went = stretch("issue", _rotated)
    if went and _has_room(context):
        stretch("rotate", _rotated)
    if stretch("clean up", _clean_up):
        place.remove()


def _rotated(shadow: RotationContext) -> RotationOutcome:
    return rotate(shadow, force=True, wait=True)


def _clean_up(shadow: RotationContext) -> RotationOutcome:
    """End whatever stands open, then revoke, read back, purge."""
    record = shadow.journal.head(shadow.credential).record
    if record is not None and record.state is State.QUARANTINED:
        abandon(shadow, reason="the rehearsal is over")
    ended = resume(shadow, wait=True)
    record = shadow.journal.head(shadow.credential).record
    if record is None or record.state is not State.CLOSED or record.live is None:
        return ended
    return retire(shadow, wait=True)


def _left_over(context: RotationContext) -> bool:
    record = context.journal.head(f"{context.credential}{SHADOW}").record
    return record is not None and not (record.state is State.CLOSED and record.outcome is Outcome.RETIRED)


def _has_room(context: RotationContext) -> bool:
    """Whether a second shadow fits in beside the first one and everything else."""
    slots = context.issuer.traits.slots
    return not slots or len(context.issuer.list(context.principal).credentials) < slots


def _timed(shadow: RotationContext, name: str, work: Callable[[RotationContext], RotationOutcome]) -> Stretch:
    seen: list[tuple[State, float]] = []

    def observe(credential: str, state: State, text: str) -> None:
        if not seen or seen[-1][0] is not state:
            seen.append((state, shadow.monotonic()))
        shadow.observe(credential, state, text)

    began = shadow.monotonic()
    outcome = work(replace(shadow, observe=observe))
    ended = shadow.monotonic()
    until = [*(at for _, at in seen[1:]), ended]  # without any state it is one longer
    states = tuple((state, timedelta(seconds=end - at)) for (state, at), end in zip(seen, until, strict=False))
    kept = tuple((state, took) for state, took in states if state is not State.CLOSED)
    return Stretch(name=name, outcome=outcome, took=timedelta(seconds=ended - began), states=kept)


def _audit(context: RotationContext, result: Result) -> None:
    context.audit.append(
        AuditEvent(
            at=context.clock(),
            actor=context.actor,
            action="credential.rehearse",
            object=f"credentials.{context.credential}",
            result=result,
            detail={"shadow": f"{context.credential}{SHADOW}"},
        )
    )


_: type[CredentialDestination] = RehearsalConsumer

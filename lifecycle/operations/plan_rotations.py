"""What is due, in which order, how long it takes, what speaks against it; with a digest of exactly that.

Reads spec and journal; asks no provider, locks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle.domain.audit import Digest, canonical, digest_bytes
from lifecycle.domain.errors import ExitCode, LifecycleError, UnsafePlanError, most_urgent
from lifecycle.domain.policy import GateVerdict
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.rotation_forecast import Forecast, Step, forecast, in_words, measured
from lifecycle.domain.rotation_order import waves
from lifecycle.domain.rotation_policy import Due, due
from lifecycle.operations.rotation_context import RotationContext
from lifecycle.operations.rotation_objections import objections, opens_at

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_NOTHING = GateVerdict(findings=(), rules_evaluated=0, errors=(), bundle_digest="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a plan is made on, beside spec entries and journal.

    Attributes:
        spec_digest: of the documents; a plan does not outlive an edit.
        verdict: of the policy gate over the spec.
        workers: how many rotations run at once.
    """

    spec_digest: str = ""
    verdict: GateVerdict = _NOTHING
    workers: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRotation:
    """One credential in a plan: where it stands, when it is due, the journal head the plan was made on.

    Attributes:
        last: the tool's own admin credential, rotated when nothing else is open.
        wave: rotated after all of the waves before.
        opens: when its change window opens; None = it may go now.
        refused: why it will not be begun.
        step: for the forecast.
    """

    credential: str
    credential_class: str
    state: State
    due: Due
    head: Digest
    last: bool
    wave: int = 0
    opens: datetime | None = None
    refused: tuple[LifecycleError, ...] = ()
    step: Step

    @property
    def goes(self) -> bool:
        """Whether a run would begin, or go on with, it now."""
        return not self.refused and self.opens is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPlan:
    """What would be rotated, in order; when the others are due; how long it takes; what the gate says."""

    rotations: tuple[PlannedRotation, ...]
    later: tuple[PlannedRotation, ...]
    digest: Digest
    made: datetime
    forecast: Forecast
    verdict: GateVerdict

    def exit_code(self) -> ExitCode:
        """0, or the code of what speaks against a rotation."""
        return most_urgent([error.exit_code for item in self.rotations for error in item.refused])

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {
            "digest": self.digest,
            "made": self.made.isoformat(),
            "rotations": [_document(item) for item in self.rotations],
            "later": [_document(item) for item in self.later],
            "expected": {
                "promoted": (self.made + self.forecast.promoted).isoformat(),
                "finished": (self.made + self.forecast.finished).isoformat(),
            },
            "quotas": [
                {"quota": load.quota, "calls": load.calls, "per_second": load.per_second, "seconds": load.needs.seconds}
                for load in self.forecast.loads
            ],
            "gate": {
                "passed": self.verdict.passed,
                "rules_evaluated": self.verdict.rules_evaluated,
                "bundle": self.verdict.bundle_digest,
                "errors": list(self.verdict.errors),
            },
        }

    def lines(self) -> list[str]:
        """For people."""
        going = [item for item in self.rotations if item.goes]
        planned = [line for item in self.rotations for line in _lines(item)]
        waiting = [f"{item.credential}: {_when(item)}" for item in self.later]
        return [*planned, *waiting, *(self._expected() if going else ()), *self._gate(), f"plan {self.digest}"]

    def _expected(self) -> list[str]:
        promoted, finished = self.made + self.forecast.promoted, self.made + self.forecast.finished
        return [
            f"new values in use in {in_words(self.forecast.promoted)}, {promoted:%Y-%m-%d %H:%M} UTC; "
            f"old ones gone from {finished:%Y-%m-%d %H:%M} UTC on, when acknowledged and unused",
            *(f"quota {load}" for load in self.forecast.loads),
        ]

    def _gate(self) -> list[str]:
        if not self.verdict.rules_evaluated and not self.verdict.errors:
            return []
        blocking = sum(1 for item in self.verdict.findings if item.entry.startswith("credentials."))
        said = "passed" if self.verdict.passed else "NOT passed"
        errors = [f"  could not be evaluated: {error}" for error in self.verdict.errors]
        return [
            f"policy gate {said}: {self.verdict.rules_evaluated} rules, {blocking} findings on credentials",
            *errors,
        ]


def plan_rotations(
    contexts: Sequence[RotationContext], *, force: bool = False, basis: Basis | None = None
) -> RotationPlan:
    """Look at the journal and decide; nothing is locked and nothing outside is called.

    Args:
        contexts: the credentials in question.
        force: plan all of them, due or not.
        basis: what else the plan is made on.

    Raises:
        ConfigurationError: the order goes round in a circle.
    """
    basis = basis or Basis()
    order = waves({context.credential: context.uses for context in contexts})
    looked = [replace(_look(context), wave=order[context.credential]) for context in contexts]
    rotations = [item for item in looked if item.due.now or (force and item.state is not State.QUARANTINED)]
    rotations.sort(key=lambda item: (item.last, item.wave, item.due.at or _EARLIEST, item.credential))
    going = {item.credential for item in rotations}
    later = sorted((item for item in looked if item.credential not in going), key=lambda item: item.credential)
    return RotationPlan(
        rotations=tuple(rotations),
        later=tuple(later),
        digest=_digest(rotations, basis),
        made=contexts[0].clock() if contexts else _EARLIEST,
        forecast=forecast([replace(item.step, wave=item.wave) for item in rotations if item.goes], basis.workers),
        verdict=basis.verdict,
    )


def check_plan(plan: RotationPlan, expected: Digest) -> None:
    """Refuse to go by a plan when anything it was made on has moved.

    Raises:
        UnsafePlanError: another set, another order, another spec or rules, or a credential that was worked on since.
    """
    if plan.digest != expected:
        raise UnsafePlanError(
            "the rotation plan is stale: the spec, its rules or the credentials' records have changed since",
            remedy="make a new one with `lifecycle rotate plan`",
        )


def _digest(rotations: Sequence[PlannedRotation], basis: Basis) -> Digest:
    body = {
        "rotations": [[item.credential, item.head, [error.message for error in item.refused]] for item in rotations],
        "spec": basis.spec_digest,
        "rules": basis.verdict.bundle_digest,
    }
    return digest_bytes(canonical(body))


def _look(context: RotationContext) -> PlannedRotation:
    head = context.journal.head(context.credential)
    traits, record, now = context.issuer.traits, head.record, context.clock()
    verdict = due(record, context.policy, context.limits, now)
    if record is not None and record.outcome is Outcome.RETIRED:
        verdict = Due(now=False, at=None, why=verdict.why)
    running = record is not None and record.open
    return PlannedRotation(
        credential=context.credential,
        credential_class=traits.credential_class,
        state=record.state if record else State.IDLE,
        due=verdict,
        head=head.digest,
        last=traits.self_admin,
        opens=opens_at(context, now) if record is not None and not running else None,
        refused=_refused(context, record, running=running),
        step=Step(wave=0, takes=measured(record), grace=_grace(context, record), quotas=context.quotas),
    )


def _refused(context: RotationContext, record: RotationRecord | None, *, running: bool) -> tuple[LifecycleError, ...]:
    """What is open goes on whatever the spec says by now, unless nobody approved where it would hand out values."""
    if running:
        return (context.unapproved,) if context.unapproved is not None else ()
    return objections(context, record)


def _grace(context: RotationContext, record: RotationRecord | None) -> timedelta:
    """How long an old value lives on at least; a first issuance has none."""
    first = record is None or record.live is None
    return timedelta() if first else context.policy.minimum + context.policy.quiet


def _lines(item: PlannedRotation) -> list[str]:
    why = item.due.why or "asked for"
    if item.refused:
        told = [f"  refused: {error.message}\n  -> {error.remedy}" for error in item.refused]
        return [f"{item.credential}: NOT rotated ({why})", *told]
    window = f", when its change window opens at {item.opens:%Y-%m-%d %H:%M} UTC" if item.opens else ""
    last = ", last: the tool logs in with it" if item.last else (f", in wave {item.wave + 1}" if item.wave else "")
    return [f"{item.credential}: rotate ({why}){window}{last}"]


def _when(item: PlannedRotation) -> str:
    return f"due {item.due.at:%Y-%m-%d %H:%M} UTC" if item.due.at else item.due.why


def _document(item: PlannedRotation) -> dict[str, Any]:
    return {
        "credential": item.credential,
        "class": item.credential_class,
        "state": item.state.value,
        "due": item.due.now,
        "due_at": item.due.at.isoformat() if item.due.at else None,
        "why": item.due.why,
        "wave": item.wave,
        "last": item.last,
        "window_opens": item.opens.isoformat() if item.opens else None,
        "refused": [{"why": error.message, "remedy": error.remedy} for error in item.refused],
    }

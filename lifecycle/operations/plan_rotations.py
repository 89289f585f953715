"""Which credentials are due, in which order, with a digest of exactly that. Reads the journal only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lifecycle.domain.audit import Digest, canonical, digest_bytes
from lifecycle.domain.errors import UnsafePlanError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_policy import Due, due
from lifecycle.operations.rotation_context import RotationContext

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRotation:
    """One credential in a plan: where it stands, when it is due, the journal head the plan was made on."""

    credential: str
    credential_class: str
    state: State
    due: Due
    head: Digest
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPlan:
    """What would be rotated, in order; and when the others are due."""

    rotations: tuple[PlannedRotation, ...]
    later: tuple[PlannedRotation, ...]
    digest: Digest

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {
            "digest": self.digest,
            "rotations": [_document(item) for item in self.rotations],
            "later": [_document(item) for item in self.later],
        }

    def lines(self) -> list[str]:
        """For people."""
        planned = [f"{item.credential}: rotate ({item.due.why or 'asked for'})" for item in self.rotations]
        waiting = [f"{item.credential}: {_when(item)}" for item in self.later]
        return [*planned, *waiting, f"plan {self.digest}"]


def plan_rotations(contexts: Sequence[RotationContext], *, force: bool = False) -> RotationPlan:
    """Look at the journal and decide; nothing is locked and nothing outside is called.

    Args:
        contexts: the credentials in question.
        force: plan all of them, due or not.
    """
    looked = [_look(context) for context in contexts]
    rotations = [item for item in looked if item.due.now or (force and item.state is not State.QUARANTINED)]
    rotations.sort(key=lambda item: (item.last, item.due.at or _EARLIEST, item.credential))
    later = sorted((item for item in looked if item not in rotations), key=lambda item: item.credential)
    body = {"rotations": [[item.credential, item.head] for item in rotations]}
    return RotationPlan(rotations=tuple(rotations), later=tuple(later), digest=digest_bytes(canonical(body)))


def check_plan(plan: RotationPlan, expected: Digest) -> None:
    """Refuse to go by a plan when anything it was made on has moved.

    Raises:
        UnsafePlanError: another set, another order, or a credential that has been worked on since.
    """
    if plan.digest != expected:
        raise UnsafePlanError(
            "the rotation plan is stale: credentials were rotated, added or removed since",
            remedy="make a new one with `lifecycle rotate plan`",
        )


def _look(context: RotationContext) -> PlannedRotation:
    head = context.journal.head(context.credential)
    traits = context.issuer.traits
    verdict = due(head.record, context.policy, context.limits, context.clock())
    if head.record is not None and head.record.outcome is Outcome.RETIRED:
        verdict = Due(now=False, at=None, why=verdict.why)
    return PlannedRotation(
        credential=context.credential,
        credential_class=traits.credential_class,
        state=head.record.state if head.record else State.IDLE,
        due=verdict,
        head=head.digest,
        last=traits.self_admin,
    )


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
    }

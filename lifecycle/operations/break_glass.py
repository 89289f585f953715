"""`rotate all --break-glass`: many credentials at once, after a leak that nobody can bound.

1. `request`: the estimate first, written down as a review that two people sign with `lifecycle approve`. 2. `carry_out`
counts their approvals of exactly this request, audits, and rotates in the order of the plan under the providers'
quotas. 3. Interrupted at any place, the same command goes on: what is open is finished, and what was promoted since
the request was made is not rotated again. Change windows, policy findings and the minimum of grace hold nothing up;
acknowledgements still do: an old value lives until every consumer that can tell holds the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Digest, Result, canonical, digest_bytes
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError, ExitCode, UnsafePlanError
from lifecycle.domain.infrastructure_ports import PlanFolder
from lifecycle.domain.people import People
from lifecycle.domain.ports import Approvals, AuditLog, Clock
from lifecycle.domain.review import Review
from lifecycle.operations.approve_plan import is_emergency, read_review
from lifecycle.operations.plan_infrastructure import REVIEW
from lifecycle.operations.plan_rotations import Basis, RotationPlan, plan_rotations
from lifecycle.operations.resume_rotations import RotationRun, Stop, rotate_all
from lifecycle.operations.rotation_context import RotationContext

APPROVERS = 2
_LASTS = timedelta(hours=24)
_MADE, _NAMES = "made", "credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyDesk:
    """What an emergency works with.

    Attributes:
        environment: its name.
        folder: where the request lies; `lifecycle approve` takes it.
        place: how people name that folder.
        approvals: who approved what.
        audit: fails closed before the first rotation.
        actor: who acts; never counts as one of the two.
        clock: aware UTC now.
        basis: spec, rules and workers.
        required: approvals that the environment asks for; never fewer than two.
        people: who is who, so that nobody counts twice or approves himself.
    """

    environment: str
    folder: PlanFolder
    place: str
    approvals: Approvals
    audit: AuditLog
    actor: str
    clock: Clock
    basis: Basis
    required: int = APPROVERS
    people: People = field(default_factory=People)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One emergency: what was asked for, when, and the estimate.

    Attributes:
        review: what people sign.
        plan: the estimate as of now.
    """

    review: Review
    plan: RotationPlan

    @property
    def made(self) -> datetime:
        """When it was asked for: what was promoted later is not rotated again."""
        return datetime.fromisoformat(self.review.target[_MADE])

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {"effect_digest": self.review.effect_digest, "request": dict(self.review.target), **self.plan.document()}


def request(
    desk: EmergencyDesk, contexts: Sequence[RotationContext], *, scope: str, reason: str
) -> tuple[Request, tuple[RotationContext, ...]]:
    """The open request for this scope and reason, else a new one; and what is left to do for it.

    Args:
        desk: the surroundings.
        contexts: the credentials in scope.
        scope: in words, as it was given.
        reason: stands in request and audit log.

    Raises:
        ConfigurationError: nothing is in scope.
    """
    if not contexts:
        raise ConfigurationError(f"no credential is in the scope {scope!r}", remedy="see `lifecycle rotate status`")
    urgent = tuple(_urgent(context) for context in contexts)
    names = ", ".join(sorted(context.credential for context in contexts))
    review = _open_request(desk, scope=scope, reason=reason, names=names)
    if review is None:
        plan = plan_rotations(urgent, force=True, basis=desk.basis)
        review = _written(desk, plan, {"scope": scope, "reason": reason, _NAMES: names})
    found = Request(review=review, plan=plan_rotations(urgent, force=True, basis=desk.basis))
    return found, tuple(context for context in urgent if not _rotated_since(context, found.made))


def approved(desk: EmergencyDesk, found: Request) -> tuple[Approval, ...]:
    """Those who signed this request, each person once, without whoever carries it out.

    Raises:
        ApprovalMissingError: fewer than two.
    """
    digest, now = found.review.effect_digest, desk.clock()
    acts = desk.people.person(desk.actor, what="breaks the glass")
    given = {
        desk.people.person(item.approver, what="approved it"): item
        for item in desk.approvals.verified(digest)
        if item.expires >= now and item.effect_digest == digest
    }
    valid = {person: item for person, item in given.items() if person != acts}
    needed = max(desk.required, APPROVERS)
    if len(valid) < needed:
        raise ApprovalMissingError(
            f"breaking the glass needs {needed} people beside {desk.actor}; signed: {', '.join(valid) or 'nobody'}",
            remedy=f"each of them: `lifecycle approve {desk.place} --key KEY`; then the same command again",
        )
    return tuple(valid[name] for name in sorted(valid))


def carry_out(
    desk: EmergencyDesk,
    found: Request,
    left: Sequence[RotationContext],
    *,
    wait: bool,
    stop: Stop,
    rotate: Callable[..., RotationRun] = rotate_all,
) -> RotationRun:
    """Rotate what is left of an approved request.

    Args:
        desk: the surroundings.
        found: the request.
        left: what was not rotated since it was made.
        wait: wait for acknowledgements instead of leaving them to a later run.
        stop: see `rotate_all`.
        rotate: does it.

    Raises:
        ApprovalMissingError: fewer than two have signed; nothing was changed.
    """
    people = approved(desk, found)
    _record(desk, found, people, Result.INTENT, left=len(left))
    run = rotate(left, force=True, wait=wait, workers=desk.basis.workers, stop=stop)
    code = run.exit_code()
    _record(desk, found, people, Result.DONE if code is ExitCode.DONE else Result.FAILED, exit_code=int(code))
    return run


def _urgent(context: RotationContext) -> RotationContext:
    """Without change window, findings and minimum; that stays where it stands in for somebody who cannot tell."""
    blind = any(binding.unobservable for binding in context.consumers)
    minimum = context.policy.minimum if blind else timedelta()
    return replace(context, emergency=True, policy=replace(context.policy, minimum=minimum))


def _rotated_since(context: RotationContext, made: datetime) -> bool:
    """Whether nothing is open and the current value was promoted after the request."""
    record = context.journal.head(context.credential).record
    if record is None or record.open or record.live_since is None:
        return False
    return record.live_since >= made


def _open_request(desk: EmergencyDesk, *, scope: str, reason: str, names: str) -> Review | None:
    """The request in the folder, if it is this one and still holds."""
    try:
        review = read_review(desk.folder)
    except UnsafePlanError:  # none was made, or it was edited: what was signed then does not count either
        return None
    if not is_emergency(review):
        return None
    same = {"scope": scope, "reason": reason, _NAMES: names}.items() <= dict(review.target).items()
    current = (review.spec_digest, review.policy_bundle) == (desk.basis.spec_digest, desk.basis.verdict.bundle_digest)
    return review if same and current and review.expires >= desk.clock() else None


def _written(desk: EmergencyDesk, plan: RotationPlan, asked: Mapping[str, str]) -> Review:
    now = desk.clock()
    target = {**asked, _MADE: now.isoformat()}
    review = Review(
        environment=desk.environment,
        changes_digest=Digest(digest_bytes(canonical(target))),
        target=target,
        spec_digest=desk.basis.spec_digest,
        policy_bundle=desk.basis.verdict.bundle_digest,
        summary=(f"BREAK GLASS: rotate {len(plan.rotations)} credentials at once: {asked['reason']}", *plan.lines()),
        expires=now + _LASTS,
    )
    desk.folder.clear()
    desk.folder.write(REVIEW, review.document())
    return review


def _record(
    desk: EmergencyDesk, found: Request, people: Sequence[Approval], result: Result, **detail: str | int | bool
) -> None:
    told = {"scope": found.review.target["scope"], "reason": found.review.target["reason"]}
    desk.audit.append(
        AuditEvent(
            at=desk.clock(),
            actor=desk.actor,
            action="credentials.break_glass",
            object=f"environments.{desk.environment}",
            result=result,
            digest=found.review.effect_digest,
            detail={**told, "approvers": ", ".join(item.approver for item in people), **detail},
        )
    )

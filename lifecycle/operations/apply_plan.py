"""`lifecycle apply`: exactly what was reviewed, on exactly the target that was reviewed, or nothing.

1. Say what an interrupted run left open; a plan made by this same run that changes nothing ends here. 2. Recompute
every digest and read the target again; refuse what moved, by name. 3. Decode the plan file itself, judge it again, and
compare its effect with the reviewed one. 4. Count approvals of exactly this effect. 5. Write intent to the audit log
and room for the receipt: a full disk stops here. 6. Apply. 7. Write the receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Digest, Result
from lifecycle.domain.errors import (
    ApprovalMissingError,
    AuthenticationError,
    BusyError,
    CheckRefusedError,
    ConfigurationError,
    LifecycleError,
    PolicyError,
    UnreachableError,
    UnsafePlanError,
)
from lifecycle.domain.grants import entry_kinds, grants
from lifecycle.domain.infrastructure_ports import Confirm, Receipts
from lifecycle.domain.people import Counted, Involved, People, count
from lifecycle.domain.plan import Manifest, Target
from lifecycle.domain.ports import Approvals, AuditLog, NewId
from lifecycle.domain.receipt import AppliedPlan, Receipt, RunState
from lifecycle.domain.review import Review, ReviewedPlan
from lifecycle.domain.trust import judged
from lifecycle.operations.check_policies import refuse_unless_passed
from lifecycle.operations.plan_infrastructure import MANIFEST, REVIEW, PlanContext, prepare, read_manifest, review_plan

# Terraform refused before it changed anything: stale plan, held lock, missing binary, no connection.
_NOTHING_DONE = (CheckRefusedError, BusyError, ConfigurationError, UnreachableError, AuthenticationError)
_AGAIN = "run `lifecycle plan` again and have it reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """What applying works with, beside what planning does.

    Attributes:
        planning: the collaborators of `plan_infrastructure`.
        approvals: who approved what.
        confirm: asks for, or gives, a yes where the environment needs no approval by others; None = not given.
        audit: fails closed before the effect.
        receipts: of this environment.
        actor: who applies.
        new_id: makes run ids.
        people: who is who, by the policy bundle.
        authors: who made the commits since the last apply; asked only where approvals are needed.
        commit: what is checked out, for the receipt.
    """

    planning: PlanContext
    approvals: Approvals
    confirm: Confirm
    audit: AuditLog
    receipts: Receipts
    actor: str
    new_id: NewId
    people: People = field(default_factory=People)
    authors: Callable[[], tuple[str, ...]] = tuple
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOutcome:
    """What came of an apply.

    Attributes:
        receipt: of the run; None when there was nothing to apply.
        path: where it is.
        resumed: interrupted runs that this one carried on.
    """

    receipt: Receipt | None
    path: Path | None = None
    resumed: tuple[Receipt, ...] = ()


def apply_plan(
    context: ApplyContext, *, reviewed: ReviewedPlan | None = None, expected: Digest | None = None
) -> ApplyOutcome:
    """Apply the plan of the reviewed-plan folder.

    Args:
        context: the collaborators.
        reviewed: what `plan_infrastructure` returned in this same process, which saves decoding the plan file again;
            None reads everything from the folder.
        expected: the plan digest that was asked for; None when the folder alone says which.

    Raises:
        UnsafePlanError: the folder was edited, the plan is stale, or it is for another target; names what moved.
        PolicyError: the gate says no.
        ApprovalMissingError: not enough approvals of exactly this effect.
        RemoteServiceError: Terraform stopped half-way; names what is done and how to go on.
    """
    planning = context.planning
    open_runs = context.receipts.interrupted()
    for run in open_runs:
        planning.observe("apply", open_run_in_words(run))
    if reviewed is not None and reviewed.empty and expected is None and not _grants_moved(planning):
        refuse_unless_passed(reviewed.verdict)
        _settle(context, open_runs)
        return ApplyOutcome(receipt=None, resumed=open_runs)
    current = _verified(context, reviewed, expected)
    if current.plan.empty and not _grants_moved(planning):
        _settle(context, open_runs)
        return ApplyOutcome(receipt=None, resumed=open_runs)
    approvals = _approved(context, current)
    receipt = _intent(context, current, approvals)
    receipt = _apply(context, receipt)
    path = context.receipts.complete(receipt)
    _record(context, receipt, Result.DONE)
    _settle(context, open_runs)
    return ApplyOutcome(receipt=receipt, path=path, resumed=open_runs)


def open_run_in_words(run: Receipt) -> str:
    """One line about a run of which nobody wrote what came of it."""
    digest = run.plan.plan_digest[:19] if run.plan else "no plan"
    end = f"stopped: {run.problem}" if run.problem else "was cut off"
    return f"the run {run.id} of {run.actor}, begun {run.started:%Y-%m-%d %H:%M} UTC ({digest}), {end}; carrying on"


def _grants_moved(planning: PlanContext) -> bool:
    """Whether the spec allows something else than the last applied one, also where Terraform has nothing to do.

    A consumer, a destination or an endpoint may change without any resource: rotation takes it up from the receipt
    that this apply leaves, so it is approved like a resource. On a host that never applied, everything is new.
    """
    before = planning.previous_grants
    if before is None:
        return planning.spec.approvals.required > 0
    return bool(before) and before != grants(planning.spec)


def _verified(context: ApplyContext, reviewed: ReviewedPlan | None, expected: Digest | None) -> ReviewedPlan:
    planning = context.planning
    folder = planning.folder
    if reviewed is None:
        prepare(planning)
    manifest = reviewed.manifest if reviewed else read_manifest_document(folder.read(MANIFEST))
    approved = reviewed.review if reviewed else _review(folder.read(REVIEW))
    if expected is not None and manifest.plan_digest != expected:
        raise UnsafePlanError(f"the plan folder holds {manifest.plan_digest}, not {expected}", remedy=_AGAIN)
    moved = manifest.moved(read_manifest(planning))
    if moved:
        raise UnsafePlanError(f"since this plan was made, this moved: {', '.join(moved)}", remedy=_AGAIN)
    plan = reviewed.plan if reviewed else planning.decode(planning.runner.show(folder.plan_file))
    verdict = planning.gate.evaluate(planning.gate_input(plan))
    refuse_unless_passed(verdict)
    if verdict.bundle_digest != manifest.digests["policy_bundle"]:
        raise PolicyError("the rules that judged this plan are not the reviewed ones", remedy=_AGAIN)
    current = review_plan(planning, plan, verdict)
    _same_effect(current.review, approved, context)
    return replace(current, manifest=manifest, review=approved)


def _same_effect(current: Review, approved: Review, context: ApplyContext) -> None:
    if current.effect_digest != approved.effect_digest:
        mine, theirs = current.model_dump(exclude={"expires"}), approved.model_dump(exclude={"expires"})
        names = ", ".join(name.replace("_", " ") for name in mine if mine[name] != theirs[name])
        raise UnsafePlanError(f"the plan does not do what its review says; this differs: {names}", remedy=_AGAIN)
    if context.planning.clock() > approved.expires:
        raise UnsafePlanError(f"the review of this plan lapsed on {approved.expires:%Y-%m-%d %H:%M} UTC", remedy=_AGAIN)


def _approved(context: ApplyContext, current: ReviewedPlan) -> tuple[Approval, ...]:
    rule = context.planning.spec.approvals
    counted = _counted(context, current)
    given = counted.approvals
    if len(given) < rule.required:
        names = ", ".join(sorted(a.approver for a in given)) or "nobody"
        aside = f"; not counted: {', '.join(counted.set_aside)}" if counted.set_aside else ""
        raise ApprovalMissingError(
            f"{rule.required} approvals of {current.review.effect_digest} by {rule.group} are needed, given: {names}"
            f"{aside}",
            remedy="have the plan folder's review.json approved with `lifecycle approve`, then apply again",
        )
    if rule.required:
        return given
    confirmed = context.confirm(current)
    if confirmed is None:
        message = f"the plan {current.manifest.plan_digest} was not confirmed"
        raise ApprovalMissingError(message, remedy="answer yes on the terminal, or apply an approved plan with --plan")
    return (*given, confirmed)


def _counted(context: ApplyContext, current: ReviewedPlan) -> Counted:
    """Approvals of this effect that hold now: one per person, and none by whoever applies or committed it."""
    now, effect = context.planning.clock(), current.review.effect_digest
    valid = [a for a in context.approvals.verified(effect) if a.expires >= now and a.effect_digest == effect]
    authors = context.authors() if context.planning.spec.approvals.required else ()
    return count(valid, Involved(actor=context.actor, authors=authors), context.people) if valid else Counted()


def _intent(context: ApplyContext, current: ReviewedPlan, approvals: tuple[Approval, ...]) -> Receipt:
    planning = context.planning
    receipt = Receipt(
        id=context.new_id(),
        environment=planning.spec.environment,
        actor=context.actor,
        tool_version=planning.tool_version,
        state=RunState.INTENDED,
        started=planning.clock(),
        grants=() if current.plan.removes_all else grants(planning.spec),
        entries={} if current.plan.removes_all else entry_kinds(planning.spec),
        digests=judged(current.manifest.digests),
        commit=context.commit,
        plan=AppliedPlan(
            plan_digest=current.manifest.plan_digest,
            effect_digest=current.review.effect_digest,
            manifest=current.manifest.as_document(),
            approvals=approvals,
            summary=current.review.summary,
            rules_evaluated=current.verdict.rules_evaluated,
        ),
    )
    _record(context, receipt, Result.INTENT)
    try:
        context.receipts.intend(receipt)
    except LifecycleError as error:
        _record(context, receipt, Result.REFUSED, problem=type(error).__name__)
        raise
    return receipt


def _apply(context: ApplyContext, receipt: Receipt) -> Receipt:
    planning = context.planning
    planning.observe("apply", "applying exactly what was reviewed")
    try:
        applied = planning.runner.apply(planning.folder.plan_file)
    except _NOTHING_DONE as error:
        _record(context, receipt, Result.REFUSED, problem=type(error).__name__)
        context.receipts.settle(receipt)
        raise
    except LifecycleError as error:
        # The intent stays: whatever was done before it stopped, the next run says so and goes on from there.
        _record(context, receipt, Result.FAILED, problem=type(error).__name__)
        stopped = receipt.model_copy(update={"state": RunState.FAILED, "problem": error.message})
        with suppress(LifecycleError):  # what stopped the apply matters more than a note about it
            context.receipts.intend(stopped)
        raise
    plan = receipt.plan.model_copy(update={"addresses": applied.addresses}) if receipt.plan else None
    return receipt.model_copy(update={"state": RunState.APPLIED, "plan": plan, "finished": planning.clock()})


def _record(context: ApplyContext, receipt: Receipt, result: Result, **detail: str) -> None:
    digest = receipt.plan.plan_digest if receipt.plan else ""
    effect = {"effect_digest": receipt.plan.effect_digest} if receipt.plan else {}
    context.audit.append(
        AuditEvent(
            at=context.planning.clock(),
            actor=context.actor,
            action="plan.apply",
            object=f"environments.{receipt.environment}",
            result=result,
            digest=digest,
            detail={"run": receipt.id, **effect, **detail},
        )
    )


def _settle(context: ApplyContext, runs: tuple[Receipt, ...]) -> None:
    for run in runs:
        context.receipts.settle(run)


def read_manifest_document(document: Mapping[str, object]) -> Manifest:
    """Read `manifest.json`.

    Raises:
        UnsafePlanError: it was edited: the plan digest in it is not its own.
    """
    try:
        target = Target(**document["target"])  # type: ignore[arg-type]  # checked by the digest right below
        manifest = Manifest(
            digests=dict(document["digests"]),  # type: ignore[call-overload]  # checked by the digest right below
            target=target,
            tool_version=str(document["tool_version"]),
            schema_version=int(str(document["schema_version"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnsafePlanError(f"manifest.json is not complete ({type(error).__name__})", remedy=_AGAIN) from None
    if document.get("plan_digest") != manifest.plan_digest:
        raise UnsafePlanError("manifest.json was edited: it is not what its plan digest names", remedy=_AGAIN)
    return manifest


def _review(document: Mapping[str, object]) -> Review:
    try:
        return Review.from_document(document)
    except ValueError:
        raise UnsafePlanError("review.json was edited: it is not what its effect digest names", remedy=_AGAIN) from None

"""`lifecycle approve`: sign what the review says, of a plan or of an emergency, with a key of the approver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.domain.errors import UnsafePlanError
from lifecycle.domain.infrastructure_ports import ApprovalStore, PlanFolder
from lifecycle.domain.ports import AuditLog, Clock
from lifecycle.domain.review import Review
from lifecycle.operations.plan_infrastructure import REVIEW

Sign = Callable[[bytes], str]
BREAK_GLASS = frozenset({"scope", "reason", "made", "credentials"})  # what the target of an emergency's request names


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveContext:
    """What approving works with.

    Attributes:
        folder: the reviewed-plan folder; only review.json of it is read, so approvers need no plan file.
        sign: makes the signature.
        store: keeps it, after verifying that it counts.
        audit: records it.
        actor: who runs the command; the approver is who signed.
        clock: aware UTC now.
    """

    folder: PlanFolder
    sign: Sign
    store: ApprovalStore
    audit: AuditLog
    actor: str
    clock: Clock


def read_review(folder: PlanFolder) -> Review:
    """What is to be approved, for showing it before anybody signs.

    Raises:
        UnsafePlanError: review.json is missing or was edited.
    """
    try:
        return Review.from_document(folder.read(REVIEW))
    except ValueError:
        message = "review.json was edited: it is not what its effect digest names"
        raise UnsafePlanError(message, remedy="run `lifecycle plan` again") from None


def is_emergency(review: Review) -> bool:
    """Whether it asks to break the glass, and not to apply a plan."""
    return review.target.keys() >= BREAK_GLASS


def approve_plan(context: ApproveContext) -> Approval:
    """Sign review.json and keep the signature.

    Raises:
        UnsafePlanError: the review is missing, edited or lapsed.
        ConfigurationError: the key cannot be used.
        ApprovalMissingError: the signature would not count, e.g. because the signer is not of the group.
    """
    review = read_review(context.folder)
    now = context.clock()
    if review.expires < now:
        message = f"the review lapsed on {review.expires:%Y-%m-%d %H:%M} UTC"
        again = "lifecycle rotate all --break-glass" if is_emergency(review) else "lifecycle plan"
        raise UnsafePlanError(message, remedy=f"run `{again}` again")
    data = context.folder.read_bytes(REVIEW)
    approval = context.store.add(data, context.sign(data))
    context.audit.append(
        AuditEvent(
            at=now,
            actor=context.actor,
            action="credentials.break_glass.approve" if is_emergency(review) else "plan.approve",
            object=f"environments.{review.environment}",
            result=Result.DONE,
            digest=review.effect_digest,
            detail={"approver": approval.approver, "method": approval.method, **_asked(review)},
        )
    )
    return approval


def _asked(review: Review) -> dict[str, str]:
    """What an emergency asks for; a plan is told by its digest."""
    return {name: review.target[name] for name in ("scope", "reason")} if is_emergency(review) else {}

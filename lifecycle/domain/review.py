"""What people approve: the effect of a plan in words and as a digest, where it lands and under which rules. Pure.

The effect digest covers the normalised changes, the target without its serial, the spec, the policy bundle and the
words themselves. So a second plan with the same effect keeps its approvals although the plan file, its digest and the
serial of the state differ; a plan that does anything else, elsewhere, from another spec or under other rules voids
them; and a summary that does not tell what the plan does belongs to no plan at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.audit import Digest, canonical, digest_bytes
from lifecycle.domain.blast_radius import BlastRadius, radius_of
from lifecycle.domain.grants import compare, grants
from lifecycle.domain.plan import Action, Manifest, Plan, ResourceChange, Target
from lifecycle.domain.policy import Finding, GateVerdict
from lifecycle.domain.spec import Spec

REVIEW_SCHEMA = 1
ADOPTED = "imported"  # reason of a change that takes an existing object into the state

_VERBS = {
    Action.CREATE: "creates",
    Action.UPDATE: "changes",
    Action.REPLACE: "destroys and makes anew",
    Action.DELETE: "destroys",
    Action.FORGET: "forgets",
    Action.UNKNOWN: "does something unknown to",
}
_NEWLY = "newly allowed: "
_COUNTED = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE, Action.FORGET, Action.UNKNOWN)
_COUNT_WORDS = ("to create", "to change", "to replace", "to destroy", "to forget", "unknown")
_PRODUCTS = {
    "aws": "", "ecs": "ECS", "iam": "IAM", "sqs": "SQS", "ssm": "SSM", "ec2": "EC2", "kms": "KMS", "vpc": "VPC",
    "secretsmanager": "Secrets Manager", "cloudwatch": "CloudWatch", "networkfirewall": "Network Firewall",
}  # fmt: skip


class Review(BaseModel):
    """`review.json`. Approvers get this and never the plan file, which may hold values.

    Attributes:
        schema_version: of this document.
        environment: which environment.
        changes_digest: see `changes_digest`.
        target: where, without the serial of the state.
        spec_digest: of the spec that was planned.
        policy_bundle: digest of the rules that judged it.
        summary: the effect in words.
        expires: after this an approval of it does not count. Not part of the effect digest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = REVIEW_SCHEMA
    environment: str
    changes_digest: str
    target: Mapping[str, str]
    spec_digest: str
    policy_bundle: str
    summary: tuple[str, ...]
    expires: datetime

    @property
    def effect_digest(self) -> Digest:
        """What an approval is about."""
        return digest_bytes(canonical(self.model_dump(mode="json", exclude={"expires"})))

    def document(self) -> dict[str, Any]:
        """The file's content; the effect digest stands in it for readers, and is never trusted when read."""
        return {**self.model_dump(mode="json"), "effect_digest": self.effect_digest}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Review:
        """Read `review.json`.

        Raises:
            ValueError: it is no review, or the digest that it shows is not its own.
        """
        fields = dict(document)
        shown = fields.pop("effect_digest", None)
        review = cls.model_validate(fields)
        if shown != review.effect_digest:
            raise ValueError("the effect digest shown is not the digest of what is described")
        return review


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedPlan:
    """A plan with everything that was found out about it: what `lifecycle plan` shows and `apply` needs."""

    plan: Plan
    manifest: Manifest
    review: Review
    verdict: GateVerdict

    @property
    def empty(self) -> bool:
        """Whether applying would change nothing."""
        return self.plan.empty

    @property
    def short_digest(self) -> str:
        """The plan digest as people say it."""
        return self.manifest.plan_digest.removeprefix("sha256:")[:12]

    def findings(self) -> tuple[str, ...]:
        """What the gate found, a line each with the remedy, most severe first."""
        return tuple(_finding_line(finding) for finding in self.verdict.findings)

    def lines(self) -> tuple[str, ...]:
        """The plan in words, then what the gate says."""
        verdict = f"policy gate: {'passed' if self.verdict.passed else 'NOT PASSED'}"
        rules = f"{self.verdict.rules_evaluated} rules, bundle {self.verdict.bundle_digest[7:19]}"
        errors = tuple(f"  {error}" for error in self.verdict.errors)
        return (*self.review.summary, f"{verdict}, {rules}", *errors, *self.findings(), f"plan {self.short_digest}")

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "plan_digest": self.manifest.plan_digest,
            "effect_digest": self.review.effect_digest,
            "summary": list(self.review.summary),
            "empty": self.empty,
            "gate": {
                "passed": self.verdict.passed,
                "rules_evaluated": self.verdict.rules_evaluated,
                "errors": list(self.verdict.errors),
                "findings": list(self.findings()),
            },
        }


def _finding_line(finding: Finding) -> str:
    where = f" {finding.place}" if finding.place else ""
    waived = f" (waived by {finding.waiver})" if finding.waiver else f"; {finding.remedy}"
    return f"{finding.severity} {finding.rule}{where}: {finding.message}{waived}"


def review_target(target: Target) -> dict[str, str]:
    """The target as approved. The serial is left out: it moves with every apply, also with one of something else."""
    return {name: str(value) for name, value in target.as_document().items() if name != "serial"}


def changes_digest(plan: Plan) -> Digest:
    """Digest of the normalised changes, by address. Holds no value, and only attributes that change."""
    changes = {change.address: _normalised(change) for change in plan.changing()}
    outputs = {name: str(action) for name, action in plan.output_changes.items() if action is not Action.NO_OP}
    return digest_bytes(canonical({"changes": changes, "outputs": outputs}))


def _normalised(change: ResourceChange) -> dict[str, Any]:
    fresh = change.action in (Action.CREATE, Action.REPLACE)
    before = {} if fresh else change.before
    changed = {name: value for name, value in change.after.items() if value is not None or name in before}
    changed = {name: value for name, value in changed.items() if fresh or before.get(name) != value}
    return {
        "action": str(change.action),
        "type": change.type,
        "provider": change.provider,
        "moved_from": change.previous_address,
        "identity": "" if change.action is Action.CREATE else str(change.before.get("id", "")),
        "attributes": {} if change.action in (Action.DELETE, Action.FORGET) else changed,
        "unknown": change.unknown,
        "sensitive": list(change.sensitive),
    }


def describe(plan: Plan, spec: Spec, *, previous_grants: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A plan in words: a count, a line per entry and action, whom that reaches, what is allowed now and what no longer.

    Args:
        plan: the decoded plan.
        spec: the spec that was planned.
        previous_grants: grants of the last applied spec; None when nothing was applied yet.
    """
    lines = [*plan_lines(plan), *plan_radius(plan, spec).lines()]
    change = compare(previous_grants or (), () if plan.removes_all else grants(spec))
    lines += [f"{_NEWLY}{sentence}" for sentence in change.added]
    lines += [f"no longer allowed: {sentence}" for sentence in change.removed]
    return tuple(lines)


def plan_lines(plan: Plan) -> tuple[str, ...]:
    """What a plan makes, changes and destroys: a count, then a line per entry and action."""
    return (count_line(plan), *_entry_lines(plan))


def plan_radius(plan: Plan, spec: Spec) -> BlastRadius:
    """Whom a plan reaches: everything that hangs on what it changes, replaces or destroys.

    What is created, or taken into the state unchanged, reaches nobody who was there before.
    """
    reaching = [c for c in plan.changing() if c.mode == "managed" and c.entry and c.action is not Action.CREATE]
    gone = (Action.REPLACE, Action.DELETE)
    return radius_of(
        spec,
        {change.entry for change in reaching if change.action_reason != ADOPTED},
        {change.entry for change in reaching if change.action in gone},
    )


def folded(lines: Sequence[str], *, shown: int = 6) -> tuple[str, ...]:
    """The words of a plan where nobody is asked: of what is newly allowed, the first few and how many more.

    Args:
        lines: of `describe`.
        shown: so many of them stay; if there is only one more, all stay.
    """
    new = [line for line in lines if line.startswith(_NEWLY)]
    if len(new) <= shown + 1:
        return tuple(lines)
    hidden = frozenset(new[shown:])
    more = f"and {len(hidden)} more newly allowed; review.json in the plan's folder lists all"
    return (*(line for line in lines if line not in hidden), more)


def count_line(plan: Plan) -> str:
    """`4 to create, 1 to change`, or `no changes`."""
    counts = Counter(change.action for change in plan.changing() if change.mode == "managed")
    parts = [f"{counts[a]} {word}" for a, word in zip(_COUNTED, _COUNT_WORDS, strict=True) if counts[a]]
    outputs = sum(action is not Action.NO_OP for action in plan.output_changes.values())
    if not parts and outputs:
        parts.append(f"{outputs} outputs to change")
    return ", ".join(parts) or "no changes"


def _entry_lines(plan: Plan) -> Iterator[str]:
    grouped: dict[str, dict[Action, list[ResourceChange]]] = {}
    for change in plan.changing():
        if change.mode == "managed":
            grouped.setdefault(change.entry or "outside the spec", {}).setdefault(change.action, []).append(change)
    for entry in sorted(grouped):
        for action in _COUNTED:
            changes = grouped[entry].get(action, [])
            adopted = [change for change in changes if change.action_reason == ADOPTED]
            if adopted:
                yield f"{entry}: adopts {_listed(adopted)}"
            if others := [change for change in changes if change.action_reason != ADOPTED]:
                yield f"{entry}: {_VERBS[action]} {_listed(others)}"


def _listed(changes: list[ResourceChange]) -> str:
    words = Counter(type_in_words(change.type) for change in changes)
    return ", ".join(f"{count} x {word}" if count > 1 else word for word, count in sorted(words.items()))


def type_in_words(type_name: str) -> str:
    """`aws_ecs_service` as `ECS service`."""
    words = [_PRODUCTS.get(word, word) for word in type_name.split("_")]
    return " ".join(word for word in words if word)

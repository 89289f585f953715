"""`lifecycle plan`: from a checked spec to a reviewed-plan folder.

1. Write the generated root. 2. Refuse foreign code in it and in the modules before Terraform reads a line. 3. Judge the
spec. 4. `init`, `plan`, `show`. 5. Judge the plan. 6. Name everything that led to it (manifest), say what it does
(review), and keep both beside the plan file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.domain.errors import Place
from lifecycle.domain.infrastructure_ports import (
    DecodePlan,
    Observe,
    PlanFolder,
    ReadDigests,
    ReadTarget,
    StaticCheck,
    WriteRoot,
)
from lifecycle.domain.plan import Manifest, Plan
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, PolicyDocument
from lifecycle.domain.ports import Clock, PolicyEngine, TerraformRunner
from lifecycle.domain.review import Review, ReviewedPlan, changes_digest, describe, review_target
from lifecycle.domain.spec import Spec
from lifecycle.domain.trust import refuse_together
from lifecycle.operations.check_policies import refuse_unless_passed

REVIEW_LASTS = timedelta(days=7)
# Decoding a plan takes seconds, and one without changes says nothing that Terraform has not said already.
NO_CHANGES = Plan(format_version="", terraform_version="", changes=())
MANIFEST, REVIEW, GATE, SOURCE_MAP = "manifest.json", "review.json", "gate.json", "source_map.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """What planning works with; bootstrap builds it.

    Attributes:
        spec: the resolved spec.
        runner: Terraform in the working folder of the environment.
        decode: `show -json` to a plan.
        gate: the policy engine of the pinned bundle.
        folder: the reviewed-plan folder.
        write_root: writes the generated root, or refuses a stale committed one.
        static_check: what in root and modules would run foreign code.
        read_target: account, region, endpoint, backend, lineage, serial and sandbox instance as they are now.
        read_digests: spec, generated, modules, lock, provider and policy_bundle, computed from disk at each call.
        source_map: address prefix -> place in the spec.
        tool_version: of lifecycle.
        clock: aware UTC now.
        observe: progress: which step, what comes of it.
        live_versions: per credential, how many live values journal and store know.
        previous_entries: entries of the last applied spec.
        previous_grants: what the last applied spec allowed; None when there was none.
        previous_digests: of spec and policy bundle of the last apply; empty in a sandbox, where both may change.
        documents: policies in the language of their product, judged with the spec.
    """

    spec: Spec
    runner: TerraformRunner
    decode: DecodePlan
    gate: PolicyEngine
    folder: PlanFolder
    write_root: WriteRoot
    static_check: StaticCheck
    read_target: ReadTarget
    read_digests: ReadDigests
    tool_version: str
    clock: Clock
    observe: Observe = lambda _step, _text: None
    source_map: Mapping[str, Place] = field(default_factory=dict)
    live_versions: Mapping[str, int] = field(default_factory=dict)
    previous_entries: Mapping[str, str] = field(default_factory=dict)
    previous_grants: tuple[str, ...] | None = None
    previous_digests: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, tuple[PolicyDocument, ...]] = field(default_factory=dict)

    def gate_input(self, plan: Plan | None) -> GateInput:
        """What the gate judges."""
        return GateInput(
            spec=self.spec,
            plan=plan,
            live_versions=self.live_versions,
            previous_entries=self.previous_entries,
            documents=self.documents,
        )


def plan_infrastructure(context: PlanContext, *, destroy: bool = False) -> ReviewedPlan:
    """Plan, judge, and write the reviewed-plan folder.

    Args:
        context: the collaborators.
        destroy: plan the removal of everything instead.

    Returns:
        the plan with manifest, review and verdict. It is written also when the gate says no, so that it can be shown;
        `apply_plan` then refuses it.

    Raises:
        PolicyError: foreign code in the configuration, or the spec alone is refused: Terraform was not started.
        ConfigurationError, AuthenticationError, RemoteServiceError: from Terraform, with what to do.
    """
    prepare(context)
    context.folder.clear()
    context.observe("plan", "comparing what is declared with what exists")
    changes = context.runner.plan(context.folder.plan_file, destroy=destroy)
    plan = context.decode(context.runner.show(context.folder.plan_file)) if changes else NO_CHANGES
    verdict = context.gate.evaluate(context.gate_input(plan))
    reviewed = review_plan(context, plan, verdict)
    _write(context, reviewed)
    return reviewed


def prepare(context: PlanContext) -> None:
    """Everything that comes before Terraform reads the configuration, then `init`.

    Raises:
        PolicyError: foreign code in the configuration, or the spec alone is refused: Terraform was not started.
    """
    context.write_root()
    _refuse_foreign_code(context.static_check())
    refuse_unless_passed(context.gate.evaluate(context.gate_input(None)))
    context.observe("plan", "preparing Terraform")
    context.runner.init()


def review_plan(context: PlanContext, plan: Plan, verdict: GateVerdict) -> ReviewedPlan:
    """Name and describe a plan, reading every digest and the target anew."""
    manifest = read_manifest(context)
    refuse_together(context.previous_digests, manifest.digests)
    review = Review(
        environment=context.spec.environment,
        changes_digest=changes_digest(plan),
        target=review_target(manifest.target),
        spec_digest=manifest.digests["spec"],
        policy_bundle=manifest.digests["policy_bundle"],
        summary=describe(plan, context.spec, previous_grants=context.previous_grants),
        expires=context.clock() + REVIEW_LASTS,
    )
    return ReviewedPlan(plan=plan, manifest=manifest, review=review, verdict=verdict)


def read_manifest(context: PlanContext) -> Manifest:
    """The manifest as it is now: of the plan file in the folder, the files on disk, and the target."""
    return Manifest(
        digests={**context.read_digests(), "plan": context.folder.plan_digest()},
        target=context.read_target(),
        tool_version=context.tool_version,
    )


def _refuse_foreign_code(findings: tuple[Finding, ...]) -> None:
    refuse_unless_passed(GateVerdict(findings=findings, rules_evaluated=1, errors=(), bundle_digest=""))


def _write(context: PlanContext, reviewed: ReviewedPlan) -> None:
    places = {address: str(place) for address, place in context.source_map.items()}
    context.folder.write(SOURCE_MAP, places)
    context.folder.write(GATE, gate_document(reviewed.verdict))
    context.folder.write(REVIEW, reviewed.review.document())
    context.folder.write(MANIFEST, {**reviewed.manifest.as_document(), "plan_digest": reviewed.manifest.plan_digest})


def gate_document(verdict: GateVerdict) -> dict[str, object]:
    """A verdict as JSON, for people and programs."""
    return {
        "passed": verdict.passed,
        "rules_evaluated": verdict.rules_evaluated,
        "policy_bundle": verdict.bundle_digest,
        "errors": list(verdict.errors),
        "findings": [finding_document(finding) for finding in verdict.findings],
    }


def finding_document(finding: Finding) -> dict[str, object]:
    """One finding as JSON."""
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "remedy": finding.remedy,
        "place": str(finding.place) if finding.place else "",
        "entry": finding.entry,
        "address": finding.address,
        "evidence": finding.evidence,
        "controls": list(finding.controls),
        "waiver": finding.waiver,
    }

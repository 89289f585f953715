"""Exactly what was reviewed is applied, to exactly the reviewed target, or nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import Result
from lifecycle.domain.errors import (
    ApprovalMissingError,
    BusyError,
    ConfigurationError,
    LifecycleError,
    Place,
    PolicyError,
    RemoteServiceError,
    UnsafePlanError,
)
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, Severity
from lifecycle.domain.receipt import RunState
from lifecycle.domain.review import ReviewedPlan
from lifecycle.operations.apply_plan import apply_plan
from lifecycle.operations.plan_infrastructure import plan_infrastructure
from tests.unit.operations.infrastructure import NOW, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def approved(world: World) -> ReviewedPlan:
    reviewed = plan_infrastructure(world.planning())
    world.approvals.give(reviewed)
    return reviewed


def test_an_approved_plan_is_applied_and_leaves_a_receipt(world: World) -> None:
    reviewed = approved(world)
    outcome = apply_plan(world.applying())
    assert world.terraform.existing
    assert outcome.receipt is not None
    assert outcome.receipt.state is RunState.APPLIED
    assert outcome.receipt.plan is not None
    assert outcome.receipt.plan.plan_digest == reviewed.manifest.plan_digest
    assert outcome.receipt.plan.addresses == ("module.agent_eu-1.aws_sqs_queue.spool",)
    assert [approval.approver for approval in outcome.receipt.plan.approvals] == ["bea"]
    assert world.receipts.latest() == outcome.receipt
    assert outcome.path is not None
    assert outcome.path.stat().st_mode & 0o777 == 0o600
    assert [event.result for event in world.audit.events] == [Result.INTENT, Result.DONE]


def test_the_folder_is_private_and_holds_no_plan_json(world: World) -> None:
    approved(world)
    folder = world.root / "plan"
    assert folder.stat().st_mode & 0o777 == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names == {"plan.bin", "manifest.json", "review.json", "gate.json", "source_map.json"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_planning_and_applying_in_one_process_decodes_the_plan_once(world: World) -> None:
    reviewed = approved(world)
    apply_plan(world.applying(), reviewed=reviewed)
    assert world.terraform.calls == ["init", "plan", "show", "apply"]


def test_an_empty_plan_is_not_applied(world: World) -> None:
    approved(world)
    apply_plan(world.applying())
    outcome = apply_plan(world.applying(), reviewed=plan_infrastructure(world.planning()))
    assert outcome.receipt is None
    assert world.terraform.calls.count("apply") == 1


def test_a_change_of_grants_is_approved_also_where_terraform_has_nothing_to_do(world: World) -> None:
    """A consumer that cannot be observed is no resource, and yet it decides who holds the next value."""
    approved(world)
    apply_plan(world.applying())
    blind = {"name": "batch", "owner": "ann", "reason": "closed appliance", "expires": "2027-01-01"}
    world.spec = {"credentials": {"agent-key": {"consumers": [{"unobservable": blind}]}}}
    reviewed = plan_infrastructure(world.planning())
    assert reviewed.empty and any("batch" in line for line in reviewed.review.summary)
    with pytest.raises(ApprovalMissingError):
        apply_plan(world.applying(), reviewed=reviewed)
    world.approvals.give(reviewed)
    outcome = apply_plan(world.applying(), reviewed=reviewed)
    assert outcome.receipt is not None and outcome.receipt.plan is not None
    assert [approval.approver for approval in outcome.receipt.plan.approvals] == ["bea"]
    assert any("batch" in sentence for sentence in outcome.receipt.grants)


def _edit(name: str) -> Callable[[World], None]:
    def edit(world: World) -> None:
        (world.root / name / "file").write_text("edited")

    return edit


def _edit_rules(world: World) -> None:
    path = world.root / "policies" / "rules" / "agents.yaml"
    path.write_text(path.read_text() + "\n# edited\n")


def _edit_plan_file(world: World) -> None:
    (world.root / "plan" / "plan.bin").write_text("[]")


def _other_account(world: World) -> None:
    world.target = replace(world.target, account_id="999999999999")


def _other_instance(world: World) -> None:
    world.target = replace(world.target, sandbox_instance="another")


def _other_backend(world: World) -> None:
    world.target = replace(world.target, backend="s3://other/prod.tfstate")


def _someone_applied(world: World) -> None:
    world.terraform.serial += 1


MOVES = [
    (_edit("spec"), "digest of spec"),
    (_edit("generated"), "digest of generated"),
    (_edit("modules"), "digest of modules"),
    (_edit_rules, "digest of policy_bundle"),
    (_edit_plan_file, "digest of plan"),
    (_other_account, "target account_id"),
    (_other_instance, "target sandbox_instance"),
    (_other_backend, "target backend"),
    (_someone_applied, "target serial"),
]


@pytest.mark.parametrize(("move", "named"), MOVES, ids=[named for _, named in MOVES])
def test_whatever_moved_since_the_review_is_refused_by_name(
    world: World, move: Callable[[World], None], named: str
) -> None:
    approved(world)
    move(world)
    with pytest.raises(UnsafePlanError, match=named):
        apply_plan(world.applying())
    assert "apply" not in world.terraform.calls
    assert world.audit.events == []


@pytest.mark.parametrize(("move", "named"), MOVES, ids=[named for _, named in MOVES])
def test_whatever_moved_between_yes_and_apply_of_one_process_is_refused(
    world: World, move: Callable[[World], None], named: str
) -> None:
    reviewed = approved(world)
    move(world)
    with pytest.raises(UnsafePlanError, match=named):
        apply_plan(world.applying(), reviewed=reviewed)


@pytest.mark.parametrize("name", ["manifest.json", "review.json"])
def test_an_edited_document_is_refused(world: World, name: str) -> None:
    approved(world)
    path = world.root / "plan" / name
    path.write_text(path.read_text().replace("123456789012", "999999999999"))
    with pytest.raises(UnsafePlanError, match="was edited"):
        apply_plan(world.applying())


def test_a_review_that_tells_something_else_than_the_plan_does_is_refused(world: World) -> None:
    """Whoever can write the folder may make manifest and plan agree, and even recompute the digest in the review."""
    reviewed = approved(world)
    lie = reviewed.review.model_copy(update={"summary": ("1 to change",)})
    (world.root / "plan" / "review.json").write_text(json.dumps(lie.document()))
    world.approvals.give(replace(reviewed, review=lie))
    with pytest.raises(UnsafePlanError, match="does not do what its review says; this differs: summary"):
        apply_plan(world.applying())


def test_another_digest_than_the_one_asked_for_is_refused(world: World) -> None:
    approved(world)
    with pytest.raises(UnsafePlanError, match="not sha256:00"):
        apply_plan(world.applying(), expected="sha256:00")  # type: ignore[arg-type]  # a digest from the command line


def test_a_lapsed_review_is_refused(world: World) -> None:
    approved(world)
    world.approvals.given[0] = world.approvals.given[0].model_copy(update={"expires": NOW + timedelta(days=30)})
    world.now = NOW + timedelta(days=8)
    with pytest.raises(UnsafePlanError, match="lapsed"):
        apply_plan(world.applying())


def test_without_approval_nothing_is_applied(world: World) -> None:
    plan_infrastructure(world.planning())
    with pytest.raises(ApprovalMissingError, match="given: nobody"):
        apply_plan(world.applying())
    assert world.audit.events == []


@pytest.mark.parametrize("approver", ["ann@build-1", "ann@acme.example", "Ann"])
def test_who_applies_cannot_approve(world: World, approver: str) -> None:
    world.approvals.give(plan_infrastructure(world.planning()), approver=approver)
    with pytest.raises(ApprovalMissingError):
        apply_plan(world.applying())


def test_one_person_counts_once(world: World) -> None:
    world.spec = {"approvals": {"required": 2, "group": "platform-leads"}}
    reviewed = plan_infrastructure(world.planning())
    world.approvals.give(reviewed)
    world.approvals.give(reviewed)
    with pytest.raises(ApprovalMissingError, match="given: bea"):
        apply_plan(world.applying())


def test_a_lapsed_approval_does_not_count(world: World) -> None:
    world.approvals.give(plan_infrastructure(world.planning()), lasts=timedelta(hours=-1))
    with pytest.raises(ApprovalMissingError):
        apply_plan(world.applying())


def test_a_second_plan_with_the_same_effect_keeps_the_approval(world: World) -> None:
    first = approved(world)
    second = plan_infrastructure(world.planning())
    assert first.manifest.plan_digest != second.manifest.plan_digest
    assert apply_plan(world.applying()).receipt is not None


def test_a_second_plan_with_another_effect_voids_the_approval(world: World) -> None:
    approved(world)
    world.terraform.wanted[0]["name"] = "another-queue"
    plan_infrastructure(world.planning())
    with pytest.raises(ApprovalMissingError):
        apply_plan(world.applying())


def test_an_environment_without_approvals_asks_for_a_yes(world: World) -> None:
    world.spec = {"environment": "dev-1", "approvals": {"required": 0}}
    world.target = replace(world.target, environment="dev-1")
    reviewed = plan_infrastructure(world.planning())
    with pytest.raises(ApprovalMissingError, match="not confirmed"):
        apply_plan(world.applying())
    effect = reviewed.review.effect_digest
    world.confirmed = Approval(approver="ann", effect_digest=effect, at=NOW, expires=NOW, method="terminal")
    receipt = apply_plan(world.applying()).receipt
    assert receipt is not None
    assert receipt.plan is not None
    assert receipt.plan.approvals == (world.confirmed,)


def test_foreign_code_is_refused_before_terraform_starts(world: World) -> None:
    place = Place(file="terraform/modules/x/main.tf", line=3, column=1)
    world.foreign = (
        Finding(rule="LC-CODE-001", severity=Severity.ERROR, message="a provisioner", remedy="remove it", place=place),
    )
    with pytest.raises(PolicyError, match=r"main\.tf:3:1"):
        plan_infrastructure(world.planning())
    with pytest.raises(PolicyError):
        apply_plan(world.applying())
    assert world.terraform.calls == []


def test_a_spec_that_is_refused_starts_no_terraform(world: World) -> None:
    world.spec = {"agents": {"eu-1": {"owner": ""}}}
    with pytest.raises(PolicyError, match="LC-SPEC-001"):
        plan_infrastructure(world.planning())
    assert world.terraform.calls == []


def test_a_plan_that_the_gate_refuses_is_shown_and_not_applied(world: World) -> None:
    world.terraform.wanted.append(
        {"address": "module.a.aws_iam_access_key.k", "type": "aws_iam_access_key", "name": "k"}
    )
    reviewed = plan_infrastructure(world.planning())
    assert not reviewed.verdict.passed
    assert (world.root / "plan" / "review.json").exists()
    world.approvals.give(reviewed)
    with pytest.raises(PolicyError, match="LC-VAL-003"):
        apply_plan(world.applying())


def test_without_audit_nothing_is_applied(world: World) -> None:
    approved(world)
    world.audit.refuse = ConfigurationError("disk full", remedy="free space")
    with pytest.raises(ConfigurationError, match="disk full"):
        apply_plan(world.applying())
    assert "apply" not in world.terraform.calls


def test_without_room_for_the_receipt_nothing_is_applied(world: World) -> None:
    approved(world)
    (world.root / "receipts").write_text("a file where the folder should be")
    with pytest.raises((ConfigurationError, OSError)):
        apply_plan(world.applying())
    assert "apply" not in world.terraform.calls


def test_after_an_interrupted_apply_the_next_run_says_so_and_settles_it(world: World) -> None:
    approved(world)
    world.terraform.fail_apply = lambda: RemoteServiceError("stopped half-way", remedy="run again")
    with pytest.raises(RemoteServiceError):
        apply_plan(world.applying())
    assert [event.result for event in world.audit.events] == [Result.INTENT, Result.FAILED]
    (stopped,) = world.receipts.interrupted()
    assert (stopped.id, stopped.state, stopped.problem) == ("run-1", RunState.FAILED, "stopped half-way")
    world.terraform.fail_apply = None
    reviewed = plan_infrastructure(world.planning())
    outcome = apply_plan(world.applying(), reviewed=reviewed)
    assert [run.id for run in outcome.resumed] == ["run-1"]
    assert any("the run run-1 of ann@build-1" in line and "stopped half-way" in line for line in world.said)
    assert world.receipts.interrupted() == ()


def test_a_killed_run_is_said_to_be_cut_off(world: World) -> None:
    approved(world)

    def kill() -> LifecycleError:
        raise KeyboardInterrupt

    world.terraform.fail_apply = kill
    with pytest.raises(KeyboardInterrupt):
        apply_plan(world.applying())
    world.terraform.fail_apply = None
    apply_plan(world.applying(), reviewed=plan_infrastructure(world.planning()))
    assert any("was cut off; carrying on" in line for line in world.said)
    assert world.receipts.interrupted() == ()


@pytest.mark.parametrize("error", [BusyError("locked by bob", remedy="wait"), UnsafePlanError("stale", remedy="plan")])
def test_what_terraform_refused_is_not_left_open(world: World, error: LifecycleError) -> None:
    approved(world)
    world.terraform.fail_apply = lambda: error
    with pytest.raises(type(error)):
        apply_plan(world.applying())
    assert world.receipts.interrupted() == ()
    assert [event.result for event in world.audit.events] == [Result.INTENT, Result.REFUSED]


def test_rules_that_are_not_the_reviewed_ones_do_not_count(world: World) -> None:
    """The digest of the folder is right, but another engine answers."""
    approved(world)
    applying = world.applying()
    engine = applying.planning.gate

    class OtherRules:
        def evaluate(self, subject: GateInput) -> GateVerdict:
            return replace(engine.evaluate(subject), bundle_digest="sha256:other")

    planning = replace(applying.planning, gate=OtherRules())
    with pytest.raises(PolicyError, match="not the reviewed ones"):
        apply_plan(replace(applying, planning=planning))


@pytest.mark.parametrize("gone", ["target", "digests", "tool_version", "schema_version"])
def test_an_incomplete_manifest_is_refused(world: World, gone: str) -> None:
    approved(world)
    path = world.root / "plan" / "manifest.json"
    document = json.loads(path.read_text())
    del document[gone]
    path.write_text(json.dumps(document))
    with pytest.raises(UnsafePlanError, match="not complete"):
        apply_plan(world.applying())

"""Plan, review, apply and receipt with the real Terraform, on a root that needs no provider."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from lifecycle.domain.approval import Approval
from lifecycle.domain.errors import RemoteServiceError, UnsafePlanError
from lifecycle.domain.leak import HandledSecret
from lifecycle.domain.plan import Target
from lifecycle.domain.review import ReviewedPlan
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.surfaces import FetchedSurface, FolderSurface
from lifecycle.foundation.tree_digest import file_digest, tree_digest
from lifecycle.journals.audit_file import FileAuditLog, verify_audit
from lifecycle.journals.plan_store import PlanFolderFiles
from lifecycle.journals.receipt_files import ReceiptFiles
from lifecycle.operations.apply_plan import ApplyContext, ApplyOutcome, apply_plan
from lifecycle.operations.plan_infrastructure import PlanContext, plan_infrastructure
from lifecycle.operations.scan_for_leaks import Surface, scan_for_leaks
from lifecycle.policy_engine.bundle import bundle_digest
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.terraform_cli.plan_reader import read_plan
from lifecycle.terraform_cli.runner import TerraformCli
from tests.integration.terraform_cli.roots import cli
from tests.unit.operations.infrastructure import GivenApprovals, subject

POLICIES = Path(__file__).parents[3] / "policies"
VALUE = "c4n4ry-in-a-state-0815"


@dataclass
class Checkout:
    """A root with one module call for the agent `eu-1`, applied by the real Terraform."""

    folder: Path
    terraform: TerraformCli
    instance: str = "one"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def write(self, name: str, *, value: str = "", fails: bool = False) -> None:
        call: dict[str, object] = {"source": "./agent", "name": name, "value": value}
        (self.root / "main.tf.json").write_text(json.dumps({"module": {"agent_eu-1": call}}))
        module = self.root / "agent"
        module.mkdir(parents=True, exist_ok=True)
        resources: dict[str, object] = {"queue": {"input": "${var.name}"}, "token": {"input": "${var.value}"}}
        if fails:
            broken = {"provisioner": [{"local-exec": {"command": "exit 1"}}], "depends_on": ["terraform_data.queue"]}
            resources["broken"] = broken
        variables = {"name": {"type": "string"}, "value": {"type": "string", "sensitive": True}}
        document = {"variable": variables, "resource": {"terraform_data": resources}}
        (module / "main.tf.json").write_text(json.dumps(document))

    def planning(self) -> PlanContext:
        latest = self.receipts.latest()
        return PlanContext(
            spec=subject().spec,
            runner=self.terraform,
            decode=read_plan,
            gate=TypedPolicyEngine(POLICIES, clock=lambda: datetime.now(UTC)),
            folder=PlanFolderFiles(self.folder / "plan"),
            write_root=lambda: None,
            static_check=lambda: (),
            read_target=self._target,
            read_digests=self._digests,
            tool_version="0.1.0",
            clock=lambda: datetime.now(UTC),
            previous_grants=latest.grants if latest else None,
        )

    def _digests(self) -> dict[str, str]:
        modules = tree_digest(self.root / "agent")
        generated = file_digest(self.root / "main.tf.json")
        bundle = bundle_digest(POLICIES)
        return {"spec": "sha256:1", "generated": generated, "modules": modules, "policy_bundle": bundle}

    def _target(self) -> Target:
        state = self.terraform.state_identity()
        return Target(
            environment="prod-eu",
            account_id="123456789012",
            region="eu-west-1",
            endpoint="",
            backend="local",
            lineage=state.lineage,
            serial=state.serial,
            sandbox_instance=self.instance,
        )

    def apply(self, reviewed: ReviewedPlan, *, same_process: bool = False) -> ApplyOutcome:
        approvals = GivenApprovals()
        effect = reviewed.review.effect_digest
        expires = reviewed.review.expires
        approvals.given = [
            Approval(approver="bea", effect_digest=effect, at=expires, expires=expires, method="ssh-signature")
        ]
        context = ApplyContext(
            planning=self.planning(),
            approvals=approvals,
            confirm=lambda _reviewed: None,
            audit=FileAuditLog(self.folder / "audit" / "audit.jsonl"),
            receipts=self.receipts,
            actor="ann",
            new_id=lambda: uuid4().hex,
        )
        return apply_plan(context, reviewed=reviewed if same_process else None)

    @property
    def receipts(self) -> ReceiptFiles:
        return ReceiptFiles(self.folder / "receipts")


@pytest.fixture
def checkout(tmp_path: Path, terraform_binary: Path, terraform_environment: dict[str, str]) -> Checkout:
    (tmp_path / "root").mkdir()
    made = Checkout(tmp_path, cli(tmp_path / "root", terraform_binary, terraform_environment))
    made.write("mlops-spool")
    return made


@pytest.mark.parametrize("same_process", [True, False])
def test_what_was_reviewed_is_applied_and_the_second_plan_is_empty(checkout: Checkout, same_process: bool) -> None:
    reviewed = plan_infrastructure(checkout.planning())
    assert reviewed.review.summary[0] == "2 to create"
    outcome = checkout.apply(reviewed, same_process=same_process)
    assert outcome.receipt is not None
    assert outcome.receipt.plan is not None
    assert len(outcome.receipt.plan.addresses) == 2
    assert verify_audit(checkout.folder / "audit" / "audit.jsonl").sequence == 2
    again = plan_infrastructure(checkout.planning())
    assert again.plan.empty
    assert checkout.apply(again, same_process=True).receipt is None


def test_a_plan_does_not_survive_an_apply_by_somebody_else(checkout: Checkout) -> None:
    reviewed = plan_infrastructure(checkout.planning())
    checkout.terraform.apply(checkout.folder / "plan" / "plan.bin")
    with pytest.raises(UnsafePlanError, match="target lineage, target serial"):
        checkout.apply(reviewed)


def test_terraform_itself_refuses_a_plan_that_went_stale_after_our_check(checkout: Checkout) -> None:
    reviewed = plan_infrastructure(checkout.planning())
    plan = (checkout.folder / "plan" / "plan.bin").read_bytes()
    checkout.terraform.apply(checkout.folder / "plan" / "plan.bin")
    current = plan_infrastructure(checkout.planning())
    (checkout.folder / "plan" / "plan.bin").write_bytes(plan)
    digests = {**current.manifest.digests, "plan": reviewed.manifest.digests["plan"]}
    forged = replace(
        reviewed,
        manifest=replace(current.manifest, digests=digests),
        review=reviewed.review.model_copy(update={"target": current.review.target}),
    )
    with pytest.raises(UnsafePlanError, match="stale"):
        checkout.apply(forged, same_process=True)
    assert checkout.receipts.interrupted() == ()


def test_a_plan_file_of_another_effect_is_refused_although_the_manifest_was_forged_to_match(checkout: Checkout) -> None:
    reviewed = plan_infrastructure(checkout.planning())
    review = (checkout.folder / "plan" / "review.json").read_bytes()
    checkout.write("another-queue")
    plan_infrastructure(checkout.planning())
    (checkout.folder / "plan" / "review.json").write_bytes(review)
    with pytest.raises(UnsafePlanError, match="differs: changes digest"):
        checkout.apply(reviewed)


def test_a_plan_for_another_sandbox_instance_is_refused(checkout: Checkout) -> None:
    reviewed = plan_infrastructure(checkout.planning())
    checkout.instance = "two"
    with pytest.raises(UnsafePlanError, match="target sandbox_instance"):
        checkout.apply(reviewed)


def test_an_apply_that_stops_half_way_is_named_and_finished_by_the_next_run(checkout: Checkout) -> None:
    checkout.write("mlops-spool", fails=True)
    with pytest.raises(RemoteServiceError):
        checkout.apply(plan_infrastructure(checkout.planning()))
    (open_run,) = checkout.receipts.interrupted()
    assert open_run.actor == "ann"
    checkout.write("mlops-spool")
    outcome = checkout.apply(plan_infrastructure(checkout.planning()), same_process=True)
    assert outcome.resumed == (open_run,)
    assert checkout.receipts.interrupted() == ()
    assert plan_infrastructure(checkout.planning()).plan.empty


def test_a_value_in_state_and_plan_is_found_by_the_scan(checkout: Checkout) -> None:
    checkout.write("mlops-spool", value=VALUE)
    checkout.apply(plan_infrastructure(checkout.planning()), same_process=True)
    surfaces: list[Surface] = [
        FetchedSurface(name="state", fetch=checkout.terraform.state_bytes),
        FolderSurface(name="plan", folder=checkout.folder / "plan"),
        FolderSurface(name="receipts", folder=checkout.folder / "receipts"),
        FolderSurface(name="audit", folder=checkout.folder / "audit"),
    ]
    scan = scan_for_leaks([HandledSecret(label="credentials.k token", value=SecretText(VALUE))], surfaces)
    places = {(leak.surface, leak.where) for leak in scan.leaks}
    assert ("state", "state") in places
    assert ("plan", "plan.bin!tfplan") in places
    assert {surface for surface, _ in places} == {"state", "plan"}
    assert [surface.name for surface in scan.surfaces if surface.scanned] == ["state", "plan", "receipts", "audit"]

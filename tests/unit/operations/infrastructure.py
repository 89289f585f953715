"""A Terraform that keeps its state in memory, and everything around a plan, for tests of plan and apply."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Digest, digest_bytes
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.plan import Action, AppliedChanges, Plan, ResourceChange, StateIdentity, Target, ToolIdentity
from lifecycle.domain.policy import Finding, GateInput
from lifecycle.domain.ports import TerraformRunner
from lifecycle.domain.review import ReviewedPlan
from lifecycle.foundation.tree_digest import tree_digest
from lifecycle.journals.plan_store import PlanFolderFiles
from lifecycle.journals.receipt_files import ReceiptFiles
from lifecycle.operations.apply_plan import ApplyContext
from lifecycle.operations.plan_infrastructure import PlanContext
from lifecycle.policy_engine.bundle import bundle_digest
from lifecycle.policy_engine.fixtures import Case, gate_input
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml

POLICIES = Path(__file__).parents[3] / "policies"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PROD = Target(
    environment="prod-eu",
    account_id="123456789012",
    region="eu-west-1",
    endpoint="",
    backend="s3://acme-tfstate/prod.tfstate",
    lineage="",
    serial=0,
)
TAGS = {"owner": "ml-platform", "spec-entry": "agents.eu-1", "managed-by": "lifecycle"}
QUEUE = {"address": "module.agent_eu-1.aws_sqs_queue.spool", "type": "aws_sqs_queue", "name": "mlops-spool"}


def subject(**changes: Any) -> GateInput:
    case = Case(rule="LC-SPEC-001", fires=False, because="the base is good", **changes)
    return gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml"))


def decode(shown: bytes) -> Plan:
    changes = tuple(
        ResourceChange(
            address=item["address"],
            type=item["type"],
            action=Action(item["action"]),
            entry="agents.eu-1",
            before=item.get("before", {}),
            after={"name": item["name"], "tags": TAGS},
            provider="registry.terraform.io/hashicorp/aws",
        )
        for item in json.loads(shown)
    )
    return Plan(format_version="1.2", terraform_version="1.11.4", changes=changes)


class MemoryTerraform:
    """Plans the difference between `wanted` and what was applied; a saved plan is refused once the serial moved."""

    def __init__(self) -> None:
        self.wanted: list[dict[str, str]] = [dict(QUEUE)]
        self.existing: dict[str, dict[str, str]] = {}
        self.serial = 0
        self.calls: list[str] = []
        self.fail_apply: Callable[[], LifecycleError] | None = None

    def version(self) -> ToolIdentity:
        return ToolIdentity(name="terraform", version="1.11.4")

    def init(self) -> None:
        self.calls.append("init")

    def plan(self, out: Path, *, destroy: bool = False, refresh_only: bool = False) -> bool:
        assert not refresh_only
        self.calls.append("plan")
        changes: list[dict[str, Any]] = []
        for item in [] if destroy else self.wanted:
            before = self.existing.get(item["address"])
            if before != item:
                changes.append({**item, "action": "update" if before else "create", "before": before or {}})
        # Salted, as the bytes of two saved plans are never equal.
        out.write_text(json.dumps(changes) + " " * len(self.calls))
        return bool(changes)

    def show(self, plan: Path) -> bytes:
        self.calls.append("show")
        return plan.read_bytes()

    def apply(self, plan: Path) -> AppliedChanges:
        self.calls.append("apply")
        if self.fail_apply is not None:
            raise self.fail_apply()
        done = json.loads(plan.read_bytes())
        for item in done:
            self.existing[item["address"]] = {k: item[k] for k in ("address", "type", "name")}
        self.serial += 1
        return AppliedChanges(addresses=tuple(item["address"] for item in done))

    def state_identity(self) -> StateIdentity:
        return StateIdentity(lineage="L" if self.serial else "", serial=self.serial)

    def state_bytes(self) -> bytes:
        return json.dumps(self.existing).encode()


_: type[TerraformRunner] = MemoryTerraform


class ListedAudit:
    """An audit log in memory that can refuse to write."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.refuse: LifecycleError | None = None

    def append(self, event: AuditEvent) -> Digest:
        if self.refuse is not None:
            raise self.refuse
        self.events.append(event)
        return digest_bytes(event.model_dump_json().encode())

    def read(self) -> tuple[AuditEvent, ...]:
        return tuple(self.events)


class GivenApprovals:
    """Approvals that a test hands out."""

    def __init__(self) -> None:
        self.given: list[Approval] = []

    def verified(self, digest: Digest) -> tuple[Approval, ...]:
        return tuple(approval for approval in self.given if approval.effect_digest == digest)

    def give(self, reviewed: ReviewedPlan, approver: str = "bea", lasts: timedelta = timedelta(days=1)) -> None:
        digest = reviewed.review.effect_digest
        self.given.append(
            Approval(approver=approver, effect_digest=digest, at=NOW, expires=NOW + lasts, method="ssh-signature")
        )


@dataclass
class World:
    """A checkout, a cloud and a clock; `planning` and `applying` build fresh contexts as a new process would."""

    root: Path
    terraform: MemoryTerraform = field(default_factory=MemoryTerraform)
    audit: ListedAudit = field(default_factory=ListedAudit)
    approvals: GivenApprovals = field(default_factory=GivenApprovals)
    spec: dict[str, Any] = field(default_factory=dict)
    target: Target = PROD
    now: datetime = NOW
    foreign: tuple[Finding, ...] = ()
    confirmed: Approval | None = None
    runs: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shutil.copytree(POLICIES, self.root / "policies")
        for name in ("spec", "generated", "modules"):
            (self.root / name).mkdir()
            (self.root / name / "file").write_text(name)

    def planning(self) -> PlanContext:
        given = subject(spec=self.spec)
        latest = self.receipts.latest()
        return PlanContext(
            spec=given.spec,
            runner=self.terraform,
            decode=decode,
            gate=TypedPolicyEngine(self.root / "policies", clock=lambda: self.now),
            folder=PlanFolderFiles(self.root / "plan"),
            write_root=lambda: None,
            static_check=lambda: self.foreign,
            read_target=self._target,
            read_digests=self._digests,
            tool_version="0.1.0",
            clock=lambda: self.now,
            observe=lambda step, text: self.said.append(f"{step}: {text}"),
            previous_grants=latest.grants if latest else None,
        )

    def applying(self) -> ApplyContext:
        return ApplyContext(
            planning=self.planning(),
            approvals=self.approvals,
            confirm=lambda _reviewed: self.confirmed,
            audit=self.audit,
            receipts=self.receipts,
            actor="ann@build-1",
            new_id=self._new_id,
        )

    @property
    def receipts(self) -> ReceiptFiles:
        return ReceiptFiles(self.root / "receipts")

    def _new_id(self) -> str:
        self.runs += 1
        return f"run-{self.runs}"

    def _target(self) -> Target:
        state = self.terraform.state_identity()
        return replace(self.target, lineage=state.lineage, serial=state.serial)

    def _digests(self) -> dict[str, str]:
        trees = {name: tree_digest(self.root / name) for name in ("spec", "generated", "modules")}
        return {**trees, "policy_bundle": bundle_digest(self.root / "policies")}

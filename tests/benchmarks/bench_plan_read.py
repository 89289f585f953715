"""G9: decoding a plan and running every shipped rule over it, against the `terraform show -json` that produces one.

The plan is made by hand: AWS resources of service accounts, so that the rules have something to judge. The reference is
a plan of as many `terraform_data`, whose `show` loads no provider and is the cheapest there is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from lifecycle.domain.policy import GateInput
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.terraform_cli.addresses import address_of
from lifecycle.terraform_cli.plan_reader import read_plan
from tests.benchmarks.bench_generate import load, write_environment
from tests.benchmarks.bench_terraform import Root, flat
from tests.benchmarks.measuring import Effort, NotMeasured, Result, compare, seconds

POLICIES = Path(__file__).resolve().parents[2] / "policies"


def run(effort: Effort, scratch: Path) -> list[Result]:
    """The goal, and what of it is decoding."""
    binary = shutil.which("terraform") or shutil.which("tofu")
    if binary is None:
        return [NotMeasured(name="G9", why="neither terraform nor tofu is on PATH")]
    size = effort.pick(10_000, 1_000)
    folder = scratch / "bench"
    write_environment(folder, size // 4)
    spec = load(folder)
    shown = orjson.dumps(plan_document(size // 4))
    engine = TypedPolicyEngine(POLICIES, clock=lambda: datetime.now(UTC))

    def decode_and_judge() -> None:
        verdict = engine.evaluate(GateInput(spec=spec, plan=read_plan(shown)))
        if verdict.errors or not verdict.passed:
            said = [*verdict.errors, *(f"{finding.rule} {finding.message}" for finding in verdict.findings)]
            raise RuntimeError(f"the plan is not judged as a harmless one: {said[:3]}")

    root = Root(scratch / "show", binary, flat(size))
    root.plan()
    sides = {
        "ours": lambda: seconds(decode_and_judge),
        "show-json": lambda: root.bare("show", "-json", "bare.bin"),
    }
    rounds = effort.pick(5, 5)
    results = compare("G9", f"decode+all rules changes={size}", sides=sides, rounds=rounds, limits={"show-json": 0.05})
    decode = {"ours": lambda: seconds(lambda: read_plan(shown)), "show-json": sides["show-json"]}
    return results + compare("G9", f"decode alone changes={size}", sides=decode, rounds=3, limits={"show-json": 0.05})


def plan_document(accounts: int) -> dict[str, Any]:
    """The plan of so many new service accounts, with four resources each."""
    changes = [change for number in range(accounts) for change in account_changes(number)]
    return {"format_version": "1.2", "terraform_version": "1.11.4", "complete": True, "resource_changes": changes}


def account_changes(number: int) -> Iterator[dict[str, Any]]:
    """A role, its policy, a secret and a parameter."""
    name = f"account-{number:06d}"
    tags = {"environment": "bench", "owner": f"team-{number % 50}", "managed-by": "lifecycle", "spec-entry": name}
    trusted = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::acme-{number}/*"]}
    yield change(name, "aws_iam_role", name=name, assume_role_policy=policy(trusted), tags=tags)
    yield change(name, "aws_iam_role_policy", name="least", policy=policy(allowed))
    yield change(name, "aws_secretsmanager_secret", name=f"bench/{name}", recovery_window_in_days=30, tags=tags)
    yield change(name, "aws_cloudwatch_log_group", name=f"/lifecycle/{name}", retention_in_days=90, tags=tags)


def policy(statement: dict[str, Any]) -> str:
    """A policy document of one statement, as Terraform holds it."""
    return orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()


def change(entry: str, kind: str, **after: Any) -> dict[str, Any]:
    """One creation, as `show -json` writes it."""
    return {
        "address": f"{address_of(f'service_accounts.{entry}')}.{kind}.this",
        "module_address": address_of(f"service_accounts.{entry}"),
        "mode": "managed",
        "type": kind,
        "name": "this",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": ["create"],
            "before": None,
            "after": after,
            "after_unknown": {"arn": True, "id": True},
            "before_sensitive": False,
            "after_sensitive": {},
        },
    }

"""G9: decoding a plan and running every shipped rule over it, against the `terraform show -json` that produces one.

The plan is made by hand: AWS resources of service accounts, so that the rules have something to judge. The reference is
the `show` of a plan of as many, equal resources; and, as a second one, of as many `terraform_data`, whose `show` loads
no provider and is the cheapest there is. Beside it: all checks of a spec of a thousand entries against one second, and
the dozen rules that exist in CEL and in Rego against `opa eval`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from lifecycle.clients.opa import Opa
from lifecycle.domain.plan import Plan
from lifecycle.domain.policy import GateInput
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.rego_rules import QUERY, rego_input
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.terraform_cli.addresses import address_of
from lifecycle.terraform_cli.cli_config import find_mirror
from lifecycle.terraform_cli.plan_reader import read_plan
from tests.benchmarks.bench_generate import load, write_environment
from tests.benchmarks.bench_terraform import AWS_VERSION, MIRRORS, Root, flat, users
from tests.benchmarks.measuring import Effort, NotMeasured, Result, compare, seconds
from tests.servers.provision import SERVERS

POLICIES = Path(__file__).resolve().parents[2] / "policies"
PARITY = Path(__file__).resolve().parents[1] / "integration" / "policy_engine" / "parity"


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

    cheap = Root(scratch / "show", binary, flat(size))
    cheap.plan()
    sides = {
        "ours": lambda: seconds(decode_and_judge),
        "show-nothing": lambda: cheap.bare("show", "-json", "bare.bin"),
    }
    mirror = find_mirror(MIRRORS, version=AWS_VERSION)
    if mirror is not None:
        same = Root(scratch / "same", binary, resources(size // 4), mirror)
        same.plan()
        sides["show-json"] = lambda: same.bare("show", "-json", "bare.bin")
    limits = {side: 0.05 for side in sides if side != "ours"}
    results = compare("G9", f"decode+all rules changes={size}", sides=sides, rounds=5, limits=limits)
    decode = {**sides, "ours": lambda: seconds(lambda: read_plan(shown))}
    results += compare("G9", f"decode alone changes={size}", sides=decode, rounds=3, limits=limits)
    return results + spec_checks(scratch / "spec", effort.pick(1_000, 1_000)) + parity(scratch, spec, read_plan(shown))


def spec_checks(scratch: Path, entries: int) -> list[Result]:
    """All checks of a spec, from its files to the verdict, against one second."""
    folder = scratch / "bench"
    write_environment(folder, entries)

    def check() -> None:
        engine = TypedPolicyEngine(POLICIES, clock=lambda: datetime.now(UTC))
        if engine.evaluate(GateInput(spec=load(folder))).errors:
            raise RuntimeError("the spec could not be judged")

    sides = {"ours": lambda: seconds(check), "one-second": lambda: 1.0}
    return compare(
        "G9", f"load+all checks of a spec entries={entries}", sides=sides, rounds=5, limits={"one-second": 1}
    )


def parity(scratch: Path, spec: Spec, plan: Plan) -> list[Result]:
    """The rules that are written in both languages, over the same plan."""
    binary = SERVERS["opa"].path
    if not binary.exists():
        return [NotMeasured(name="G9", why="opa is not built: python -m tests.servers.provision opa")]
    bundle = Path(shutil.copytree(POLICIES, scratch / "parity"))
    for path in (bundle / "rules").glob("*.yaml"):
        path.unlink()
    shutil.copy(PARITY / "parity.yaml", bundle / "rules")
    engine = TypedPolicyEngine(bundle, clock=lambda: datetime.now(UTC), rules=(), proven=False)
    opa = Opa(str(binary), environment={"PATH": os.defpath})
    given = GateInput(spec=spec, plan=plan)

    def ours() -> None:
        if engine.evaluate(given).errors:
            raise RuntimeError("the rules could not be evaluated")

    def rego() -> None:
        opa.evaluate(QUERY, policies=PARITY, document=rego_input(given, "2026-11-24"))

    ours()  # compiled once, as opa's version and capabilities are asked once
    rego()
    sides = {"ours": lambda: seconds(ours), "opa-eval": lambda: seconds(rego)}
    what = f"parity rules changes={len(plan.changes)}"
    return compare("G9", what, sides=sides, rounds=5, limits={"opa-eval": 1})


def resources(accounts: int) -> dict[str, Any]:
    """A root of the same resources as `plan_document`, for the real provider."""
    root: dict[str, Any] = users(0)["main.tf.json"]
    made: dict[str, dict[str, Any]] = {}
    for number in range(accounts):
        for item in account_changes(number):
            attributes = dict(item["change"]["after"])
            if item["type"] == "aws_iam_role_policy":
                attributes["role"] = f"account-{number:06d}"
            made.setdefault(item["type"], {})[f"a{number}"] = attributes
    return {"main.tf.json": {**root, "resource": made}}


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

"""An environment that is no sandbox, as a team runs it: bootstrap, plan, approve, apply exactly that, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from lifecycle.domain.errors import ExitCode
from tests.contract.sandbox_server import Double, running_double
from tests.end_to_end.checkout import Checkout
from tests.integration.production.environment import Approver, closed, pin_policies, production


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("production-aws")) as one:
        yield one


@pytest.fixture
def name() -> str:
    return f"acme-{uuid4().hex[:8]}"


@pytest.fixture
def checkout(
    tmp_path: Path, double: Double, name: str, terraform_binary: Path, provider_mirror: Path
) -> Iterator[Checkout]:
    tools = {"LIFECYCLE_PROVIDER_MIRROR": str(provider_mirror), "LIFECYCLE_TERRAFORM": str(terraform_binary)}
    yield from closed(production(tmp_path, double, name=name, extra=tools))


def test_bootstrap_makes_what_is_missing_once(checkout: Checkout, double: Double, name: str) -> None:
    refused = checkout.run("bootstrap")
    assert refused.code == ExitCode.REFUSED
    assert f"to make  journal table {name}-journal: table, point-in-time recovery" in refused.err
    assert "--yes" in refused.err
    made = checkout.run("bootstrap", "--yes", "--output", "json", ok=True).document
    assert made["made"] == [
        f"KMS key alias/{name}",
        f"state bucket {name}-tfstate",
        f"journal table {name}-journal",
        "fingerprint key in secret store default",
    ]
    again = checkout.run("bootstrap", ok=True)
    assert again.out == "nothing to do: every part exists\n"

    clients = double.aws()
    s3 = clients.reader("s3")
    assert s3.get_bucket_versioning(Bucket=f"{name}-tfstate")["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=f"{name}-tfstate")
    block = s3.get_public_access_block(Bucket=f"{name}-tfstate")["PublicAccessBlockConfiguration"]
    assert all(block.values()) and len(block) == 4
    backups = clients.reader("dynamodb").describe_continuous_backups(TableName=f"{name}-journal")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_bootstrap_repairs_what_somebody_weakened(checkout: Checkout, double: Double, name: str) -> None:
    checkout.run("bootstrap", "--yes", ok=True)
    s3 = double.aws().writer("s3")
    s3.put_bucket_versioning(Bucket=f"{name}-tfstate", VersioningConfiguration={"Status": "Suspended"})
    s3.delete_public_access_block(Bucket=f"{name}-tfstate")
    made = checkout.run("bootstrap", "--yes", "--output", "json", ok=True).document
    assert made["made"] == [f"state bucket {name}-tfstate"]
    assert made["parts"][f"state bucket {name}-tfstate"] == ["versioning", "public access block"]


def test_bootstrap_in_the_wrong_account_makes_nothing(checkout: Checkout, double: Double, name: str) -> None:
    checkout.edit("environment.yaml", '"123456789012"', '"210987654321"')
    refused = checkout.run("bootstrap", "--yes")
    assert refused.code == ExitCode.REFUSED
    assert "123456789012" in refused.err and "210987654321" in refused.err
    assert f"{name}-journal" not in double.aws().reader("dynamodb").list_tables()["TableNames"]


def test_bootstrap_tells_how_ci_jobs_log_in(checkout: Checkout) -> None:
    checkout.run("bootstrap", "--yes", ok=True)
    told = checkout.run("bootstrap", "--repository", "acme/platform", ok=True).out
    assert "repo:acme/platform:environment:production" in told
    assert checkout.run("bootstrap", "--repository", "nonsense").code == ExitCode.CONFIGURATION


def test_a_plan_is_applied_only_as_it_was_approved(checkout: Checkout, tmp_path: Path, name: str) -> None:
    bea, self_approving = Approver.hire(tmp_path, "bea@acme.example"), Approver.hire(tmp_path, "deploy@acme.example")
    pinned = pin_policies(checkout, bea, self_approving)
    checkout.run("bootstrap", "--yes", ok=True)
    plan = tmp_path / "plan"
    assert checkout.run("plan", "--out", str(plan)).code == ExitCode.REFUSED  # nothing is pinned
    planned = checkout.run("plan", "--out", str(plan), env=pinned)
    assert planned.code == 0, planned.text

    checkout.run("approve", str(plan), "--key", str(self_approving.key), env=pinned, ok=True)
    refused = checkout.run("apply", "--plan", str(plan), env=pinned)
    assert refused.code == ExitCode.REFUSED
    assert "1 approvals" in refused.err and "given: nobody" in refused.err

    checkout.run("approve", str(plan), "--key", str(bea.key), env=pinned, ok=True)
    applied = checkout.run("apply", "--plan", str(plan), env=pinned)
    assert applied.code == 0, applied.text
    delivered = json.loads((checkout.state / "delivered" / "feature-reader.json").read_text())
    assert delivered["access_key_id"]

    second = checkout.run("apply", env=pinned)
    assert second.code == 0, second.text
    assert "no changes" in second.err
    status = checkout.run("rotate", "status", "--output", "json", env=pinned, ok=True)
    assert "feature-reader-key" in status.out
    assert not list(checkout.state_home.rglob("*.sqlite3"))

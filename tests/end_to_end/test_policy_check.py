"""`policy check` over a plan that a real `plan` of the sandbox wrote, as a folder and as what Terraform shows of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.end_to_end.checkout import Checkout


@pytest.mark.timeout(600)
def test_a_reviewed_plan_is_judged_in_every_format_and_only_when_it_is_the_reviewed_one(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.run("plan", ok=True)
    folder = checkout.state / "plans" / "current"
    check = ("policy", "check", "--plan", str(folder))
    judged = checkout.run(*check, "--output", "json", ok=True).document
    assert (
        judged["passed"]
        and judged["rules_evaluated"] > checkout.run("check", "--output", "json").document["rules_evaluated"]
    )
    assert "policy gate: passed" in checkout.run(*check, ok=True).out
    sarif = json.loads(checkout.run(*check, "--format", "sarif", ok=True).out)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "LC-AGT-004"
    junit = ElementTree.fromstring(checkout.run(*check, "--format", "junit", ok=True).out)
    asked = [case.get("name", "") for case in junit.iter("testcase") if case.find("skipped") is None]
    assert any(name.startswith("LC-PLAN-001") for name in asked)
    assert "| Rule | Where |" in checkout.run(*check, "--format", "markdown", ok=True).out
    assert "::warning file=environments/sandbox/" in checkout.run(*check, "--format", "github", ok=True).out
    _as_json_too(checkout, folder, tmp_path / "plan.json", judged)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "plan.bin").write_bytes((other / "plan.bin").read_bytes()[:-1])
    for wrong, said in ((other, "not the one that its manifest names"), (tmp_path / "none", "plan.bin is missing")):
        refused = checkout.run("policy", "check", "--plan", str(wrong))
        assert refused.code == 5 and said in refused.err and "next: " in refused.err and "\x1b" not in refused.text


def _as_json_too(checkout: Checkout, folder: Path, file: Path, judged: object) -> None:
    """What `terraform show -json` prints of the same plan gets the same answer; cut short, none."""
    shown = subprocess.run(
        [checkout.extra["LIFECYCLE_TERRAFORM"], "show", "-json", str(folder / "plan.bin")],
        cwd=checkout.root / "terraform" / "environments" / "sandbox",
        env=checkout.environment(TF_DATA_DIR=str(checkout.state / "terraform")),
        capture_output=True,
        check=True,
    ).stdout
    file.write_bytes(shown)
    assert checkout.run("policy", "check", "--plan-json", str(file), "--output", "json", ok=True).document == judged
    file.write_bytes(shown[: len(shown) // 2])
    cut = checkout.run("policy", "check", "--plan-json", str(file))
    assert cut.code == 5 and "did not give a plan document" in cut.err

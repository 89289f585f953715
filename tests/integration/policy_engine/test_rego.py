"""Rules in Rego, judged by the real `opa`: the answers of CEL, no network, and what goes wrong is a no."""

import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.rego_cases import Trials, rego_trials
from lifecycle.bootstrap.surroundings import Surroundings, read_settings
from lifecycle.clients.opa import Opa
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.policy import GateVerdict
from lifecycle.policy_engine.fixtures import Case, gate_input, load_base
from lifecycle.policy_engine.rego_rules import RegoPolicyEngine
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml
from tests.servers.provisioned import provisioned

POLICIES = Path(__file__).parents[3] / "policies"
PARITY = Path(__file__).parent / "parity"
DOZEN = 12
Judge = Callable[..., GateVerdict]


def now() -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    made = Path(shutil.copytree(POLICIES, tmp_path / "policies"))
    (made / "rego" / "environments.yaml").write_text('["*"]\n')
    return made


@pytest.fixture
def judge(bundle: Path) -> Judge:
    def judged(*changes: dict[str, Any], program: str = "", limit: float = 60) -> GateVerdict:
        opa = Opa(program or str(provisioned("opa")), environment={"PATH": os.defpath}, limit=limit)
        typed = TypedPolicyEngine(bundle, clock=now, proven=False)
        engine = RegoPolicyEngine(bundle, program=opa, clock=now, typed=typed)
        case = Case(rule="LC-SPEC-001", fires=False, because="it is a test", changes=changes)
        return engine.evaluate(gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml")))

    return judged


def group(**more: Any) -> dict[str, Any]:
    address = 'module.a.aws_cloudwatch_log_group.this["x"]'
    return {"address": address, "type": "aws_cloudwatch_log_group", "action": "create", "entry": "agents.eu-1", **more}


def test_a_finding_in_rego_is_one_of_the_gate_with_its_place_and_quotes_in_addresses(judge: Judge) -> None:
    verdict = judge(group(after={"retention_in_days": 0, "tags": {}}))
    (found,) = [item for item in verdict.findings if item.rule == "LC-RGO-001"]
    assert found in verdict.blocking and not verdict.passed
    assert found.address == 'module.a.aws_cloudwatch_log_group.this["x"]'
    assert found.entry == "agents.eu-1" and found.place is not None and found.controls == ("NIST-800-53 AU-11",)
    assert "LC-RGO-001" in verdict.evaluated


def test_what_is_known_only_after_apply_is_not_passed(judge: Judge) -> None:
    verdict = judge(group(unknown={"retention_in_days": True}))
    messages = [item.message for item in verdict.blocking if item.rule == "LC-RGO-001"]
    assert any("known only after apply" in text for text in messages)


def test_an_environment_that_does_not_ask_needs_no_opa(judge: Judge, bundle: Path) -> None:
    (bundle / "rego" / "environments.yaml").write_text('["staging-*"]\n')
    assert judge(program="opa-that-nobody-installed").passed


def test_a_missing_opa_is_not_passed(judge: Judge) -> None:
    verdict = judge(program="opa-that-nobody-installed")
    assert not verdict.passed and "opa-that-nobody-installed was not found" in verdict.errors[0]


@pytest.mark.parametrize(("said", "why"), [("Version: 0.70.0", "OPA 0.70 is too old"), ("hello", "does not tell its")])
def test_another_program_or_version_is_not_passed(judge: Judge, tmp_path: Path, said: str, why: str) -> None:
    other = tmp_path / "opa"
    other.write_text(f"#!/bin/sh\necho '{said}'\n")
    other.chmod(0o755)
    verdict = judge(program=str(other))
    assert not verdict.passed and why in verdict.errors[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("package lifecycle\nx := ", "mine.rego:3"),
        (
            'package lifecycle\nx := http.send({"method": "get", "url": "http://127.0.0.1:1"})',
            "undefined function http.send",
        ),
        ("package lifecycle\nx := opa.runtime()", "undefined function opa.runtime"),
        ('package lifecycle\nfindings contains {"rule": "LC-RGO-9", "message": "m"}', "undeclared rule LC-RGO-9"),
        ('package lifecycle\nfindings contains {"rule": "LC-RGO-001"}', "message: Field required"),
        ('package lifecycle\nrules["LC-RGO-002"] := {"severity": "bad", "remedy": "x"}', "severity"),
        (
            'package lifecycle\nfindings contains {"rule": "LC-RGO-001", "message": m} if m := to_number("x")',
            "to_number",
        ),
    ],
)
def test_whatever_is_wrong_in_rego_is_not_passed(judge: Judge, bundle: Path, text: str, why: str) -> None:
    (bundle / "rego" / "mine.rego").write_text(text + "\n")
    verdict = judge()
    assert not verdict.passed
    assert why in verdict.errors[0]


@pytest.mark.parametrize("text", ["package another\nrules := {}\n", "package lifecycle\n"])
def test_no_rule_or_another_package_is_not_passed(judge: Judge, bundle: Path, text: str) -> None:
    (bundle / "rego" / "organisation.rego").write_text(text)
    verdict = judge()
    assert not verdict.passed and "declares no rules" in verdict.errors[0]


def test_rego_that_takes_long_is_stopped(judge: Judge, bundle: Path) -> None:
    numbers = "some i in numbers.range(1, 100000); some j in numbers.range(1, 100000)"
    slow = f"package lifecycle\nx := count([1 | {numbers}; i == j])\n"
    (bundle / "rego" / "mine.rego").write_text(slow)
    verdict = judge(limit=1)
    assert not verdict.passed and verdict.errors


def test_the_list_of_environments_is_read_strictly(judge: Judge, bundle: Path) -> None:
    (bundle / "rego" / "environments.yaml").write_text("prod\n")
    assert "no list of environment patterns" in judge().errors[0]


def test_opa_is_found_on_the_given_path_only() -> None:
    with pytest.raises(ConfigurationError):
        _ = Opa("opa", environment={"PATH": "/nowhere"}).version


def random_change(rng: random.Random, number: int) -> dict[str, Any]:
    after: dict[str, Any] = {
        "aws_cloudwatch_log_group": {"retention_in_days": rng.choice([0, 1, 90])},
        "aws_sqs_queue": {
            "message_retention_seconds": rng.choice([60, 345599, 345600]),
            "tags": {name: "x" for name in ("owner", "spec-entry", "other") if rng.random() < 0.7},
        },
        "aws_secretsmanager_secret": {
            "recovery_window_in_days": rng.choice([0, 7, 30]),
            "name": rng.choice(["prod/a", "prod", 'dev/"b"\n']),
        },
        "aws_vpc_security_group_egress_rule": {
            "to_port": rng.choice([443, 22, 5432]),
            "cidr_ipv4": rng.choice(["0.0.0.0/0", "10.0.0.0/8", "10.1.2.0/24", "192.0.2.7/32"]),
        },
        "aws_iam_role": {
            "name": rng.choice(["role-1", "Role", "röle"]),
            "path": rng.choice(["/", "/team/"]),
            "permissions_boundary": rng.choice(["arn:aws:iam::1:policy/b", ""]),
            "max_session_duration": rng.choice([3600, 7200]),
        },
    }
    kind = rng.choice(sorted(after))
    values = {name: value for name, value in after[kind].items() if name in ("name", "path") or rng.random() < 0.97}
    if kind in ("aws_sqs_queue", "aws_secretsmanager_secret", "aws_vpc_security_group_egress_rule"):
        values = after[kind]
    unknown = {rng.choice(sorted(values)): True} if values and rng.random() < 0.1 else {}
    return {
        "address": f'module.m["{number}"].{kind}.this',
        "type": kind,
        "action": rng.choice(["create", "update", "replace", "delete"]),
        "before": {"path": "/"},
        "after": {name: value for name, value in values.items() if name not in unknown},
        "unknown": unknown,
    }


@pytest.mark.parametrize("seed", range(4))
def test_a_dozen_rules_say_the_same_in_both_languages(judge: Judge, bundle: Path, seed: int) -> None:
    shutil.copy(PARITY / "parity.yaml", bundle / "rules")
    shutil.copy(PARITY / "parity.rego", bundle / "rego" / "organisation.rego")
    rng = random.Random(seed)
    verdict = judge(*(random_change(rng, number) for number in range(200)))
    assert verdict.errors == ()

    def found(prefix: str) -> set[tuple[int, str, bool]]:
        return {
            (int(item.rule[-2:]), item.address, item.evidence == "unknown")
            for item in verdict.findings
            if item.rule.startswith(prefix)
        }

    cel = found("LC-CEL-")
    assert {number for number, _, _ in cel} == set(range(1, DOZEN + 1))
    unknown_in_cel = {(number, address) for number, address, gap in cel if gap}
    rego = {item for item in found("LC-RGO-1") if item[2] or item[:2] not in unknown_in_cel}
    assert rego == cel


def waive(bundle: Path, rule: str, scope: str = "agents.eu-1") -> None:
    waiver = {
        "id": "W-1",
        "rule": rule,
        "scope": scope,
        "owner": "risk-office",
        "reason": "kept by law",
        "ticket": "R-1",
    }
    days = {"granted": date(2026, 11, 1), "expires": date(2027, 1, 1)}
    (bundle / "waivers.yaml").write_text(yaml.safe_dump([{**waiver, **days}]))


def judged_in_sandbox(bundle: Path) -> GateVerdict:
    """Where waivers need no signature."""
    opa = Opa(str(provisioned("opa")), environment={"PATH": os.defpath})
    engine = RegoPolicyEngine(
        bundle, program=opa, clock=now, typed=TypedPolicyEngine(bundle, clock=now, proven=False), always=True
    )
    sandbox = {"sandbox": {"servers": ["aws"]}}
    changes = (group(after={"retention_in_days": 0}),)
    case = Case(rule="LC-SPEC-001", fires=False, because="it is a test", changes=changes, spec=sandbox)
    return engine.evaluate(gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml")))


def test_a_finding_in_rego_is_waived_like_any_other(bundle: Path) -> None:
    waive(bundle, "LC-RGO-001")
    found = [item for item in judged_in_sandbox(bundle).findings if item.rule == "LC-RGO-001"]
    assert [item.waiver for item in found] == ["W-1"]
    waive(bundle, "LC-RGO-001", scope="agents.other")
    open_one, idle = (item for item in judged_in_sandbox(bundle).findings if item.rule == "LC-RGO-001")
    assert open_one.waiver == "" and "covers nothing" in idle.message


def test_outside_a_sandbox_an_unsigned_waiver_of_a_rego_rule_does_not_count(judge: Judge, bundle: Path) -> None:
    waive(bundle, "LC-RGO-001")
    assert "LC-RGO-001" in {item.rule for item in judge(group(after={"retention_in_days": 0})).blocking}


def test_a_waiver_of_a_rule_that_rego_does_not_declare_is_not_passed(bundle: Path) -> None:
    waive(bundle, "LC-RGO-999")
    assert "W-1 waives LC-RGO-999, which is no rule" in judged_in_sandbox(bundle).errors[0]


def test_where_nobody_asks_a_waiver_of_a_rego_rule_stands_as_not_needed(judge: Judge, bundle: Path) -> None:
    waive(bundle, "LC-RGO-001")
    (bundle / "rego" / "environments.yaml").write_text("[]\n")
    (idle,) = (item for item in judge().findings if item.rule == "LC-RGO-001")
    assert idle.waiver == "" and judge().passed


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", ""),
        ("fires: false", "fires: true", "did not fire"),
        ("retention_in_days: 30", "retention_in_days: 0", "fired: m.logs keeps its logs for ever"),
    ],
)
def test_cases_prove_rules_in_rego(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, problem: str
) -> None:
    trials, one_sided = tried(bundle, monkeypatch, old, new)
    assert [item.problem for item in trials if item.problem] == ([problem] if problem else [])
    assert len(trials) == 2 and (one_sided == () or old == "fires: false")


def test_a_rule_in_rego_without_cases_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundle / "rego" / "cases.yaml").unlink()
    _, one_sided = tried(bundle, monkeypatch)
    assert [text.rpartition("rule ")[2] for text in one_sided] == [
        "LC-RGO-001 has no case that must fire",
        "LC-RGO-001 has no case that must not fire",
    ]


def test_without_opa_the_cases_wait_unless_an_environment_asks(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFECYCLE_POLICY_OPA", "opa-that-nobody-installed")
    around = surroundings(bundle)
    base = load_base(bundle / "tests")
    assert "opa-that-nobody-installed was not found" in rego_trials(around, bundle, base)[1][0]
    (bundle / "rego" / "environments.yaml").write_text("[]\n")
    assert rego_trials(around, bundle, base) == ((), ())


def surroundings(bundle: Path) -> Surroundings:
    root = bundle.parent
    paths = Paths(root=root, env="", state_home=root / "state")
    return Surroundings(settings=read_settings(env="", root=str(root)), paths=paths, step=print, note=print)


def tried(bundle: Path, monkeypatch: pytest.MonkeyPatch, old: str = "", new: str = "") -> Trials:
    monkeypatch.setenv("LIFECYCLE_POLICY_OPA", str(provisioned("opa")))
    cases = bundle / "rego" / "cases.yaml"
    if old:
        cases.write_text(cases.read_text().replace(old, new))
    return rego_trials(surroundings(bundle), bundle, load_base(bundle / "tests"))

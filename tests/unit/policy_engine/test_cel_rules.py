"""A rule written as an expression is bounded, checked when it is loaded, and fails closed when it runs."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lifecycle.domain.policy import GateVerdict
from lifecycle.policy_engine.fixtures import Case, gate_input
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml

POLICIES = Path(__file__).parents[3] / "policies"
RULE = """- id: LC-MINE-001
  title: a rule of a test
  severity: error
  why: it is a test, nothing else
  remedy: change something about it
  over: {over}
  must: {must}
  message: "{message}"
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def judge(
    bundle: Path, must: str, over: str = "change", message: str = "bad", patience: float = 60, **subject: Any
) -> GateVerdict:
    quoted = "'" + must.replace("'", "''") + "'"
    (bundle / "rules" / "mine.yaml").write_text(RULE.format(over=over, must=quoted, message=message))
    case = Case(rule="LC-MINE-001", fires=True, because="it is a test", **subject)
    engine = TypedPolicyEngine(
        bundle, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC), proven=False, patience=timedelta(seconds=patience)
    )
    return engine.evaluate(gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml")))


def mine(verdict: GateVerdict) -> list[str]:
    return [finding.message for finding in verdict.findings if finding.rule == "LC-MINE-001"]


CHANGE = ({"address": "m.t", "type": "terraform_data", "action": "create", "after": {"input": "a"}},)


def test_a_must_that_does_not_hold_is_a_finding_with_its_message(bundle: Path) -> None:
    verdict = judge(bundle, 'change.after.input == "b"', message="{address} is no b", changes=CHANGE)
    assert mine(verdict) == ["m.t is no b"]
    assert mine(judge(bundle, 'change.after.input == "a"', changes=CHANGE)) == []


def test_a_spec_finding_has_the_entry_and_its_place(bundle: Path) -> None:
    verdict = judge(bundle, 'agent.kind == "management"', over="agent", message="{entry} only watches")
    (finding,) = [item for item in verdict.findings if item.rule == "LC-MINE-001"]
    assert finding.message == "agents.eu-1 only watches"
    assert finding.entry == "agents.eu-1"
    assert finding.place is not None


@pytest.mark.parametrize(
    ("over", "must"),
    [
        ("spec", 'spec.environment == environment && !sandbox && spec.owner == "ml-platform"'),
        ("allowlist_entry", 'host_problem(allowlist_entry.host) == "" && allowlist_entry.port == 443'),
        ("credential", "days(credential.rotation_period) <= 90"),
        ("connector", 'connector.through == "egress"'),
        ("service_account", 'service_account.permissions.all(p, p.actions.size() > 0 && !("*" in p.actions))'),
        ("agent", 'matches_any(agent.runtime.kind, ["ecs_*"]) && today > timestamp("2026-01-01T00:00:00Z")'),
    ],
)
def test_every_subject_and_helper_can_be_used(bundle: Path, over: str, must: str) -> None:
    verdict = judge(bundle, must, over=over)
    assert verdict.errors == ()
    assert mine(verdict) == []


@pytest.mark.parametrize(
    ("must", "said"),
    [
        ("change.after.input ==", "cannot be read"),
        ("chnge.after.input == 1", "uses chnge"),
        ("cidr_opn(change.address)", "unknown function cidr_opn"),
        ("change.after.l.all(a, change.after.l.all(b, a == b))", "one list function inside another"),
        ("change.after.l.map(a, [a].filter(b, b != a)).size() == 0", "one list function inside another"),
        ('change.address != "' + "a" * 2000 + '"', "longer than"),
    ],
)
def test_a_wrong_or_unbounded_expression_is_refused_when_loaded(bundle: Path, must: str, said: str) -> None:
    verdict = judge(bundle, must, changes=())
    assert not verdict.passed
    assert verdict.rules_evaluated == 0
    assert said in verdict.errors[0]
    assert verdict.errors[0].startswith("policy file mine.yaml:1: rule LC-MINE-001: must ")


def test_list_functions_one_after_the_other_are_no_nesting(bundle: Path) -> None:
    must = "agent.tags.all(t, true) && (agent.tags.exists(t, false) || agent.name.size() > 0)"
    assert judge(bundle, must, over="agent").errors == ()
    assert judge(bundle, 'agent.name != ".all(a, .all(b, "', over="agent").errors == ()


@pytest.mark.parametrize(
    "must", ["change.after.nope == 1", "change.after.input + 1 == 2", "change.after.input", "size(change.after.input)"]
)
def test_a_missing_field_a_wrong_type_or_no_answer_does_not_pass(bundle: Path, must: str) -> None:
    verdict = judge(bundle, must, changes=CHANGE)
    assert not verdict.passed
    assert verdict.errors[0].startswith("policy file mine.yaml:1: rule LC-MINE-001 could not be evaluated")


UNKNOWN = ({"address": "m.t", "type": "terraform_data", "action": "create", "unknown": {"input": True}},)


@pytest.mark.parametrize(
    "must",
    [
        "!has(change.after.input)",
        'change.after.input == "a"',
        'change.after["input"] == "a"',
        'change.after.all(name, name != "x")',
    ],
)
def test_what_is_known_only_after_apply_does_not_pass_even_with_has(bundle: Path, must: str) -> None:
    (message,) = mine(judge(bundle, must, changes=UNKNOWN))
    assert "known only after apply" in message


def test_other_unknown_attributes_do_not_matter(bundle: Path) -> None:
    assert mine(judge(bundle, "!has(change.after.output)", changes=UNKNOWN)) == []


def test_a_message_with_an_unknown_name_is_refused(bundle: Path) -> None:
    verdict = judge(bundle, "true", message="{value} leaks", changes=CHANGE)
    assert "message may use {address}, {type}, {entry}" in verdict.errors[0]


@pytest.mark.parametrize("missing", ["over: change", "must: true", 'message: "bad"'])
def test_half_an_expression_is_refused(bundle: Path, missing: str) -> None:
    text = RULE.format(over="change", must="true", message="bad")
    (bundle / "rules" / "mine.yaml").write_text(text.replace(f"  {missing}\n", ""))
    engine = TypedPolicyEngine(bundle, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    case = Case(rule="LC-MINE-001", fires=True, because="it is a test")
    verdict = engine.evaluate(gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml")))
    assert not verdict.passed


def test_the_worst_expression_that_loads_ends_on_a_large_list(bundle: Path) -> None:
    long = [{"address": "m.t", "type": "terraform_data", "action": "create", "after": {"l": list(range(50_000))}}]
    verdict = judge(bundle, " && ".join(["change.after.l.all(a, a >= 0)"] * 20), changes=tuple(long))
    assert verdict.errors == ()


def test_an_expression_that_takes_long_is_stopped_and_does_not_pass(bundle: Path) -> None:
    long = [{"address": "m.t", "type": "terraform_data", "action": "create", "after": {"l": list(range(50_000))}}]
    must = " && ".join(["change.after.l.all(a, a >= 0)"] * 20)
    verdict = judge(bundle, must, changes=tuple(long), patience=0.001)
    assert not verdict.passed
    (error,) = [text for text in verdict.errors if "LC-MINE-001" in text]
    assert error == (
        "policy file mine.yaml:1: rule LC-MINE-001 could not be evaluated: "
        "took longer than 0.001 s over one object and was stopped"
    )
    assert "LC-MINE-001" not in verdict.evaluated


@pytest.mark.parametrize(
    "must",
    [
        'change.after.a == 1 && change.after["b"] == 2 && change.before.c == 3',
        "size(change.after) == 2 && size(change.before) == 1",
        '[change].all(c, c.after.a == 1 && c.before.c == 3) && change["after"].b == 2',
    ],
)
def test_an_expression_sees_every_attribute_that_it_reads_however_it_is_written(bundle: Path, must: str) -> None:
    change = {"address": "m.t", "type": "x", "action": "update", "before": {"c": 3}, "after": {"a": 1, "b": 2}}
    verdict = judge(bundle, must, changes=(change,))
    assert verdict.errors == () and mine(verdict) == []


def children() -> set[str]:
    """Processes of this one, those included that ended and were not collected."""
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


def test_no_process_is_left_after_an_evaluation(bundle: Path) -> None:
    before = children()
    judge(bundle, "true", changes=CHANGE)
    assert children() == before

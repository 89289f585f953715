"""Every rule of the shipped bundle does what its cases say, and every rule has cases."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.domain.policy import Severity
from lifecycle.policy_engine.bundle import load_bundle
from lifecycle.policy_engine.fixtures import Case, gate_input, load_cases, run_cases, uncovered
from lifecycle.policy_engine.rule import ChangeRule
from lifecycle.policy_engine.typed import RULES, TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml

POLICIES = Path(__file__).parents[3] / "policies"
CASES = load_cases(POLICIES / "tests")


def _engine(*, forks: bool) -> TypedPolicyEngine:
    return TypedPolicyEngine(POLICIES, clock=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC), forks=forks)


@pytest.fixture(scope="module")
def engine() -> TypedPolicyEngine:
    return _engine(forks=True)


def test_every_case_behaves_as_it_says() -> None:
    results = run_cases(_engine(forks=False), POLICIES / "tests")
    assert [(r.case.rule, r.case.because, r.problem) for r in results if r.problem] == []


def test_every_rule_has_a_case_that_must_fire_and_one_that_must_not() -> None:
    assert uncovered(CASES, load_bundle(POLICIES).catalogue) == ()


def test_every_case_is_of_a_rule_that_exists() -> None:
    assert {case.rule for case in CASES} == set(load_bundle(POLICIES).catalogue)


def test_rule_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_at_least_forty_rules_are_shipped() -> None:
    assert len(RULES) >= 40


def test_no_rule_blocks_the_base_environment(engine: TypedPolicyEngine) -> None:
    base = Case(rule="LC-SPEC-001", fires=False, because="the base is good")
    verdict = engine.evaluate(gate_input(base, read_yaml(POLICIES / "tests" / "base.yaml")))
    assert verdict.passed
    assert {finding.rule for finding in verdict.findings} == {"LC-SPEC-004"}


def test_every_blocking_rule_names_controls() -> None:
    catalogue = load_bundle(POLICIES).catalogue
    assert [e.id for e in catalogue.values() if e.severity is Severity.ERROR and not e.controls] == []


def test_findings_carry_remedy_controls_and_place(engine: TypedPolicyEngine) -> None:
    base = read_yaml(POLICIES / "tests" / "base.yaml")
    for case in CASES:
        if not case.fires:
            continue
        fired = [f for f in engine.evaluate(gate_input(case, base)).findings if f.rule == case.rule]
        for finding in fired:
            assert finding.remedy
            assert finding.message
            assert not finding.message.endswith(".")
            if finding.entry.split(".")[-1] in ("eu-1", "scoring", "egress", "agent-key", "datarobot-api"):
                assert finding.place is not None, finding


def test_change_rules_never_see_data_sources_or_unchanged_objects() -> None:
    for rule in RULES:
        if isinstance(rule, ChangeRule):
            assert "no-op" not in rule.actions
            assert "read" not in rule.actions

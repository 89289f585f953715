"""Every change of the corpus is refused, by the rule it names; none is refused by the unchanged environment already."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.domain.policy import Severity
from lifecycle.policy_engine.fixtures import Case, gate_input, load_cases
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml

POLICIES = Path(__file__).parents[3] / "policies"
ATTACKS = load_cases(POLICIES / "attacks")
BASE = read_yaml(POLICIES / "tests" / "base.yaml")
ENGINE = TypedPolicyEngine(POLICIES, clock=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.because for attack in ATTACKS])
def test_every_attack_is_refused_by_the_named_rule(attack: Case) -> None:
    verdict = ENGINE.evaluate(gate_input(attack, BASE))
    assert not verdict.passed
    assert verdict.errors == ()
    by = [finding for finding in verdict.findings if finding.rule == attack.rule]
    assert by
    assert all(finding.severity is Severity.ERROR and finding.remedy for finding in by)


def test_the_corpus_is_large_enough() -> None:
    assert len(ATTACKS) >= 25


def test_without_the_attack_the_environment_passes() -> None:
    harmless = Case(rule="LC-SPEC-001", fires=False, because="nothing changed", changes=())
    assert ENGINE.evaluate(gate_input(harmless, BASE)).passed

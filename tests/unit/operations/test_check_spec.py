"""`lifecycle check`, and how a refusal is told."""

import pytest

from lifecycle.domain.errors import Place, PolicyError
from lifecycle.domain.policy import Finding, GateVerdict, Severity
from lifecycle.operations.check_policies import check_policies, refuse_unless_passed
from lifecycle.operations.check_spec import check_spec
from lifecycle.policy_engine.typed import TypedPolicyEngine
from tests.unit.operations.infrastructure import NOW, POLICIES, subject

ENGINE = TypedPolicyEngine(POLICIES, clock=lambda: NOW)


def verdict(*findings: Finding, evaluated: int = 1, errors: tuple[str, ...] = ()) -> GateVerdict:
    return GateVerdict(findings=findings, rules_evaluated=evaluated, errors=errors, bundle_digest="sha256:a")


def finding(severity: Severity = Severity.ERROR, waiver: str = "") -> Finding:
    place = Place(file="environments/prod/x.yaml", line=4, column=7)
    return Finding(
        rule="LC-X-001", severity=severity, message="x is open", remedy="close x", place=place, waiver=waiver
    )


def test_a_good_spec_is_counted_and_passes() -> None:
    checked = check_spec(lambda: subject().spec, ENGINE)
    assert checked.verdict.passed
    assert checked.counts["agents"] == 1
    assert {f.rule for f in checked.findings} == {"LC-SPEC-004"}


def test_a_refusal_names_rule_place_and_how_many_more() -> None:
    with pytest.raises(PolicyError) as caught:
        refuse_unless_passed(verdict(finding(), finding()))
    assert caught.value.message == (
        "the policy gate says no: LC-X-001 (environments/prod/x.yaml:4:7): x is open; 1 more findings"
    )
    assert caught.value.remedy == "close x"


@pytest.mark.parametrize(
    ("given", "match"),
    [(verdict(evaluated=0), "no policy rule"), (verdict(errors=("rule LC-X-001 broke",)), "counts as no")],
)
def test_a_gate_that_did_not_work_is_a_no(given: GateVerdict, match: str) -> None:
    with pytest.raises(PolicyError, match=match):
        refuse_unless_passed(given)


def test_warnings_and_waived_findings_pass() -> None:
    refuse_unless_passed(verdict(finding(Severity.WARNING), finding(waiver="W-1")))
    assert check_policies(ENGINE, subject()).passed

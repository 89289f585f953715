"""The engine fails closed, whatever goes wrong."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.policy import GateInput, GateVerdict, Severity
from lifecycle.policy_engine.bundle import bundle_digest, load_bundle
from lifecycle.policy_engine.fixtures import Case, gate_input
from lifecycle.policy_engine.rule import Observation, RuleContext, SpecRule
from lifecycle.policy_engine.typed import RULES, TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml

POLICIES = Path(__file__).parents[3] / "policies"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def subject(**changes: object) -> GateInput:
    case = Case(rule="LC-SPEC-001", fires=False, because="the base is good", **changes)
    return gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml"))


def judge(bundle: Path, given: GateInput | None = None) -> GateVerdict:
    return TypedPolicyEngine(bundle, clock=lambda: NOW, witness=lambda _a, text, _b: text).evaluate(given or subject())


def sign(bundle: Path, signer: str = "rita@acme.example") -> None:
    """As if this person had signed the waiver; real signatures are in `tests/unit/bootstrap/test_waivers.py`."""
    path = bundle / "signatures" / "waivers" / "W-1.sig"
    path.parent.mkdir(parents=True)
    path.write_text(signer)


def test_the_shipped_bundle_passes_the_base(bundle: Path) -> None:
    assert judge(bundle).passed


def test_no_rules_do_not_pass(bundle: Path) -> None:
    shutil.rmtree(bundle / "rules")
    verdict = judge(bundle)
    assert not verdict.passed
    assert verdict.rules_evaluated == 0


def test_an_empty_engine_does_not_pass(bundle: Path) -> None:
    for path in (bundle / "rules").glob("*.yaml"):
        path.unlink()
    assert not TypedPolicyEngine(bundle, clock=lambda: NOW, rules=()).evaluate(subject()).passed


def test_a_missing_bundle_does_not_pass(tmp_path: Path) -> None:
    assert not judge(tmp_path / "nowhere").passed


def test_a_rule_without_catalogue_record_does_not_pass(bundle: Path) -> None:
    (bundle / "rules" / "agents.yaml").unlink()
    assert "rule LC-AGT-001 has code but no catalogue record" in judge(bundle).errors


def test_a_record_without_code_does_not_pass(bundle: Path) -> None:
    with (bundle / "rules" / "agents.yaml").open("a") as file:
        file.write(
            "- {id: LC-AGT-099, title: no code behind, severity: error, why: it is a test, remedy: remove it again}\n"
        )
    (error,) = judge(bundle).errors
    assert re.fullmatch(r"policy file agents\.yaml:\d+: rule LC-AGT-099 stands in the catalogue but has no code", error)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("severity: warning", "severity: harmless", "severity"),
        ("remedy: raise log_retention", "remedi: raise log_retention", "remedy"),
        ("{least_days: 14}", "{least_day: 14}", "least_day"),
        ("{least_days: 14}", "{least_days: many}", "least_days"),
        ("{least_days: 14}", "{least_days: 14, least_days: 1}", "stands twice"),
        ("{least_days: 14}", "{least_days: 14", "agents.yaml:"),
        ("id: LC-AGT-002", "id: LC-AGT-001", "agents.yaml:9: rule LC-AGT-001 stands twice, as in agents.yaml:2"),
    ],
)
def test_a_typo_in_the_catalogue_does_not_pass(bundle: Path, old: str, new: str, expected: str) -> None:
    path = bundle / "rules" / "agents.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    verdict = judge(bundle)
    assert not verdict.passed
    assert expected in verdict.errors[0]


def test_a_rule_without_cases_does_not_pass_and_has_its_line(bundle: Path) -> None:
    path = bundle / "tests" / "agents.yaml"
    path.write_text(path.read_text().replace("fires: false", "fires: true", 1))
    (error,) = judge(bundle).errors
    assert re.fullmatch(r"policy file agents\.yaml:\d+: rule LC-AGT-00\d has no case that must not fire", error)
    shutil.rmtree(bundle / "tests")
    assert len(judge(bundle).errors) > 80


def test_a_rule_that_raises_does_not_pass(bundle: Path) -> None:
    def broken(_context: RuleContext) -> Iterator[Observation]:
        raise RuntimeError("boom")

    for path in (bundle / "rules").glob("*.yaml"):
        path.unlink()
    record = "- {id: LC-X-001, title: a broken rule, severity: note, why: it is a test, remedy: remove it again}\n"
    (bundle / "rules" / "x.yaml").write_text(record)
    engine = TypedPolicyEngine(bundle, clock=lambda: NOW, rules=(SpecRule(id="LC-X-001", check=broken),), proven=False)
    verdict = engine.evaluate(subject())
    assert not verdict.passed
    assert verdict.errors == ("policy file x.yaml:1: rule LC-X-001 could not be evaluated: RuntimeError: boom",)


def test_an_undated_table_does_not_pass(bundle: Path) -> None:
    (bundle / "data" / "privilege_escalation.json").write_text("{}")
    assert not judge(bundle).passed


def test_a_policy_document_that_is_no_json_does_not_pass(bundle: Path) -> None:
    change = {"address": "m.p", "type": "aws_iam_policy", "action": "create", "after": {"policy": "{"}}
    assert not judge(bundle, subject(changes=(change,))).passed


WAIVER = """- id: W-1
  rule: LC-SPEC-001
  scope: agents.eu-1
  owner: risk-office
  reason: handed over next week
  ticket: RISK-7
  granted: 2026-11-01
  expires: {expires}
"""
UNOWNED = {"agents": {"eu-1": {"owner": ""}}}


def test_a_waiver_lets_its_finding_pass_and_shows_it(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01"))
    verdict = judge(bundle, subject(spec=UNOWNED))
    assert verdict.passed
    assert [f.waiver for f in verdict.findings if f.rule == "LC-SPEC-001"] == ["W-1"]


def test_a_lapsed_waiver_does_not_count_and_is_a_finding(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-11-23"))
    verdict = judge(bundle, subject(spec=UNOWNED))
    assert not verdict.passed
    assert "waiver W-1 of risk-office has lapsed: its finding counts again" in [f.message for f in verdict.findings]


def test_a_waiver_covers_no_other_entry(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01").replace("eu-1", "eu-2"))
    assert not judge(bundle, subject(spec=UNOWNED)).passed


def test_an_unsigned_waiver_does_not_count_and_is_a_finding(bundle: Path) -> None:
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01"))
    verdict = judge(bundle, subject(spec=UNOWNED))
    assert not verdict.passed
    assert "waiver W-1 of risk-office is signed by nobody of risk" in [f.message for f in verdict.findings]


def test_who_approves_changes_signs_no_waiver(bundle: Path) -> None:
    sign(bundle, "bea@acme.example")
    (bundle / "signers" / "platform-leads").write_text("bea@acme.example ssh-ed25519 AAAA\n")
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01"))
    verdict = judge(bundle, subject(spec=UNOWNED))
    assert not verdict.passed
    assert any("who also approves changes (platform-leads)" in f.message for f in verdict.findings)


def test_a_waiver_for_a_rule_that_does_not_exist_does_not_pass(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01").replace("LC-SPEC-001", "LC-SPEC-999"))
    assert judge(bundle).errors == ("policy file waivers.yaml: W-1 waives LC-SPEC-999, which is no rule",)


def test_a_waiver_that_stands_twice_does_not_pass(bundle: Path) -> None:
    (bundle / "waivers.yaml").write_text(2 * WAIVER.format(expires="2026-12-01"))
    assert judge(bundle).errors == ("policy file waivers.yaml: W-1 stands twice",)


def test_a_rule_that_the_trust_root_lists_cannot_be_waived(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01").replace("LC-SPEC-001", "LC-SPEC-003"))
    verdict = judge(bundle, subject(spec={"approvals": {"required": 0, "group": "platform-leads"}}))
    assert [f.waiver for f in verdict.blocking] == [""]
    assert "waiver W-1 of risk-office waives what cannot be waived" in [f.message for f in verdict.findings]


def test_a_waiver_whose_rule_was_not_asked_is_only_noted(bundle: Path) -> None:
    sign(bundle)
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01").replace("LC-SPEC-001", "LC-PLAN-002"))
    (found,) = (f for f in judge(bundle).findings if "W-1" in f.message)
    assert (found.severity, found.message.endswith("its rule was not asked")) == (Severity.NOTE, True)


@pytest.mark.parametrize("line", ["owner", "reason", "ticket", "granted", "expires"])
def test_an_incomplete_waiver_does_not_pass(bundle: Path, line: str) -> None:
    text = WAIVER.format(expires="2026-12-01").splitlines()
    (bundle / "waivers.yaml").write_text("\n".join(t for t in text if not t.startswith(f"  {line}:")))
    assert not judge(bundle).passed


def test_a_waiver_for_longer_than_180_days_does_not_pass(bundle: Path) -> None:
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2027-06-01"))
    assert not judge(bundle).passed


def test_the_bundle_digest_moves_with_any_file_and_with_names_only_otherwise_not(bundle: Path) -> None:
    first = bundle_digest(bundle)
    assert bundle_digest(Path(shutil.copytree(bundle, bundle.parent / "copy"))) == first
    (bundle / "waivers.yaml").write_text(WAIVER.format(expires="2026-12-01"))
    second = bundle_digest(bundle)
    (bundle / "waivers.yaml").rename(bundle / "waived.yaml")
    assert len({first, second, bundle_digest(bundle)}) == 3


def test_a_linked_file_is_no_part_of_a_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text("[]")
    (bundle / "rules" / "linked.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        bundle_digest(bundle)


def test_every_shipped_rule_is_evaluated_when_there_is_a_plan(bundle: Path) -> None:
    catalogue = load_bundle(bundle).catalogue
    assert judge(bundle, subject(changes=())).rules_evaluated == len(catalogue)
    assert len(catalogue) > len(RULES)


def test_rules_about_the_gate_itself_cannot_be_waived(bundle: Path) -> None:
    sign(bundle)
    waiver = WAIVER.format(expires="2026-12-01").replace("LC-SPEC-001", "LC-SPEC-005")
    waiver = waiver.replace("agents.eu-1", "policy_bundle.digest")
    (bundle / "waivers.yaml").write_text(waiver)
    verdict = judge(bundle, subject(spec={"policy_bundle": {"digest": "sha256:another"}}))
    assert not verdict.passed
    assert "LC-SPEC-005" in {finding.rule for finding in verdict.findings if not finding.waiver}


def test_a_plan_that_names_an_unknown_action_does_not_pass(bundle: Path) -> None:
    change = {"address": "m.p", "type": "aws_sqs_queue", "action": "unknown"}
    assert not judge(bundle, subject(changes=(change,))).passed


def test_parameters_differ_by_environment(bundle: Path) -> None:
    change = {"approvals": {"required": 0}}
    assert not judge(bundle, subject(spec=change)).passed
    assert judge(bundle, subject(spec={**change, "environment": "dev-1"})).passed


def test_ten_thousand_allowlist_entries_are_judged_in_linear_time(bundle: Path) -> None:
    entry = {"reason": "feature ingestion", "ticket": "NET-1"}
    entries = [{"host": f"h{n}.acme.example", **entry} for n in range(10_000)]
    verdict = judge(bundle, subject(spec={"allowlists": {"egress": {"entries": entries}}}))
    assert verdict.passed


@pytest.mark.parametrize("text", ["- [", "a: 1\na: 2\n", "rule: {}\n", "\xff"])
def test_a_broken_rule_file_is_named(bundle: Path, text: str) -> None:
    (bundle / "rules" / "broken.yaml").write_bytes(text.encode("latin-1"))
    verdict = judge(bundle)
    assert not verdict.passed
    assert "broken.yaml" in verdict.errors[0]

"""A waiver counts when somebody of the risk group signed exactly it. Real ssh-keygen, through the command."""

from pathlib import Path

import pytest

from lifecycle.bootstrap.gate import waiver_witness
from lifecycle.cli.app import run
from lifecycle.policy_engine.bundle import bundle_digest, load_bundle
from lifecycle.policy_engine.waiver_signatures import why_unsigned
from tests.unit.bootstrap.test_trust_root import Policies

WAIVER = """- id: W-1
  rule: LC-CRED-002
  scope: credentials.agent-key
  owner: risk-office
  reason: the vendor allows one change per year
  ticket: RISK-7
  granted: 2026-11-01
  expires: 2026-12-01
"""


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    made = Policies(tmp_path)
    (made.bundle / "waivers.yaml").write_text(WAIVER)
    return made


def waive(policies: Policies, key: Path, waiver: str = "W-1") -> int:
    return run(["--root", str(policies.root), "policy", "waive", waiver, "--key", str(key)])


def doubt(policies: Policies) -> str:
    bundle = load_bundle(policies.bundle)
    return why_unsigned(bundle.waivers[0], policies.bundle, bundle.trust, waiver_witness(policies.bundle))


def test_the_risk_group_signs_without_moving_the_digest(policies: Policies, capsys: pytest.CaptureFixture[str]) -> None:
    rita = policies.hire("rita", group="risk")
    digest = bundle_digest(policies.bundle)
    assert waive(policies, rita) == 0
    assert "signed: waiver W-1 of LC-CRED-002 for credentials.agent-key, until 2026-12-01" in capsys.readouterr().out
    assert (doubt(policies), bundle_digest(policies.bundle)) == ("", digest)


@pytest.mark.parametrize("field", ["scope: credentials.agent-key", "expires: 2026-12-01", "ticket: RISK-7"])
def test_a_waiver_that_was_changed_after_it_was_signed_does_not_count(policies: Policies, field: str) -> None:
    assert waive(policies, policies.hire("rita", group="risk")) == 0
    policies.edit("waivers.yaml", field, f"{field[:-1]}9")
    assert "or was changed since" in doubt(policies)


@pytest.mark.parametrize(
    ("group", "options"),
    [("", ""), ("platform-leads", ""), ("risk", 'valid-before="20200101Z"'), ("risk", 'namespaces="lifecycle-review"')],
)
def test_nobody_else_signs(policies: Policies, group: str, options: str) -> None:
    assert waive(policies, policies.hire("mallory", group=group, options=options)) == 5
    assert doubt(policies) == "is signed by nobody of risk"


def test_a_revoked_key_and_an_approver_do_not_count(policies: Policies) -> None:
    rita = policies.hire("rita", group="risk")
    assert waive(policies, rita) == 0
    (policies.bundle / "signers/platform-leads").write_text(f"rita@acme.example {rita.with_suffix('.pub').read_text()}")
    assert "who also approves changes (platform-leads)" in doubt(policies)
    (policies.bundle / "signers/revoked").write_text(rita.with_suffix(".pub").read_text())
    assert "or was changed since" in doubt(policies)


def test_a_waiver_that_is_not_there_is_not_signed(policies: Policies) -> None:
    assert waive(policies, policies.hire("rita", group="risk"), "W-2") == 2

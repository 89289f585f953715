"""Attacks on the bundle itself are refused, and the attempt leaves the bundle as it is."""

import shutil
from pathlib import Path

from lifecycle.policy_engine.bundle import bundle_digest
from lifecycle.policy_engine.bundle_attacks import run_bundle_attacks

POLICIES = Path(__file__).parents[3] / "policies"


def test_every_attack_on_the_shipped_bundle_is_refused() -> None:
    before = bundle_digest(POLICIES)
    tried = run_bundle_attacks(POLICIES)
    assert len(tried) == 7
    assert [(attack.because, attack.problem) for attack in tried if attack.problem] == []
    assert bundle_digest(POLICIES) == before


def test_a_customers_bundle_with_other_names_is_tried_too(tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(POLICIES, tmp_path / "policies"))
    trust = bundle / "trust.yaml"
    trust.write_text(trust.read_text().replace("bundle-owners", "security-board"))
    (bundle / "signers/bundle-owners").unlink()
    (bundle / "people.yaml").unlink()
    assert [attack.problem for attack in run_bundle_attacks(bundle) if attack.problem] == []

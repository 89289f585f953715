"""Who signed the bundle: only keys that it lists, only over what lies there now; all else is told as not shown."""

import json
import shutil
from pathlib import Path

import pytest

from lifecycle.bootstrap.bundle_signatures import bundle_signatures
from lifecycle.bootstrap.trust_desk import TrustDesk
from tests.unit.bootstrap.evidence_case import Quarter, hire, quarter


@pytest.fixture
def made(tmp_path: Path) -> Quarter:
    return quarter(tmp_path)


def sign(made: Quarter, name: str = "eve", group: str = "bundle-owners") -> None:
    policies = made.around.paths.policies
    before = shutil.copytree(policies, policies.parent.parent / "before")
    key = hire(made.around, name, group, "lifecycle-bundle")
    TrustDesk(made.around).build(against=str(before), key=key)


def test_the_pack_names_who_signed_the_bundle(made: Quarter) -> None:
    sign(made)
    pack = made.pack()
    (row,) = json.loads((pack / "tables" / "bundle-signatures.json").read_text())
    assert row["By"] == "eve@acme.example" and row["Bundle"].startswith("sha256:")
    assert "who signed the bundle" not in (pack / "report.html").read_text()
    assert "eve@acme.example" not in (made.pack("auditor") / "report.html").read_text()
    (public,) = json.loads((made.pack("public") / "tables" / "bundle-signatures.json").read_text())
    assert "By" not in public


def test_without_a_signature_the_pack_says_so(made: Quarter) -> None:
    assert "not shown: who signed the bundle: no signature over it" in (made.pack() / "report.html").read_text()


def test_a_signature_by_a_key_that_was_revoked_since_does_not_count(made: Quarter) -> None:
    sign(made)
    signers = made.around.paths.policies / "signers"
    key = next(line for line in (signers / "bundle-owners").read_text().splitlines() if line.startswith("eve"))
    (signers / "revoked").write_text(f"{key.split()[-2]} {key.split()[-1]}\n")
    rows, gaps = bundle_signatures(made.around)
    assert rows == ()
    assert gaps[0].startswith("who signed the bundle") and gaps[1].startswith("1 signatures that do not count")


def test_a_bundle_that_cannot_be_read_is_a_gap_and_no_crash(made: Quarter) -> None:
    (made.around.paths.policies / "trust.yaml").write_text("version: [")
    rows, gaps = bundle_signatures(made.around)
    assert rows == () and gaps[0].startswith("who signed the bundle: ")

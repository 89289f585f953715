"""Only what an allowed signer signed, about exactly this effect, counts. Real ssh-keygen, no network."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import Digest
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError, UnsafePlanError
from lifecycle.domain.review import Review
from lifecycle.journals.approvals_file import FileApprovals, RefusedApproval
from lifecycle.journals.audit_file import FileAuditLog
from lifecycle.journals.plan_store import PlanFolderFiles
from lifecycle.journals.ssh_signature import SshSigner, SshVerifier
from lifecycle.operations.approve_plan import ApproveContext, approve_plan

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def review(**changes: object) -> Review:
    fields: dict[str, object] = {
        "environment": "prod-eu",
        "changes_digest": "sha256:aa",
        "target": {"account_id": "123456789012"},
        "spec_digest": "sha256:bb",
        "policy_bundle": "sha256:cc",
        "summary": ("1 to create",),
        "expires": NOW + timedelta(days=7),
    }
    return Review.model_validate({**fields, **changes})


def data(of: Review) -> bytes:
    return json.dumps(of.document(), indent=2).encode()


class Office:
    """People with keys, and the file that says who may approve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers = folder / "allowed_signers"
        self.signers.write_text("")
        self.now = NOW

    def hire(self, name: str, options: str = "", *, allowed: bool = True) -> SshSigner:
        key = self.folder / name
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
        subprocess.run(argv, check=True, capture_output=True)
        if allowed:
            public = key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
            with self.signers.open("a") as file:
                file.write(f"{name}@acme.example {options} {public}\n".replace("  ", " "))
        return SshSigner(key=key, environment=ENVIRONMENT)

    def approvals(self, revoked: Path | None = None) -> FileApprovals:
        verifier = SshVerifier(allowed_signers=self.signers, environment=ENVIRONMENT, revoked=revoked)
        return FileApprovals(self.folder / "approvals", verifier=verifier, clock=lambda: self.now)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def reasons(approvals: FileApprovals, digest: Digest) -> list[str]:
    return [item.reason for item in approvals.examine(digest) if isinstance(item, RefusedApproval)]


def test_a_signed_review_counts_with_the_name_of_its_signer(office: Office) -> None:
    bea = office.hire("bea")
    given = office.approvals().add(data(review()), bea.sign(data(review())))
    (found,) = office.approvals().verified(review().effect_digest)
    assert (given.approver, found.approver) == ("bea@acme.example",) * 2
    assert found.expires == review().expires
    assert found.method == "ssh-signature"


def test_two_people_count_as_two(office: Office) -> None:
    for name in ("bea", "carl"):
        office.approvals().add(data(review()), office.hire(name).sign(data(review())))
    names = [a.approver for a in office.approvals().verified(review().effect_digest)]
    assert sorted(names) == ["bea@acme.example", "carl@acme.example"]


def test_an_approval_can_be_verified_with_ssh_keygen_alone(office: Office) -> None:
    office.approvals().add(data(review()), office.hire("bea").sign(data(review())))
    (signature,) = office.folder.glob("approvals/*/*/review.json.sig")
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(office.signers), "-I", "bea@acme.example", "-n", "lifecycle-review"]
    signed = (signature.parent / "review.json").read_bytes()
    subprocess.run([*argv, "-s", str(signature)], input=signed, check=True, capture_output=True)


def test_an_unknown_key_does_not_count(office: Office) -> None:
    mallory = office.hire("mallory", allowed=False)
    office.hire("bea")
    with pytest.raises(ApprovalMissingError, match="not among the allowed signers"):
        office.approvals().add(data(review()), mallory.sign(data(review())))


@pytest.mark.parametrize("options", ['valid-before="20261101Z"', 'valid-after="20270101Z"'])
def test_a_key_outside_its_validity_does_not_count(office: Office, options: str) -> None:
    bea = office.hire("bea", options)
    with pytest.raises(ApprovalMissingError):
        office.approvals().add(data(review()), bea.sign(data(review())))


def test_a_key_that_lapsed_after_signing_does_not_count_any_more(office: Office) -> None:
    bea = office.hire("bea", 'valid-before="20261126Z"')
    office.approvals().add(data(review()), bea.sign(data(review())))
    office.now = NOW + timedelta(days=3)
    assert office.approvals().verified(review().effect_digest) == ()


def test_a_revoked_key_does_not_count(office: Office) -> None:
    bea = office.hire("bea")
    office.approvals().add(data(review()), bea.sign(data(review())))
    approvals = office.approvals(revoked=bea.key.with_suffix(".pub"))
    assert approvals.verified(review().effect_digest) == ()
    assert "does not verify" in reasons(approvals, review().effect_digest)[0]


def test_a_signature_for_another_purpose_does_not_count(office: Office) -> None:
    bea = office.hire("bea")
    argv = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(bea.key)]
    signed = subprocess.run(argv, input=data(review()), check=True, capture_output=True).stdout.decode()
    with pytest.raises(ApprovalMissingError, match="namespace"):
        office.approvals().add(data(review()), signed)


def test_a_pattern_names_nobody(office: Office) -> None:
    bea = office.hire("bea")
    office.signers.write_text(office.signers.read_text().replace("bea@", "*@"))
    with pytest.raises(ApprovalMissingError, match="pattern"):
        office.approvals().add(data(review()), bea.sign(data(review())))


def test_an_altered_review_does_not_count(office: Office) -> None:
    office.approvals().add(data(review()), office.hire("bea").sign(data(review())))
    (path,) = office.folder.glob("approvals/*/*/review.json")
    path.write_bytes(path.read_bytes() + b" ")
    assert office.approvals().verified(review().effect_digest) == ()


def test_an_approval_is_of_one_effect_only(office: Office) -> None:
    """A replayed approval: copied into the folder of another effect."""
    office.approvals().add(data(review()), office.hire("bea").sign(data(review())))
    other = review(summary=("1 to destroy",)).effect_digest
    (folder,) = (office.folder / "approvals").iterdir()
    shutil.copytree(folder, office.folder / "approvals" / other.removeprefix("sha256:"))
    assert office.approvals().verified(other) == ()
    assert "another effect" in reasons(office.approvals(), other)[0]


@pytest.mark.parametrize("field", ["environment", "changes_digest", "spec_digest", "policy_bundle"])
def test_the_effect_digest_covers_what_decides(field: str) -> None:
    assert review(**{field: "sha256:other"}).effect_digest != review().effect_digest


def test_the_effect_digest_covers_target_and_words_but_not_the_expiry() -> None:
    assert review(target={"account_id": "9"}).effect_digest != review().effect_digest
    assert review(summary=()).effect_digest != review().effect_digest
    assert review(expires=NOW).effect_digest == review().effect_digest


def test_a_lapsed_review_does_not_count(office: Office) -> None:
    office.approvals().add(data(review()), office.hire("bea").sign(data(review())))
    office.now = NOW + timedelta(days=8)
    assert office.approvals().verified(review().effect_digest) == ()


def test_a_longer_life_than_was_signed_is_not_possible(office: Office) -> None:
    office.approvals().add(data(review()), office.hire("bea").sign(data(review())))
    (path,) = office.folder.glob("approvals/*/*/review.json")
    path.write_bytes(data(review(expires=NOW + timedelta(days=99))))
    assert office.approvals().verified(review().effect_digest) == ()


def test_a_yes_on_the_terminal_is_recorded_and_never_counted(office: Office) -> None:
    effect = review().effect_digest
    given = Approval(approver="ann", effect_digest=effect, at=NOW, expires=NOW, method="terminal")
    assert office.approvals().record_terminal(given).exists()
    assert office.approvals().verified(effect) == ()


def test_an_unusable_key_is_named(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="nokey could not sign"):
        SshSigner(key=office.folder / "nokey", environment=ENVIRONMENT).sign(b"x")


def test_a_missing_ssh_keygen_is_named(office: Office) -> None:
    bea = office.hire("bea")
    with pytest.raises(ConfigurationError, match="not installed"):
        SshSigner(key=bea.key, environment={"PATH": str(office.folder)}).sign(b"x")


def context(office: Office, signer: SshSigner, plan: Path) -> ApproveContext:
    return ApproveContext(
        folder=PlanFolderFiles(plan),
        sign=signer.sign,
        store=office.approvals(),
        audit=FileAuditLog(office.folder / "audit" / "audit.jsonl"),
        actor="bea@laptop",
        clock=lambda: office.now,
    )


def test_approving_needs_review_json_only_and_is_audited(office: Office) -> None:
    plan = office.folder / "plan"
    plan.mkdir()
    (plan / "review.json").write_bytes(data(review()))
    approving = context(office, office.hire("bea"), plan)
    approve_plan(approving)
    assert len(office.approvals().verified(review().effect_digest)) == 1
    (event,) = FileAuditLog(office.folder / "audit" / "audit.jsonl").read()
    assert event.digest == review().effect_digest
    assert event.detail["approver"] == "bea@acme.example"


def test_a_lapsed_or_edited_review_is_not_signed(office: Office) -> None:
    plan = office.folder / "plan"
    plan.mkdir()
    approving = context(office, office.hire("bea"), plan)
    (plan / "review.json").write_bytes(data(review(expires=NOW - timedelta(days=1))))
    with pytest.raises(UnsafePlanError, match="lapsed"):
        approve_plan(approving)
    (plan / "review.json").write_bytes(data(review()).replace(b"1 to create", b"nothing"))
    with pytest.raises(UnsafePlanError, match="edited"):
        approve_plan(approving)


def test_a_group_without_a_file_or_without_people_has_no_approvers(office: Office) -> None:
    bea = office.hire("bea")
    shipped = Path(__file__).parents[3] / "policies" / "signers" / "platform-leads"
    for signers in (shipped, office.folder / "nobody"):
        verifier = SshVerifier(allowed_signers=signers, environment=ENVIRONMENT)
        approvals = FileApprovals(office.folder / "approvals", verifier=verifier, clock=lambda: NOW)
        with pytest.raises(ApprovalMissingError):
            approvals.add(data(review()), bea.sign(data(review())))


def test_a_signer_line_may_limit_the_namespace(office: Office) -> None:
    good, bad = office.hire("bea", 'namespaces="lifecycle-review"'), office.hire("carl", 'namespaces="git"')
    office.approvals().add(data(review()), good.sign(data(review())))
    with pytest.raises(ApprovalMissingError):
        office.approvals().add(data(review()), bad.sign(data(review())))

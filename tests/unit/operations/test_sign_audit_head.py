"""A head that somebody else signed finds cutting and rewriting, which the chain alone cannot. Real ssh-keygen."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.domain.audit_head import HeadStatement, TrailCheck
from lifecycle.domain.errors import ConfigurationError, IntegrityError
from lifecycle.journals.audit_file import FileAuditLog, audit_lines
from lifecycle.journals.head_files import HeadFiles
from lifecycle.journals.head_signers import HEAD_NAMESPACE, BundleHeadVerifier, SshHeadSigner
from lifecycle.operations.sign_audit_head import SigningContext, check_trail, sign_head

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENVIRONMENT = {"PATH": os.environ["PATH"]}
AUDITOR = "auditor@acme.example"


@dataclass
class Archive:
    """A log, an auditor with a key, and the bundle that knows the key."""

    folder: Path
    log: Path
    signers: Path

    def signer(self, name: str) -> SshHeadSigner:
        key = self.folder / name
        if not key.exists():
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
            subprocess.run(argv, check=True, capture_output=True)
        return SshHeadSigner(key=key, environment=ENVIRONMENT)

    def allow(self, principal: str, signer: SshHeadSigner) -> None:
        self.signers.mkdir(exist_ok=True)
        with (self.signers / "audit").open("a") as file:
            file.write(signer.public_key().replace("NAME", principal, 1) + "\n")

    @property
    def verifier(self) -> BundleHeadVerifier:
        return BundleHeadVerifier(signers=self.signers, environment=ENVIRONMENT)

    def write(self, *numbers: int, actor: str = "rotator@build-1", log: Path | None = None) -> None:
        for number in numbers:
            FileAuditLog(log or self.log).append(
                AuditEvent(at=NOW, actor=actor, action="credential.mint", object=f"k-{number}", result=Result.DONE)
            )

    def sign(self, name: str = "auditor") -> tuple[HeadStatement, str]:
        context = SigningContext(
            environment="prod",
            signer=self.signer(name),
            verifier=self.verifier,
            stores=(HeadFiles(self.log),),
            keep_for=timedelta(days=1),
        )
        lines = audit_lines(self.log)
        return sign_head(context, [head for _, head in lines], [event for event, _ in lines], NOW)

    def check(self, environment: str = "prod", expect_head: str = "") -> TrailCheck:
        chain = [head for _, head in audit_lines(self.log)]
        stores = (HeadFiles(self.log),)
        return check_trail(chain, stores, self.verifier, environment=environment, expect_head=expect_head)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(folder=tmp_path, log=tmp_path / "state" / "audit.jsonl", signers=tmp_path / "signers")
    made.allow(AUDITOR, made.signer("auditor"))
    made.write(1, 2, 3)
    return made


def forge(archive: Archive, *numbers: int) -> None:
    """Another log whose chain and head fit, in the place of the real one: what a writer of the file can do."""
    other = archive.folder / "forged" / "audit.jsonl"
    archive.write(*numbers, log=other)
    for suffix in ("", ".head"):
        shutil.copy(f"{other}{suffix}", f"{archive.log}{suffix}")


def test_what_was_signed_is_the_newest_line_and_says_who_signed(archive: Archive) -> None:
    statement, signer = archive.sign()
    found = archive.check()
    assert (statement.sequence, signer) == (3, AUDITOR)
    assert (found.signed, found.last_signed, found.signers) == (1, 3, (AUDITOR,))


def test_later_lines_are_told_as_not_covered(archive: Archive) -> None:
    archive.sign()
    archive.write(4, 5)
    assert (archive.check().head.sequence, archive.check().last_signed) == (5, 3)


def test_a_log_that_was_cut_with_its_head_is_found(archive: Archive) -> None:
    archive.sign()
    forge(archive, 1, 2)
    with pytest.raises(IntegrityError, match=r"was cut: auditor@acme.example signed line 3 .* has 2 lines"):
        archive.check()


@pytest.mark.parametrize("numbers", [(1, 2, 7), (7, 2, 3), (1, 9, 3, 4, 5)])
def test_a_log_that_was_written_anew_is_found(archive: Archive, numbers: tuple[int, ...]) -> None:
    archive.sign()
    forge(archive, *numbers)
    with pytest.raises(IntegrityError, match="was rewritten"):
        archive.check()


def test_a_log_that_was_tampered_with_is_not_signed_again(archive: Archive) -> None:
    archive.sign()
    forge(archive, 1, 2, 7, 8)
    with pytest.raises(IntegrityError, match="was rewritten"):
        archive.sign()


def test_an_earlier_head_is_proved_to_be_an_ancestor(archive: Archive) -> None:
    noted = archive.check().head.digest
    archive.write(4)
    assert archive.check(expect_head=noted).head.sequence == 4
    forge(archive, 1, 2, 7)
    with pytest.raises(IntegrityError, match="does not hold"):
        archive.check(expect_head=noted)


def test_who_writes_the_log_may_not_sign_it(archive: Archive) -> None:
    archive.write(4, actor=AUDITOR)
    with pytest.raises(ConfigurationError, match="also writes the audit log"):
        archive.sign()
    assert not HeadFiles(archive.log).heads()


def test_a_signature_that_nobody_could_verify_is_not_kept(archive: Archive) -> None:
    with pytest.raises(IntegrityError, match="not among the allowed signers"):
        archive.sign("stranger")
    assert not HeadFiles(archive.log).heads()


def test_an_empty_log_is_not_signed(archive: Archive) -> None:
    archive.log.unlink()
    archive.log.with_name("audit.jsonl.head").unlink()
    with pytest.raises(ConfigurationError, match="is empty"):
        archive.sign()


def _edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_an_edited_head_is_refused(archive: Archive) -> None:
    archive.sign()
    (path,) = archive.log.with_name("audit.jsonl.heads").glob("*.json")
    _edit(path, lambda data: data.replace(b'"sequence":3', b'"sequence":2'))
    with pytest.raises(IntegrityError, match="does not verify"):
        archive.check()
    _edit(path, lambda _data: b"{}")
    with pytest.raises(IntegrityError, match="is damaged"):
        archive.check()


def test_a_head_without_its_signature_is_refused(archive: Archive) -> None:
    archive.sign()
    (path,) = archive.log.with_name("audit.jsonl.heads").glob("*.sig")
    path.unlink()
    with pytest.raises(IntegrityError, match=r"signature of .* is gone"):
        archive.check()


def test_a_head_of_another_environment_is_refused(archive: Archive) -> None:
    archive.sign()
    with pytest.raises(IntegrityError, match="of environment prod"):
        archive.check(environment="staging")


def test_a_signature_for_another_purpose_does_not_count(archive: Archive) -> None:
    archive.sign()
    (path,) = archive.log.with_name("audit.jsonl.heads").glob("*.json")
    argv = ["ssh-keygen", "-Y", "sign", "-n", "lifecycle-review", "-f", str(archive.folder / "auditor")]
    done = subprocess.run(argv, input=path.read_bytes(), capture_output=True, check=True)
    path.with_name(f"{path.name}.sig").write_bytes(done.stdout)
    with pytest.raises(IntegrityError, match="does not verify"):
        archive.check()


def test_without_allowed_signers_no_head_counts(archive: Archive) -> None:
    archive.sign()
    (archive.signers / "audit").unlink()
    with pytest.raises(IntegrityError, match="does not exist"):
        archive.check()


def test_heads_verify_with_ssh_keygen_alone(archive: Archive) -> None:
    archive.sign()
    (path,) = archive.log.with_name("audit.jsonl.heads").glob("*.json")
    options = ["-f", str(archive.signers / "audit"), "-I", AUDITOR, "-n", HEAD_NAMESPACE, "-s", f"{path}.sig"]
    subprocess.run(["ssh-keygen", "-Y", "verify", *options], input=path.read_bytes(), check=True, capture_output=True)


def test_the_key_to_commit_needs_its_public_half(archive: Archive) -> None:
    signer = archive.signer("auditor")
    assert signer.public_key().startswith(f'NAME namespaces="{HEAD_NAMESPACE}" ssh-ed25519 ')
    assert SshHeadSigner(key=archive.folder / "auditor.pub", environment={}).public_key() == signer.public_key()
    with pytest.raises(ConfigurationError, match="is no public key"):
        SshHeadSigner(key=archive.folder / "none", environment={}).public_key()

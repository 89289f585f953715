"""`lifecycle audit …` as a user runs it, over a copied repository; no network."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.bootstrap.paths import Paths
from lifecycle.cli.app import run
from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.journals.audit_file import FileAuditLog

REPOSITORY = Path(__file__).parents[3]
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three events on three days; returns the log."""
    root = tmp_path / "checkout"
    for name in ("environments", "policies"):
        shutil.copytree(REPOSITORY / name, root / name)
    monkeypatch.setenv("LIFECYCLE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LIFECYCLE_ENV", "sandbox")
    monkeypatch.chdir(root)
    path = Paths(root=root, env="sandbox", state_home=tmp_path / "state").audit
    for day, (actor, action, result) in enumerate(
        (
            ("ann@build-1", "plan.apply", Result.DONE),
            ("cron@build-2", "credential.mint", Result.INTENT),
            ("cron@build-2", "credential.revoke", Result.FAILED),
        )
    ):
        at = START + timedelta(days=day)
        FileAuditLog(path).append(AuditEvent(at=at, actor=actor, action=action, object=f"o-{day}", result=result))
    return path


@pytest.fixture
def key(tmp_path: Path, log: Path) -> Path:
    """An auditor's key, which the bundle knows."""
    made = tmp_path / "auditor"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made)], check=True, capture_output=True)
    public = made.with_suffix(".pub").read_text()
    (Path.cwd() / "policies" / "signers" / "audit").write_text(f"auditor@acme.example {public}")
    return made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["audit", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ["o-0", "o-1", "o-2"]),
        (("--action", "credential.*"), ["o-1", "o-2"]),
        (("--actor", "ann@*"), ["o-0"]),
        (("--object", "o-1"), ["o-1"]),
        (("--result", "failed", "--result", "done"), ["o-0", "o-2"]),
        (("--from", "2026-11-21", "--to", "2026-11-21"), ["o-1"]),
        (("--action", "nothing"), []),
    ],
)
@pytest.mark.usefixtures("log")
def test_show_picks_what_is_asked_for(
    options: tuple[str, ...], shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [line.split()[4] for line in said(capsys, "show", *options).splitlines()] == shown


@pytest.mark.usefixtures("log")
def test_a_wrong_period_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no date" in said(capsys, "show", "--from", "yesterday", code=2)
    assert "later than" in said(capsys, "show", "--from", "2026-11-21", "--to", "2026-11-20", code=2)


def test_sign_and_verify(log: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no signed head" in said(capsys, "verify")
    assert "auditor@acme.example signed line 3" in said(capsys, "sign", "--key", str(key))
    assert "1 signed heads by auditor@acme.example hold, the newest up to line 3" in said(capsys, "verify")
    for suffix in ("", ".head"):
        log.with_name(f"{log.name}{suffix}").unlink()
    FileAuditLog(log).append(AuditEvent(at=START, actor="a", action="b", object="c", result=Result.DONE))
    assert "was cut" in said(capsys, "verify", code=5)


def test_a_copy_is_verified_where_it_is(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = json.loads(said(capsys, "verify", "--output", "json"))["head"]
    copy = tmp_path / "pack" / "audit.jsonl"
    copy.parent.mkdir()
    for suffix in ("", ".head"):
        shutil.copy(f"{log}{suffix}", f"{copy}{suffix}")
    assert "3 events" in said(capsys, "verify", "--file", str(copy), "--expect-head", head)
    assert "there is no file" in said(capsys, "verify", "--file", str(tmp_path / "none"), code=4)
    assert "does not hold" in said(capsys, "verify", "--expect-head", "sha256:00", code=5)


def test_the_key_to_commit_is_shown(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "sign", "--show-key", "--key", str(key))
    assert shown.startswith('NAME namespaces="lifecycle-audit" ssh-ed25519')


@pytest.mark.usefixtures("log")
def test_the_bucket_is_asked_only_where_the_spec_names_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "names no write-once storage" in said(capsys, "verify", "--kept", code=2)


@pytest.mark.usefixtures("log")
def test_exports(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in said(capsys, "export", "--action", "credential.*").splitlines()]
    assert [line["line"] for line in lines] == [2, 3]
    cef = said(capsys, "export", "--format", "cef").splitlines()
    assert [line.split("|")[4] for line in cef] == ["plan.apply", "credential.mint", "credential.revoke"]
    document = json.loads(said(capsys, "export", "--format", "oscal"))["assessment-results"]
    (result,) = document["results"]
    assert len(result["assessment-log"]["entries"]) == 3
    assert result["findings"]

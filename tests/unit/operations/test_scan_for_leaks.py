"""Each surface is searched; what cannot be searched is said; a leak stops the run after it is on record."""

import gzip
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.domain.errors import LeakFoundError, UnreachableError
from lifecycle.domain.leak import HandledSecret
from lifecycle.domain.receipt import LeakScan, Receipt, RotatedCredential, RunState, VerifiedConnector
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.surfaces import FetchedSurface, FileSurface, FolderSurface, Piece
from lifecycle.journals.audit_file import FileAuditLog
from lifecycle.journals.receipt_files import ReceiptFiles
from lifecycle.operations.report_run import finish_run, new_run, report_latest
from lifecycle.operations.scan_for_leaks import Surface, refuse_leaks, scan_for_leaks
from tests.unit.operations.infrastructure import subject

CANARY = "c4n4ry-value-0815"
SECRETS = (HandledSecret(label="credentials.k token", value=SecretText(CANARY)),)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Run:
    """Everything one run leaves behind, clean; tests plant one value."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = b'{"resources": []}'
        for name in ("plan", "generated", "work/.terraform/providers", "logs", "journal", "audit", "receipts", "tmp"):
            (root / name).mkdir(parents=True)
        with zipfile.ZipFile(root / "plan" / "plan.bin", "w") as archive:
            archive.writestr("tfstate", b"{}")
        (root / "generated" / "main.tf.json").write_text("{}")
        (root / "logs" / "run.log").write_text("all is well\n")
        database = sqlite3.connect(root / "journal" / "journal.sqlite")
        database.execute("create table record (body text)")
        database.close()

    def surfaces(self) -> list[Surface]:
        work = FolderSurface(
            name="working folder without provider binaries",
            folder=self.root / "work",
            skip=lambda path: path.parts[-2:] == (".terraform", "providers"),
        )
        folders = [
            FolderSurface(name=name, folder=self.root / name)
            for name in ("plan", "generated", "logs", "journal", "audit", "receipts")
        ]
        temporary = FolderSurface(name="temporary files", folder=self.root / "tmp", pattern="lifecycle-*")
        state = FetchedSurface(name="state", fetch=lambda: self.state)
        return [state, work, temporary, *folders]

    def scan(self) -> LeakScan:
        return scan_for_leaks(SECRETS, self.surfaces())


def _state(run: Run) -> None:
    run.state = b'{"resources": [{"secret": "' + CANARY.encode() + b'"}]}'


def _plan(run: Run) -> None:
    with zipfile.ZipFile(run.root / "plan" / "plan.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate-prev", CANARY)


def _journal(run: Run) -> None:
    database = sqlite3.connect(run.root / "journal" / "journal.sqlite")
    database.execute("insert into record values (?)", (CANARY,))
    database.commit()
    database.close()


def _audit(run: Run) -> None:
    event = AuditEvent(
        at=NOW, actor="a", action="credential.mint", object="credentials.k", result=Result.DONE, detail={"x": CANARY}
    )
    FileAuditLog(run.root / "audit" / "audit.jsonl").append(event)


def _receipt(run: Run) -> None:
    receipt = Receipt(
        id="r", environment="e", actor="a", tool_version="0", state=RunState.APPLIED, started=NOW, problem=CANARY
    )
    ReceiptFiles(run.root / "receipts").complete(receipt)


def _file(name: str, data: bytes = CANARY.encode()) -> Callable[[Run], None]:
    def plant(run: Run) -> None:
        (run.root / name).write_bytes(data)

    return plant


PLANTED = {
    "state": _state,
    "plan": _plan,
    "generated": _file("generated/main.tf.json"),
    "working folder without provider binaries": _file("work/.terraform/environment"),
    "logs": _file("logs/run.log.1.gz", gzip.compress(CANARY.encode())),
    "journal": _journal,
    "audit": _audit,
    "receipts": _receipt,
    "temporary files": _file("tmp/lifecycle-xyz"),
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_clean_run_is_clean_and_says_what_was_not_scanned(run: Run) -> None:
    scan = run.scan()
    assert scan.clean
    assert {surface.name for surface in scan.surfaces if surface.scanned} == set(PLANTED)
    assert all(surface.reason for surface in scan.surfaces if not surface.scanned)
    refuse_leaks(scan)


@pytest.mark.parametrize("surface", PLANTED)
def test_a_planted_value_is_found_in_each_surface(run: Run, surface: str) -> None:
    PLANTED[surface](run)
    scan = run.scan()
    assert {leak.surface for leak in scan.leaks} == {surface}
    assert CANARY not in scan.model_dump_json()
    with pytest.raises(LeakFoundError, match=r"credentials\.k token") as caught:
        refuse_leaks(scan)
    assert CANARY not in f"{caught.value} {caught.value.remedy}"


def test_provider_binaries_are_left_out_and_named_so(run: Run) -> None:
    (run.root / "work/.terraform/providers/provider").write_text(CANARY)
    assert run.scan().clean


def test_what_cannot_be_read_is_not_scanned_and_not_clean_by_silence(run: Run) -> None:
    def unreachable() -> bytes:
        raise UnreachableError("the backend does not answer", remedy="try again")

    scan = scan_for_leaks(SECRETS, [FetchedSurface(name="state", fetch=unreachable)])
    (state,) = [surface for surface in scan.surfaces if surface.name == "state"]
    assert not state.scanned
    assert state.reason == "the backend does not answer"


def test_an_unreadable_file_makes_its_surface_not_scanned(run: Run) -> None:
    class Broken:
        name = "logs"

        def pieces(self) -> Iterator[Piece]:
            yield Piece(where="a.log", data=CANARY.encode())
            raise PermissionError(13, "Permission denied")

    scan = scan_for_leaks(SECRETS, [Broken()])
    assert scan.surfaces[0].reason == "could not be read: Permission denied"
    assert len(scan.leaks) == 1


def test_short_values_are_counted_as_not_scanned(run: Run) -> None:
    scan = scan_for_leaks((HandledSecret(label="pin", value=SecretText("1234")),), run.surfaces())
    assert scan.secrets == 0
    assert any(surface.name == "short values" for surface in scan.surfaces)


def test_a_value_across_two_windows_of_a_large_file_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.foundation.surfaces._WHOLE", 1000)
    path = run.root / "logs" / "large.log"
    path.write_bytes(b"x" * 995 + CANARY.encode() + b"x" * 5000)
    assert {leak.where for leak in run.scan().leaks} == {"large.log"}


def test_links_are_not_followed_and_files_can_be_named(run: Run) -> None:
    target = run.root / "outside"
    target.write_text(CANARY)
    os.symlink(target, run.root / "logs" / "link")
    assert run.scan().clean
    assert not scan_for_leaks(SECRETS, [FileSurface(name="file", paths=(target, run.root / "none"))]).clean


def test_the_report_shows_changes_credentials_connectors_and_the_scan(run: Run) -> None:
    receipts = ReceiptFiles(run.root / "receipts")
    spec = subject().spec
    started = new_run(
        receipts,
        environment="prod-eu",
        actor="ann",
        tool_version="0.1.0",
        new_id=lambda: "run-1",
        clock=lambda: NOW,
        applied=spec,
    )
    _state(run)
    report = finish_run(
        receipts,
        started,
        clock=lambda: NOW,
        rotation=[RotatedCredential(credential="agent-key", state="GRACE", outcome="issued", next_due=NOW)],
        verification=[
            VerifiedConnector(connector="a", status="valid"),
            VerifiedConnector(connector="b", status="indeterminate", reason="timed out"),
        ],
        leak_scan=run.scan(),
    )
    text = "\n".join(report.lines())
    assert "agent-key: issued, next due 2026-11-24 12:00 UTC" in text
    assert "1 valid, 0 invalid, 1 indeterminate" in text
    assert "b: indeterminate, timed out" in text
    assert "1 LEAKS: 1 values in 9 surfaces" in text
    assert "not scanned: memory of the processes" in text
    assert report_latest(receipts).receipt == report.receipt
    assert "credentials.agent-key" in report.receipt.entries
    assert any("may s3:GetObject" in sentence for sentence in report.receipt.grants)


def test_a_rotation_run_keeps_what_the_last_apply_noted(run: Run) -> None:
    receipts = ReceiptFiles(run.root / "receipts")
    base: dict[str, Any] = {"environment": "e", "actor": "a", "tool_version": "0"}
    first = new_run(receipts, **base, new_id=lambda: "1", clock=lambda: NOW, applied=subject().spec)
    finish_run(receipts, first, clock=lambda: NOW)
    second = new_run(receipts, **base, new_id=lambda: "2", clock=lambda: NOW, applied=None)
    assert (second.grants, second.entries) == (first.grants, first.entries)

"""The audit log verifies, or says where it does not; and it never lets anybody act unrecorded."""

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.domain.audit import GENESIS, AuditEvent, Result
from lifecycle.domain.errors import ConfigurationError, IntegrityError
from lifecycle.journals.audit_file import FileAuditLog, verify_audit


def event(number: int) -> AuditEvent:
    return AuditEvent(
        at=datetime(2026, 11, 24, 12, number % 60, tzinfo=UTC),
        actor="ann@build-1",
        action="credential.mint",
        object=f"credentials.key-{number}",
        result=Result.INTENT,
        detail={"n": number},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = FileAuditLog(tmp_path / "audit" / "audit.jsonl")
    for number in range(5):
        log.append(event(number))
    return tmp_path / "audit" / "audit.jsonl"


def test_what_was_written_is_read_in_order(path: Path) -> None:
    assert FileAuditLog(path).read() == tuple(event(number) for number in range(5))


def test_files_are_private(path: Path) -> None:
    assert {item.stat().st_mode & 0o777 for item in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_absent_log_is_empty_and_verifies(tmp_path: Path) -> None:
    assert FileAuditLog(tmp_path / "none" / "audit.jsonl").read() == ()
    assert verify_audit(tmp_path / "audit.jsonl").digest == GENESIS


def test_the_head_is_the_digest_that_append_returned(path: Path) -> None:
    digest = FileAuditLog(path).append(event(9))
    assert verify_audit(path).digest == digest
    assert verify_audit(path).sequence == 6


def test_a_changed_line_is_found(path: Path) -> None:
    path.write_text(path.read_text().replace("key-2", "key-7"))
    with pytest.raises(IntegrityError, match="line 4"):
        verify_audit(path)


@pytest.mark.parametrize("number", range(5))
def test_a_removed_line_is_found(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    del lines[number]
    path.write_text("".join(lines))
    with pytest.raises(IntegrityError):
        verify_audit(path)


def test_swapped_lines_are_found(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    path.write_text("".join(lines))
    with pytest.raises(IntegrityError, match="line 2"):
        verify_audit(path)


def test_an_added_field_is_found(path: Path) -> None:
    lines = path.read_text().splitlines()
    document = json.loads(lines[4])
    document["note"] = "harmless"
    lines[4] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(IntegrityError):
        verify_audit(path)


def test_cutting_off_the_end_is_found(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(IntegrityError, match="3 lines and its head names line 5"):
        verify_audit(path)


def test_cutting_a_line_in_the_middle_is_found(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match="middle of a line"):
        verify_audit(path)


def test_emptying_or_deleting_the_log_is_found(path: Path) -> None:
    path.write_text("")
    with pytest.raises(IntegrityError):
        FileAuditLog(path).read()
    path.unlink()
    with pytest.raises(IntegrityError):
        FileAuditLog(path).append(event(9))


def test_rewriting_log_and_head_is_found_by_a_head_noted_elsewhere(path: Path) -> None:
    noted = verify_audit(path).digest
    path.unlink()
    path.with_name("audit.jsonl.head").unlink()
    for number in (0, 1, 3, 4):
        FileAuditLog(path).append(event(number))
    assert verify_audit(path).sequence == 4
    with pytest.raises(IntegrityError, match="rewritten or cut"):
        verify_audit(path, expect_head=noted)


def test_an_earlier_head_is_an_ancestor(path: Path) -> None:
    noted = verify_audit(path).digest
    FileAuditLog(path).append(event(9))
    assert verify_audit(path, expect_head=noted).sequence == 6


def test_a_crash_between_line_and_head_is_repaired_by_the_next_append(path: Path) -> None:
    head = path.with_name("audit.jsonl.head").read_bytes()
    FileAuditLog(path).append(event(5))
    path.with_name("audit.jsonl.head").write_bytes(head)
    assert len(FileAuditLog(path).read()) == 6
    FileAuditLog(path).append(event(6))
    assert verify_audit(path).sequence == 7


def test_nothing_is_added_to_a_broken_chain(path: Path) -> None:
    path.write_text(path.read_text().replace("key-4", "key-7"))
    before = path.read_bytes()
    with pytest.raises(IntegrityError):
        FileAuditLog(path).append(event(9))
    assert path.read_bytes() == before


def test_a_log_that_cannot_be_written_refuses(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "audit.jsonl").mkdir()
    with pytest.raises(ConfigurationError):
        FileAuditLog(folder / "audit.jsonl").append(event(1))


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    (tmp_path / "victim").write_text("")
    (folder / "audit.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(ConfigurationError):
        FileAuditLog(folder / "audit.jsonl").append(event(1))
    assert (tmp_path / "victim").read_text() == ""


_FULL = """
import resource, signal, sys
from pathlib import Path
from lifecycle.journals.audit_file import FileAuditLog
from lifecycle.domain.errors import ConfigurationError
from tests.unit.journals.test_audit_file import event
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, resource.RLIM_INFINITY))
try:
    FileAuditLog(path).append(event(9))
except ConfigurationError:
    raise SystemExit(7)
"""


def test_a_full_disk_refuses_and_leaves_the_chain_whole(path: Path) -> None:
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run([sys.executable, "-c", _FULL, str(path)], cwd=os.getcwd(), check=False)
    assert done.returncode == 7
    assert verify_audit(path).sequence == 5


_APPEND = """
import sys
from pathlib import Path
from lifecycle.journals.audit_file import FileAuditLog
from tests.unit.journals.test_audit_file import event
for number in range(15):
    FileAuditLog(Path(sys.argv[1])).append(event(number))
"""


def test_several_processes_write_one_chain(path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", _APPEND, str(path)], cwd=os.getcwd()) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert verify_audit(path).sequence == 50

"""The SQLite journal: the common contract, and what only a file can suffer: truncation, edits, old copies, no room."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lifecycle.domain.audit import GENESIS, Digest
from lifecycle.domain.errors import BusyError, ConfigurationError, IntegrityError
from lifecycle.domain.rotation import State
from lifecycle.journals.sqlite import SqliteJournal, read_export
from tests.contract.journal_contract import TTL, Clock, JournalContract, record_after


class TestSqliteJournal(JournalContract):
    """Each view is a connection of its own to the same file."""

    @pytest.fixture
    def open_book(self, clock: Clock, tmp_path: Path) -> Iterator[Callable[[], SqliteJournal]]:
        opened: list[SqliteJournal] = []

        def open_one() -> SqliteJournal:
            opened.append(SqliteJournal(tmp_path / "journal.db", clock=clock))
            return opened[-1]

        yield open_one
        for journal in opened:
            journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def fill(path: Path, count: int, *, name: str = "ingest") -> list[Digest]:
    """Append some records and close."""
    journal = SqliteJournal(path, clock=Clock())
    lease = journal.acquire(name, "p1", TTL)
    start = journal.head(name)
    head, sequence = start.digest, start.record.sequence if start.record else 0
    digests = []
    for number in range(sequence + 1, sequence + count + 1):
        head = journal.append(lease, record_after(lease, head, number), head)
        digests.append(head)
    journal.release(lease)
    journal.close()
    return digests


def reopen(path: Path) -> SqliteJournal:
    return SqliteJournal(path, clock=Clock())


def test_files_are_private_from_birth(path: Path) -> None:
    fill(path, 1)
    for name in (path, path.with_name("journal.db.head")):
        assert stat.S_IMODE(name.stat().st_mode) == 0o600


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    digests = fill(path, 3)
    journal = reopen(path)
    assert journal.head("ingest").digest == digests[-1]
    assert journal.verify() == 3
    journal.close()


def test_an_older_copy_of_the_file_is_detected(path: Path, tmp_path: Path) -> None:
    fill(path, 2)
    shutil.copy(path, tmp_path / "backup.db")
    fill(path, 2)
    shutil.copy(tmp_path / "backup.db", path)
    with pytest.raises(IntegrityError, match="older copy"):
        reopen(path)


def test_a_copy_from_before_any_record_is_detected(path: Path) -> None:
    fill(path, 2)
    path.unlink()
    with pytest.raises(IntegrityError, match="older copy"):
        reopen(path)


def test_a_head_file_that_lags_after_a_power_cut_is_accepted(path: Path, tmp_path: Path) -> None:
    head = path.with_name("journal.db.head")
    fill(path, 2)
    shutil.copy(head, tmp_path / "old.head")
    digests = fill(path, 2)
    shutil.copy(tmp_path / "old.head", head)
    journal = reopen(path)
    assert journal.head("ingest").digest == digests[-1]
    journal.close()


def test_a_torn_head_file_leaves_its_other_slot(path: Path) -> None:
    fill(path, 3)
    head = path.with_name("journal.db.head")
    whole = head.read_bytes()
    for cut in range(len(whole)):
        head.write_bytes(whole[:cut])
        journal = reopen(path)
        assert journal.verify() == 3
        journal.close()


def test_a_file_truncated_anywhere_is_refused_or_complete(path: Path, tmp_path: Path) -> None:
    """Every page boundary, and every byte of the last page."""
    fill(path, 3)
    whole = path.read_bytes()
    head = path.with_name("journal.db.head").read_bytes()
    cuts = {*range(0, len(whole), 512), *range(len(whole) - 4096, len(whole), 61)}
    for number, cut in enumerate(sorted(cuts)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "journal.db").write_bytes(whole[:cut])
        (folder / "journal.db.head").write_bytes(head)
        with suppress(IntegrityError):
            journal = reopen(folder / "journal.db")
            try:
                assert journal.verify() == 3
            finally:
                journal.close()


def test_a_write_ahead_log_truncated_at_each_byte_of_the_last_record_is_detected(path: Path, tmp_path: Path) -> None:
    journal = SqliteJournal(path, clock=Clock())
    lease = journal.acquire("ingest", "p1", TTL)
    first = journal.append(lease, record_after(lease), GENESIS)
    log = path.with_name("journal.db-wal")
    before = log.stat().st_size
    journal.append(lease, record_after(lease, first, 2), first)
    whole, database = log.read_bytes(), path.read_bytes()
    head = path.with_name("journal.db.head").read_bytes()
    for cut in range(before, len(whole), 7):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "journal.db").write_bytes(database)
        (folder / "journal.db-wal").write_bytes(whole[:cut])
        (folder / "journal.db.head").write_bytes(head)
        with pytest.raises(IntegrityError):
            reopen(folder / "journal.db")
    journal.close()


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE records SET body = replace(body, 'AKIA1', 'AKIA2') WHERE row = 2",
        "UPDATE records SET digest = 'sha256:00' WHERE row = 2",
        "UPDATE records SET chain = 'sha256:00' WHERE row = 2",
        "DELETE FROM records WHERE row = 2",
        "DELETE FROM records WHERE row = 3",
        "UPDATE records SET credential = 'other' WHERE row = 2",
    ],
)
def test_an_edit_by_hand_is_detected(path: Path, edit: str) -> None:
    fill(path, 3)
    database = sqlite3.connect(path)
    database.execute(edit)
    database.commit()
    database.close()
    with pytest.raises(IntegrityError):
        reopen(path).verify()


def test_an_export_is_checked_line_by_line(path: Path) -> None:
    fill(path, 3)
    journal = reopen(path)
    lines = list(journal.export())
    journal.close()
    assert len(read_export(iter(lines))) == 3
    for cut in range(len(lines[-1])):
        with pytest.raises(IntegrityError):
            read_export(iter([*lines[:-1], lines[-1][:cut]]))
    with pytest.raises(IntegrityError):
        read_export(iter([lines[0], lines[2]]))
    with pytest.raises(IntegrityError):
        read_export(iter([line.replace("AKIA1", "AKIA2") for line in lines]))


def test_a_fence_is_never_lower_than_that_of_a_record(path: Path) -> None:
    """Also when the lease book was lost."""
    fill(path, 1)
    database = sqlite3.connect(path)
    database.execute("UPDATE records SET fence = 41")
    database.execute("DELETE FROM leases")
    database.commit()
    database.close()
    journal = reopen(path)
    assert journal.acquire("ingest", "p2", TTL).fence == 42
    journal.close()


def test_a_folder_that_does_not_exist_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="journal"):
        reopen(tmp_path / "missing" / "journal.db")


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, whatever it says" * 200)
    with pytest.raises(IntegrityError, match="damaged"):
        reopen(path)


def test_no_record_holds_a_plain_hash_or_a_value(path: Path) -> None:
    """Fingerprints are keyed: they start with the id of their key."""
    fill(path, 1)
    journal = reopen(path)
    record = journal.head("ingest").record
    assert record is not None and record.state is State.INTENT and record.old is not None
    assert record.old.fingerprint.startswith("k1:")
    journal.close()


def test_the_lease_of_a_process_that_is_gone_need_not_lapse_first(path: Path) -> None:
    dead = SqliteJournal(path, clock=Clock()).acquire("ingest", "host:1:1", TTL)
    heir = SqliteJournal(path, clock=Clock(), alive=lambda owner: owner != "host:1:1")
    lease = heir.acquire("ingest", "host:2:2", TTL)
    assert lease.fence == dead.fence + 1
    with pytest.raises(BusyError, match="host:2:2"):
        heir.acquire("ingest", "host:3:3", TTL)

"""A receipt exists before the effect or fails before it; an interrupted run stays visible until it is settled."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.errors import IntegrityError
from lifecycle.domain.receipt import Receipt, RunState
from lifecycle.journals.receipt_files import ReceiptFiles

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def receipt(name: str = "a", at: datetime = NOW, state: RunState = RunState.INTENDED) -> Receipt:
    return Receipt(id=name, environment="e", actor="ann", tool_version="0", state=state, started=at)


@pytest.fixture
def receipts(tmp_path: Path) -> ReceiptFiles:
    return ReceiptFiles(tmp_path / "receipts")


def test_an_intent_is_open_until_it_is_completed(receipts: ReceiptFiles) -> None:
    receipts.intend(receipt())
    assert receipts.interrupted() == (receipt(),)
    assert receipts.latest() is None
    done = receipt(state=RunState.APPLIED)
    path = receipts.complete(done)
    assert receipts.interrupted() == ()
    assert receipts.latest() == done
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_settled_run_is_not_open_and_stays_on_record(receipts: ReceiptFiles, tmp_path: Path) -> None:
    receipts.intend(receipt())
    receipts.settle(receipt())
    receipts.settle(receipt())
    assert receipts.interrupted() == ()
    assert receipts.latest() is None
    assert [path.name for path in (tmp_path / "receipts").iterdir()] == ["20261124T120000.000000Z-a.interrupted.json"]


def test_the_newest_receipt_is_the_latest(receipts: ReceiptFiles) -> None:
    for number in (2, 0, 1):
        receipts.complete(receipt(str(number), NOW + timedelta(seconds=number), RunState.FINISHED))
    latest = receipts.latest()
    assert latest is not None
    assert latest.id == "2"


def test_an_empty_folder_has_none(receipts: ReceiptFiles) -> None:
    assert receipts.latest() is None
    assert receipts.interrupted() == ()


def test_a_cut_receipt_is_named(receipts: ReceiptFiles) -> None:
    path = receipts.complete(receipt(state=RunState.FINISHED))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(IntegrityError, match="cut or edited"):
        receipts.latest()


def test_a_second_intent_of_the_same_run_changes_nothing(receipts: ReceiptFiles) -> None:
    receipts.intend(receipt())
    receipts.intend(receipt())
    assert receipts.interrupted() == (receipt(),)


_FULL = """
import resource, signal, sys
from pathlib import Path
from lifecycle.domain.errors import ConfigurationError
from lifecycle.journals.receipt_files import ReceiptFiles
from tests.unit.journals.test_receipt_files import receipt
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    ReceiptFiles(Path(sys.argv[1])).intend(receipt())
except ConfigurationError as error:
    raise SystemExit(7 if "no room" in error.message else 8)
"""


def test_a_full_disk_is_found_before_the_effect(receipts: ReceiptFiles, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _FULL, str(tmp_path / "receipts")]
    assert subprocess.run(argv, cwd=os.getcwd(), check=False).returncode == 7
    assert list((tmp_path / "receipts").iterdir()) == []

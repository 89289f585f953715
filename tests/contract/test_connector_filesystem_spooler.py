import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lifecycle.connectors.filesystem_spooler import (
    _CODES,
    DEPTH,
    FOLDER,
    SPACE,
    WRITE,
    FilesystemSpoolerSettings,
    FilesystemSpoolerVerifier,
)
from lifecycle.domain.verification import Reason, VerificationResult, VerificationStatus


def _verify(path: Path | str, **settings: Any) -> VerificationResult:
    verifier = FilesystemSpoolerVerifier(clock=lambda: datetime.now(UTC))
    target = FilesystemSpoolerSettings(path=str(path), **{"least_free": 1, **settings})
    return verifier.verify(target, {}, deadline=timedelta(seconds=20), via=None)


def test_valid_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "message").write_text("x")
    result = _verify(tmp_path)
    assert result.status is VerificationStatus.VALID
    assert result.proved == (FOLDER, WRITE, SPACE, DEPTH)
    assert result.detail.startswith("1 files wait, ")
    assert [path.name for path in tmp_path.iterdir()] == ["message"]


def test_absent_folder_and_file_instead_are_wrong_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _verify(tmp_path / "absent").reason is Reason.NOT_CONFIGURED
    assert _verify(tmp_path / "file").reason is Reason.NOT_CONFIGURED


def test_folder_that_takes_no_file_is_a_missing_right() -> None:
    # Even the administrator cannot make a file there.
    result = _verify("/proc/self")
    assert (result.status, result.proved) == (VerificationStatus.INDETERMINATE, (FOLDER,))


def test_lack_of_space_is_told(tmp_path: Path) -> None:
    result = _verify(tmp_path, least_free=1 << 50)
    assert (result.reason, result.proved) == (Reason.SERVICE_FAULT, (FOLDER, WRITE))


def test_too_many_files_are_told(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    result = _verify(tmp_path, most_waiting=2)
    assert result.detail == "3 files wait: no agent empties the folder"


def test_what_a_killed_run_left_is_removed_and_a_young_file_stays(tmp_path: Path) -> None:
    old, young = tmp_path / ".lifecycle-check-old", tmp_path / ".lifecycle-check-young"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    assert _verify(tmp_path, most_waiting=1).status is VerificationStatus.VALID
    assert [path.name for path in tmp_path.iterdir()] == [young.name]


def test_relative_paths_are_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        FilesystemSpoolerSettings(path="spool")


def test_no_error_number_judges_a_credential() -> None:
    assert {reason for reason in _CODES.values()}.isdisjoint({Reason.WRONG_VALUE, Reason.EXPIRED, Reason.REVOKED})
    assert _CODES[errno.EROFS] is Reason.NO_PERMISSION

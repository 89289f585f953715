import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.atomic_file import Owner, private_folder, replace_file


def test_file_has_content_and_private_mode(tmp_path: Path) -> None:
    target = tmp_path / "value"
    replace_file(target, b"one")
    replace_file(target, b"two")
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_mode_and_owner_are_set_before_the_file_appears(tmp_path: Path) -> None:
    target = tmp_path / "value"
    replace_file(target, b"one", mode=0o640, owner=Owner(uid=os.getuid(), gid=os.getgid()))
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_failure_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "value"
    replace_file(target, b"one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        replace_file(target, b"two")
    assert target.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["value"]


def test_a_process_killed_while_it_writes_leaves_no_file(tmp_path: Path) -> None:
    program = """
import os, pathlib, signal, sys
from lifecycle.foundation.atomic_file import replace_file
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
replace_file(pathlib.Path(sys.argv[1]), b"value")
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "value")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_unnamed_files_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    replace_file(tmp_path / "value", b"one")
    assert (tmp_path / "value").read_bytes() == b"one" and os.listdir(tmp_path) == ["value"]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        replace_file(tmp_path / "absent" / "value", b"")
    assert str(tmp_path / "absent") in caught.value.remedy


def test_private_folder_closes_an_open_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    assert stat.S_IMODE(private_folder(tmp_path / "a").stat().st_mode) == 0o700

"""A process is signalled only when pid, start time and boot match; two runs never hold one sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.domain.errors import BusyError
from lifecycle.sandbox.processes import ProcessMark, is_alive, mark_of, spawn, start_time, stop
from lifecycle.sandbox.run_lock import run_lock

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ProcessMark]:
    mark = mark_of(spawn(SLEEP, environment={}, log=tmp_path / "log"))
    assert mark is not None
    yield mark
    stop(mark)


def test_started_process_has_its_own_session_and_a_private_log(sleeper: ProcessMark, tmp_path: Path) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_stop_ends_the_process_and_says_whether_it_ran(sleeper: ProcessMark) -> None:
    assert stop(sleeper)
    assert not is_alive(sleeper)
    assert not stop(sleeper)


@pytest.mark.parametrize("difference", [{"start_time": 1}, {"boot_id": "another boot"}])
def test_stranger_with_the_same_pid_is_left_alone(sleeper: ProcessMark, difference: dict[str, str]) -> None:
    stranger = replace(sleeper, **difference)  # type: ignore[arg-type]  # the field differs per case
    assert not is_alive(stranger)
    assert not stop(stranger)
    assert is_alive(sleeper)


def test_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    mark = mark_of(spawn(STUBBORN, environment={}, log=log))
    assert mark is not None
    while "ready" not in log.read_text():
        time.sleep(0.01)
    assert stop(mark, patience=timedelta(seconds=0.1))
    assert not is_alive(mark)


def test_zombie_is_not_alive(tmp_path: Path) -> None:
    process = subprocess.Popen(SLEEP)
    mark = mark_of(process.pid)
    assert mark is not None
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, not collected
    assert not is_alive(mark)
    process.wait()


def test_no_process_has_no_start_time() -> None:
    assert start_time(2**22 + 1) is None


def test_second_run_names_the_holder(tmp_path: Path) -> None:
    state_dir = tmp_path / "sandbox"
    with run_lock(state_dir, patience=timedelta(0)), pytest.raises(BusyError, match=str(os.getpid())):
        with run_lock(state_dir, patience=timedelta(seconds=0.05)):
            pytest.fail("the lock was given twice")
    with run_lock(state_dir, patience=timedelta(0)):
        pass

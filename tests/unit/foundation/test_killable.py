import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.killable import run_killable

_LONG = timedelta(minutes=5)


def _run(program: str, *, deadline: Deadline | None = None, given: bytes = b"") -> bytes:
    deadline = deadline or Deadline.after(_LONG)
    return run_killable([sys.executable, "-I", "-c", program], given, env={"K": "v"}, deadline=deadline, what="x")


def test_program_gets_standard_input_and_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFECYCLE_TEST_SECRET", "canary")
    said = _run("import os,sys; print(sys.stdin.read(), *sorted(os.environ))", given=b"hello").decode().split()
    assert said[0] == "hello"
    assert {"HOME", "PATH", "K"} <= set(said[1:])
    assert "LIFECYCLE_TEST_SECRET" not in said


def test_home_is_gone_afterwards() -> None:
    home = Path(_run("import os; print(os.environ['HOME'])").decode().strip())
    assert home.name.startswith("lifecycle-")
    assert not home.exists()


def test_exit_code_and_standard_error_are_left_to_the_caller() -> None:
    assert _run("import sys; print('out'); sys.stderr.write('canary'); sys.exit(3)") == b"out\n"


def test_deadline_kills_the_program_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = (
        "import subprocess,sys,time\n"
        f"child = subprocess.Popen(['sleep', '600']); open({str(mark)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(TimeoutError, match="stopped at the deadline"):
        _run(program, deadline=Deadline.after(timedelta(seconds=3)))
    pid = int(mark.read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

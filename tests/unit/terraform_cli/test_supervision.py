"""Processes, their records, locks, the CLI configuration and the environment, without Terraform."""

import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.terraform_cli.cli_config import ProviderMirror, cli_config, find_mirror, this_platform
from lifecycle.terraform_cli.lock_holders import local_lock, lock_object_key, stored_lock
from lifecycle.terraform_cli.locks import HeldLock, LockInfo, StaleLock, lock_in_text, parse_lock_object, stale_lock
from lifecycle.terraform_cli.process import Limits, memory_file, run
from lifecycle.terraform_cli.run_records import RunRecord, RunRecords, is_alive, start_time
from lifecycle.terraform_cli.workplace import Workplace
from tests.unit.terraform_cli.specs import chosen, spec

_LIMITS = Limits(deadline=timedelta(seconds=60), grace=timedelta(seconds=20))
_RECORD = RunRecord(
    run_id="r1",
    command="apply",
    pid=4,
    start_time=9,
    boot_id="b",
    host="h",
    started="2026-11-24T00:00:00+00:00",
    lock_id="L",
)
_LOCK = LockInfo(id="L", who="me@h", created="2026-11-24T15:36:22.26815685Z")


def _python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_output_is_complete_and_the_environment_is_only_the_given_one(tmp_path: Path) -> None:
    program = "import os,sys; print(sorted(os.environ)); sys.stderr.write('e'); sys.exit(3)"
    finished = run(_python(program), cwd=tmp_path, environment={"LC_ALL": "C"}, limits=_LIMITS)
    assert (finished.returncode, finished.stderr) == (3, b"e")
    assert b"HOME" not in finished.stdout
    assert b"LC_ALL" in finished.stdout


def test_every_line_arrives_once_and_in_order_even_without_a_last_newline(tmp_path: Path) -> None:
    lines: list[bytes] = []
    program = "import sys; [print('x' * (n % 5000), n) for n in range(3000)]; sys.stdout.write('end')"
    run(_python(program), cwd=tmp_path, environment={}, limits=_LIMITS, on_line=lines.append)
    assert len(lines) == 3001
    assert [int(line.split()[-1]) for line in lines[:-1]] == list(range(3000))
    assert lines[-1] == b"end"


def test_a_memory_file_is_read_by_the_child_and_lies_nowhere(tmp_path: Path) -> None:
    with memory_file("config", b"content") as handle:
        program = f"print(open('/proc/self/fd/{handle}').read())"
        finished = run(_python(program), cwd=tmp_path, environment={}, limits=_LIMITS, pass_fds=(handle,))
    assert finished.stdout == b"content\n"
    assert list(tmp_path.iterdir()) == []


def test_the_child_leads_its_own_group_and_session(tmp_path: Path) -> None:
    program = "import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))"
    assert run(_python(program), cwd=tmp_path, environment={}, limits=_LIMITS).stdout == b"True\n"


def test_an_error_in_a_callback_leaves_no_process(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail(_line: bytes) -> None:
        raise ValueError("observer")

    with pytest.raises(ValueError, match="observer"):
        run(
            _python("import time; print(1, flush=True); time.sleep(600)"),
            cwd=tmp_path,
            environment={},
            limits=_LIMITS,
            on_line=fail,
            on_start=pids.append,
        )
    assert start_time(pids[0]) == 0


def test_a_second_request_to_stop_kills(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    program = f"""
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
open({str(ready)!r}, 'w').close()
time.sleep(600)
"""
    outer = f"""
import sys
from datetime import timedelta
from pathlib import Path
from lifecycle.terraform_cli.process import Limits, run
limits = Limits(deadline=timedelta(seconds=600), grace=timedelta(seconds=600))
finished = run([sys.executable, '-c', {program!r}], cwd=Path({str(tmp_path)!r}), environment={{}}, limits=limits)
print(finished.interrupted, finished.killed, finished.returncode)
"""
    process = subprocess.Popen(_python(outer), stdout=subprocess.PIPE, start_new_session=True)

    def interrupt_until_ended() -> None:
        while not ready.exists():
            threading.Event().wait(0.02)
        while process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
            threading.Event().wait(0.3)

    thread = threading.Thread(target=interrupt_until_ended, daemon=True)
    thread.start()
    output, _ = process.communicate(timeout=60)
    thread.join()
    assert output == b"True True -9\n"


def test_a_program_that_cannot_be_started_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be started"):
        run([str(tmp_path / "absent")], cwd=tmp_path, environment={}, limits=_LIMITS)


def test_records_are_private_and_survive(tmp_path: Path) -> None:
    records = RunRecords(tmp_path / "runs")
    record = records.open(run_id="r1", command="apply", pid=os.getpid(), started="now")
    assert is_alive(record)
    locked = records.locked(record, "L")
    assert RunRecords(tmp_path / "runs").all() == (locked,)
    assert stat.S_IMODE((tmp_path / "runs" / "r1.run.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o700
    records.close(locked)
    records.close(locked)
    assert records.all() == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"run_id": "x"}', b"\xff"])
def test_a_damaged_record_proves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.run.json").write_bytes(content)
    assert RunRecords(tmp_path).all() == ()


def test_a_process_with_the_same_pid_but_another_start_is_not_the_recorded_one(tmp_path: Path) -> None:
    record = RunRecords(tmp_path).open(run_id="r", command="plan", pid=os.getpid(), started="now")
    assert not is_alive(replace(record, start_time=record.start_time + 1))
    assert not is_alive(replace(record, host="elsewhere"))
    assert not is_alive(replace(record, boot_id="another"))


def test_a_group_lives_as_long_as_its_last_member(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    leader = subprocess.Popen(_python(child), start_new_session=True)
    leader.wait()
    record = RunRecords(tmp_path).open(run_id="r", command="plan", pid=leader.pid, started="now")
    assert is_alive(record)
    os.killpg(leader.pid, signal.SIGKILL)


@pytest.mark.parametrize("stubborn", [False, True])
def test_what_a_dead_run_left_running_is_ended(tmp_path: Path, stubborn: bool) -> None:
    ready = tmp_path / "ready"
    ignore = "signal.signal(signal.SIGINT, signal.SIG_IGN);" if stubborn else ""
    program = f"import signal, time; {ignore} open({str(ready)!r}, 'w').close(); time.sleep(600)"
    orphan = subprocess.Popen(_python(program), start_new_session=True, stderr=subprocess.DEVNULL)
    threading.Thread(target=orphan.wait, daemon=True).start()
    while not ready.exists():
        threading.Event().wait(0.02)
    records = RunRecords(tmp_path / "runs")
    record = records.open(run_id="r", command="apply", pid=orphan.pid, started="now")
    grace = timedelta(milliseconds=200) if stubborn else timedelta(seconds=60)
    assert records.end_orphans(grace=grace) == (record,)
    assert not is_alive(record)
    assert records.end_orphans(grace=grace) == ()
    assert records.all() == (record,)


@pytest.mark.parametrize(
    ("records", "host", "boot", "alive", "stale"),
    [
        ([_RECORD], "h", "b", False, True),
        ([_RECORD], "h", "b", True, False),
        ([_RECORD], "other", "b", False, False),
        ([_RECORD], "h", "other", False, False),
        ([replace(_RECORD, lock_id="M")], "h", "b", False, False),
        ([replace(_RECORD, lock_id="")], "h", "b", False, False),
        ([], "h", "b", False, False),
        ([replace(_RECORD, lock_id="M"), _RECORD], "h", "b", False, True),
    ],
)
def test_only_a_lock_of_a_dead_run_of_this_host_and_boot_is_stale(
    records: list[RunRecord], host: str, boot: str, alive: bool, stale: bool
) -> None:
    decision = stale_lock(_LOCK, records, host=host, boot_id=boot, alive=lambda _record: alive)
    assert isinstance(decision, StaleLock if stale else HeldLock)
    assert isinstance(decision, StaleLock) or decision.reason


def test_a_lock_is_read_from_both_of_its_forms() -> None:
    stored = parse_lock_object(b'{"ID":"L","Who":"me@h","Created":"2026-11-24T15:36:22.26815685Z"}')
    assert stored == _LOCK
    assert stored is not None
    assert stored.created_at() == datetime(2026, 11, 24, 15, 36, 22, 268156, tzinfo=UTC)
    assert lock_in_text("  RequestID: 1\n  HostID: 2\n") is None
    assert LockInfo(id="x", created="yesterday").created_at() is None
    assert parse_lock_object(b'{"ID"') is None
    assert parse_lock_object(b"{}") is None


def test_a_lock_that_cannot_be_read_stops_nothing() -> None:
    def broken() -> bytes | None:
        raise ValueError("endpoint down")

    assert stored_lock(broken)() is None
    assert stored_lock(lambda: None)() is None


def test_where_backends_keep_their_lock(tmp_path: Path) -> None:
    assert lock_object_key(spec().backend) == "datarobot/prod.tfstate.tflock"
    assert lock_object_key(chosen("http", None)) is None
    holder = local_lock(tmp_path, "terraform.tfstate")
    assert holder() is None
    (tmp_path / ".terraform.tfstate.lock.info").write_text('{"ID": "L"}')
    assert holder() == LockInfo(id="L")


def test_a_mirror_is_found_by_what_it_holds(tmp_path: Path) -> None:
    provider = tmp_path / "a" / "mirror" / "registry.terraform.io" / "hashicorp" / "aws"
    (provider / "5.100.0" / this_platform()).mkdir(parents=True)
    found = find_mirror([tmp_path / "absent", tmp_path], version="5.100.0")
    assert found == ProviderMirror(folder=tmp_path / "a" / "mirror")
    assert find_mirror([tmp_path], version="6.0.0") is None
    text = cli_config(found).decode()
    assert "disable_checkpoint = true" in text
    assert 'exclude = ["registry.terraform.io/hashicorp/aws"]' in text
    assert "direct" not in cli_config(ProviderMirror(folder=tmp_path, only=True)).decode()
    assert cli_config(None) == b"disable_checkpoint = true\n"


@pytest.mark.parametrize(
    "name", ["TF_LOG", "TF_LOG_PROVIDER", "TF_LOG_PATH", "TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_WORKSPACE", "TF_VAR_x"]
)
def test_variables_that_log_secrets_or_change_commands_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Workplace(folder=tmp_path, environment_name="x", environment={name: "1"}).child_environment()
    assert name not in Workplace(folder=tmp_path, environment_name="x").child_environment()


def test_values_are_in_the_childs_environment_and_in_no_repr(tmp_path: Path) -> None:
    place = Workplace(
        folder=tmp_path,
        environment_name="x",
        environment={"AWS_SECRET_ACCESS_KEY": "canary-1"},
        variables={"token": SecretText("canary-2")},
    )
    assert place.child_environment()["TF_VAR_token"] == "canary-2"
    assert "canary" not in repr(place)
    assert {text.get_secret_value() for text in place.secrets()} == {"canary-1", "canary-2"}


def test_a_variable_beyond_the_kernels_limit_is_refused(tmp_path: Path) -> None:
    place = Workplace(folder=tmp_path, environment_name="x", variables={"big": SecretText("x" * 140_000)})
    with pytest.raises(ConfigurationError, match="variable big"):
        place.child_environment()

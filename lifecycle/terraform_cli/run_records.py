"""What is running, on disk: so that the next run can tell a lock or process that a dead run left from a living one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

import orjson

from lifecycle.foundation.atomic_file import private_folder, replace_file
from lifecycle.terraform_cli.created_log import CreatedLogs

_PROC = Path("/proc")
_SUFFIX = ".run.json"
_PAUSE = 0.05
_KILL_PATIENCE = 10.0  # seconds until a killed process is gone, unless the kernel holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One Terraform process of ours.

    Attributes:
        run_id: name of the record.
        command: `plan`, `apply`, ...
        pid: the process, which leads its process group.
        start_time: in clock ticks since boot: pid and start time name a process for ever.
        boot_id: the kernel's id of the boot.
        host: the machine.
        started: ISO 8601 time, for people.
        lock_id: of the state lock it holds; empty until it was seen.
    """

    run_id: str
    command: str
    pid: int
    start_time: int
    boot_id: str
    host: str
    started: str
    lock_id: str = ""
    schema_version: int = 1


def this_host() -> str:
    """Name of this machine."""
    return socket.gethostname()


def this_boot() -> str:
    """The kernel's id of this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 when it is gone or a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    parts = text.rpartition(")")[2].split()  # the command before it may hold spaces and parentheses
    return 0 if parts[0] in {"Z", "X"} else int(parts[19])


def is_alive(record: RunRecord) -> bool:
    """Whether the recorded process, or another one of its group, still runs on this host and boot.

    A group whose leader is gone keeps its id until its last member (a provider) is gone.
    """
    if record.host != this_host() or record.boot_id != this_boot():
        return False
    if start_time(record.pid):
        return start_time(record.pid) == record.start_time
    return any(_group(entry) == record.pid for entry in _PROC.iterdir() if entry.name.isdecimal())


def _group(entry: Path) -> int:
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    parts = text.rpartition(")")[2].split()
    return 0 if parts[0] in {"Z", "X"} else int(parts[2])


class RunRecords:
    """The records of one environment on this machine: one 0600 file each in a 0700 folder.

    Args:
        folder: under the user's state directory.

    Attributes:
        created: what these runs created, beside their records.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.created = CreatedLogs(folder)

    def open(self, *, run_id: str, command: str, pid: int, started: str) -> RunRecord:
        """Record a process that has just been started."""
        record = RunRecord(
            run_id=run_id,
            command=command,
            pid=pid,
            start_time=start_time(pid),
            boot_id=this_boot(),
            host=this_host(),
            started=started,
        )
        self._write(record)
        return record

    def locked(self, record: RunRecord, lock_id: str) -> RunRecord:
        """Record which lock it holds."""
        changed = replace(record, lock_id=lock_id)
        self._write(changed)
        return changed

    def close(self, record: RunRecord) -> None:
        """It has ended and left nothing behind. Second call: nothing."""
        with contextlib.suppress(FileNotFoundError):
            self._path(record.run_id).unlink()

    def all(self) -> tuple[RunRecord, ...]:
        """Every readable record. One that a newer version wrote, or that is damaged, proves nothing and is left out."""
        found = (_read(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}")))
        return tuple(record for record in found if record is not None)

    def end_orphans(self, *, grace: timedelta) -> tuple[RunRecord, ...]:
        """End what runs of ours that died left running: asked to stop, then killed, group by group.

        Call it only while holding the environment's own lock on this machine: then no recorded run has a living owner.

        Args:
            grace: how long an orderly stop may take.

        Returns:
            The runs that were still at work. Their records stay until their state lock is dealt with.
        """
        found = tuple(record for record in self.all() if is_alive(record))
        for record in found:
            _end(record, grace)
        return found

    def _write(self, record: RunRecord) -> None:
        private_folder(self._folder)
        replace_file(self._path(record.run_id), orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2))

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}{_SUFFIX}"


def _end(record: RunRecord, grace: timedelta) -> None:
    for number, patience in ((signal.SIGINT, grace.total_seconds()), (signal.SIGKILL, _KILL_PATIENCE)):
        if not is_alive(record):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, number)
        until = time.monotonic() + patience
        while is_alive(record) and time.monotonic() < until:
            time.sleep(_PAUSE)


def _read(path: Path) -> RunRecord | None:
    try:
        document = orjson.loads(path.read_bytes())
        if set(document) != {field.name for field in fields(RunRecord)} or document["schema_version"] != 1:
            return None
        return RunRecord(**document)
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None

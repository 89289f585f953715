"""Detached server processes: how one is started, recognised and stopped.

A process is named by pid, start time and boot id together, so that a signal can never reach a stranger that was
given the same pid later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.process_end import ended_within

_PROC = Path("/proc")
_KILL_PATIENCE = 5.0  # seconds until a SIGKILLed process is gone


def boot_id() -> str:
    """The kernel's id of this boot.

    Raises:
        ConfigurationError: this system is not Linux.
    """
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ConfigurationError(
            "The sandbox recognises its servers by /proc, which this system does not have.",
            remedy="Run it on Linux, in a Linux container or in a virtual machine.",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMark:
    """What identifies one process for ever: pid, start time in clock ticks since boot, and the boot."""

    pid: int
    start_time: int
    boot_id: str

    def to_document(self) -> dict[str, Any]:
        """The JSON form kept in `instance.json` and in ready files."""
        return {"pid": self.pid, "start_time": self.start_time, "boot_id": self.boot_id}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ProcessMark:
        """Read the JSON form back; a KeyError or ValueError means that it is none."""
        return cls(pid=int(document["pid"]), start_time=int(document["start_time"]), boot_id=str(document["boot_id"]))


def start_time(pid: int) -> int | None:
    """Start time of a running process in clock ticks since boot; None when there is none, or only a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the command name before it may hold spaces and parentheses
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def mark_of(pid: int) -> ProcessMark | None:
    """The mark of a running process; None when it is gone."""
    started = start_time(pid)
    return None if started is None else ProcessMark(pid=pid, start_time=started, boot_id=boot_id())


def is_alive(mark: ProcessMark) -> bool:
    """Whether exactly this process still runs."""
    return mark.boot_id == boot_id() and start_time(mark.pid) == mark.start_time


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Start a process in its own session, so that neither Ctrl-C nor a hang-up reaches it.

    Args:
        argv: program (full path) and arguments; never a secret.
        environment: the whole environment of the child.
        log: file that takes its output; 0600.

    Returns:
        Its pid.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(  # not Popen: its object would have to outlive this run
        argv[0],
        list(argv),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
    )


def stop(mark: ProcessMark, *, patience: timedelta = timedelta(seconds=3)) -> bool:
    """Stop exactly this process: SIGTERM, wait, SIGKILL.

    Args:
        mark: the process; a stranger with its pid is left alone.
        patience: how long it may take to end by itself.

    Returns:
        Whether it was running.
    """
    try:
        handle = os.pidfd_open(mark.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(mark):  # read after the handle is open: it cannot change its owner any more
            return False
        for name, seconds in ((signal.SIGTERM, patience.total_seconds()), (signal.SIGKILL, _KILL_PATIENCE)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, name)
            if ended_within(handle, seconds):
                break
        return True
    finally:
        os.close(handle)
        reap(mark.pid)


def reap(pid: int) -> None:
    """Collect the exit status if the process was our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_until(condition: Any, *, deadline: float, interval: float = 0.02) -> bool:
    """Poll until `condition()` is true.

    Args:
        condition: called without arguments.
        deadline: `time.monotonic()` at which to give up.
        interval: seconds between two polls.
    """
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True

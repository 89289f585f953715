"""One run at a time changes a sandbox; the second waits, and names the holder when it has waited long enough."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from lifecycle.domain.errors import BusyError
from lifecycle.sandbox.private_file import make_private_dir


@contextlib.contextmanager
def run_lock(state_dir: Path, *, patience: timedelta) -> Iterator[None]:
    """Hold the lock of one sandbox.

    The lock file stands beside the state directory, which may be renamed while the lock is held; the kernel releases
    it with the process.

    Args:
        state_dir: the sandbox.
        patience: how long to wait for another run.

    Raises:
        BusyError: another run still holds it.
    """
    path = state_dir.with_name(f".{state_dir.name}.lock")
    make_private_dir(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(handle, state_dir, time.monotonic() + patience.total_seconds())
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, state_dir: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace") or "unknown"
                raise BusyError(
                    f"Process {holder} is starting or stopping the sandbox in {state_dir}.",
                    remedy="Wait until it has finished, then run the command again.",
                ) from None
        time.sleep(0.05)

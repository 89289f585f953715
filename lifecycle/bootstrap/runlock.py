"""One run at a time per environment on a host."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.domain.errors import BusyError, ConfigurationError


@contextmanager
def exclusive_run(path: Path, env: str) -> Iterator[None]:
    """Hold the environment's lock; the kernel releases it with the process.

    Raises:
        BusyError: another run holds it; the message names the process.
        ConfigurationError: the state directory belongs to somebody else, or is full or no folder.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the state directory {path.parent} cannot be used: {error.strerror}",
            remedy="set LIFECYCLE_STATE_DIR to a folder of your own",
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise BusyError(
                f"another run works on environment {env}: process {holder}", remedy="wait for it, then run this again"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)

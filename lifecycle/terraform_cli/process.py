"""One child process, supervised: nothing of it outlives its deadline, an interrupt, or the death of this process.

1. It is the leader of its own session and process group, so a Ctrl-C on the terminal reaches only us.
2. Its output goes to memory-backed files that are read while it runs. They leave nothing on disk, and unlike a pipe
   they do not kill it with SIGPIPE when we die: it can finish its orderly stop and save its state.
3. When we die, even by SIGKILL, the kernel sends it SIGINT: Terraform stops, saves state, releases its lock.
4. Past the deadline, or on an interrupt, the group gets SIGINT; after the grace, or on a second interrupt, SIGKILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.process_end import ended_within

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_INTERVAL = 0.05  # seconds between two looks at the output; the end of the process is noticed at once
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a process ended.

    Attributes:
        returncode: as in `subprocess`: negative when a signal ended it.
        stdout: everything, or nothing when its lines were handed to a callback.
        stderr: everything.
        interrupted: we stopped it on a person's or scheduler's request.
        timed_out: we stopped it at its deadline.
        killed: it had to be killed, so what it held (a lock) may be left behind.
    """

    returncode: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    interrupted: bool = False
    timed_out: bool = False
    killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a process may run, and how long its orderly stop may take."""

    deadline: timedelta
    grace: timedelta


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    limits: Limits,
    pass_fds: Sequence[int] = (),
    on_line: Callable[[bytes], None] | None = None,
    on_start: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Finished:
    """Run a program to its end.

    Args:
        argv: program and arguments; never a secret.
        cwd: its working folder.
        environment: its whole environment.
        limits: deadline and grace.
        pass_fds: file descriptors it may open through `/proc/self/fd`.
        on_line: called with each complete line of stdout while it runs.
        on_start: called with its pid, which is also its process group.
        stop: asked about 20 times a second; true means interrupt. Ctrl-C in this thread does the same.

    Raises:
        ConfigurationError: the program cannot be started.
    """
    with _memory("stdout") as out, _memory("stderr") as err:
        child = _start(argv, cwd, environment, streams=(out, err), pass_fds=pass_fds)
        watch = _Watch(child=child, limits=limits, out=out, on_line=on_line, stop=stop)
        try:
            if on_start is not None:
                on_start(child.pid)
            watch.until_end()
        finally:
            watch.leave_nothing()
        return Finished(
            returncode=child.returncode,
            stdout=b"" if on_line else _content(out),
            stderr=_content(err),
            interrupted=watch.interrupted,
            timed_out=watch.timed_out,
            killed=watch.killed,
        )


@contextlib.contextmanager
def memory_file(name: str, content: bytes) -> Iterator[int]:
    """A file in memory that a child may read as `/proc/self/fd/<n>` when `<n>` is in its `pass_fds`."""
    with _memory(name) as handle:
        os.write(handle, content)
        yield handle


@contextlib.contextmanager
def _memory(name: str) -> Iterator[int]:
    handle = os.memfd_create(name)
    try:
        yield handle
    finally:
        os.close(handle)


def _content(handle: int) -> bytes:
    return os.pread(handle, os.fstat(handle).st_size, 0)


def _start(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    *,
    streams: tuple[int, int],
    pass_fds: Sequence[int],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - the program is the configured Terraform, never a shell
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - two system calls, no Python lock is taken
        )
    except OSError as error:
        raise ConfigurationError(
            f"{argv[0]} cannot be started: {error.strerror}",
            remedy="Install Terraform or OpenTofu 1.11 or newer, or set LIFECYCLE_TERRAFORM to its path.",
        ) from None


def _die_with(parent: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


@dataclass(slots=True, kw_only=True)
class _Watch:
    child: subprocess.Popen[bytes]
    limits: Limits
    out: int
    on_line: Callable[[bytes], None] | None
    stop: Callable[[], bool] | None
    interrupted: bool = False
    timed_out: bool = False
    killed: bool = False
    _read: int = 0
    _partial: bytes = b""
    _until: float = 0.0

    def until_end(self) -> None:
        """Hand out lines and keep the limits until the process has ended."""
        self._until = time.monotonic() + self.limits.deadline.total_seconds()
        with _pidfd(self.child.pid) as handle:
            ended = False
            while not ended:
                try:
                    ended = ended_within(handle, _INTERVAL)
                    self._drain()
                    if not ended:
                        self._check()
                except KeyboardInterrupt:
                    self._interrupt()
            self._drain(last=True)

    def leave_nothing(self) -> None:
        """End what is left of the group; the leader is not reaped before, so its group id cannot be a stranger's."""
        if self.child.returncode is None and not _ended(self.child.pid):
            self._signal(signal.SIGINT)
            with _pidfd(self.child.pid) as handle:
                ended_within(handle, self.limits.grace.total_seconds())
            self.killed = self.killed or not _ended(self.child.pid)
        self._signal(signal.SIGKILL)
        self.child.wait()

    def _check(self) -> None:
        now = time.monotonic()
        stopping = self.interrupted or self.timed_out
        if not stopping and self.stop is not None and self.stop():
            self._interrupt()
        elif now >= self._until and stopping:
            self._kill()
        elif now >= self._until:
            self.timed_out = True
            self._ask_to_stop()

    def _interrupt(self) -> None:
        if self.interrupted or self.timed_out:
            self._kill()
        else:
            self.interrupted = True
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._until = time.monotonic() + self.limits.grace.total_seconds()
        self._signal(signal.SIGINT)

    def _kill(self) -> None:
        self.killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)

    def _drain(self, *, last: bool = False) -> None:
        if self.on_line is None:
            return
        while chunk := os.pread(self.out, _CHUNK, self._read):
            self._read += len(chunk)
            *lines, self._partial = (self._partial + chunk).split(b"\n")
            for line in lines:
                self.on_line(line)
        if last and self._partial:
            self.on_line(self._partial)
            self._partial = b""


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _ended(pid: int) -> bool:
    with _pidfd(pid) as handle:
        return ended_within(handle, 0)

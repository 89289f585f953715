"""Runs a declared command: no shell, a short environment, a deadline that ends the whole process group.

What the command writes may show a secret, so it is dropped, or returned to a caller that compares it and shows nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
VALUE_FD = "LIFECYCLE_VALUE_FD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        trouble: empty when it ended with 0, else what happened, without its output.
        output: what it wrote to standard output, when that was asked for.
    """

    trouble: str = ""
    output: bytes = field(default=b"", repr=False)


def run_bounded(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    timeout: timedelta,
    stdin: bytes | None = None,
    on_descriptor: bytes | None = None,
    keep_output: bool = False,
) -> Ended:
    """Run a command to its end.

    Args:
        command: program and arguments; never a shell line.
        environment: variables beside PATH and LANG.
        timeout: then the command and all it started are killed.
        stdin: what it reads there; None = nothing.
        on_descriptor: what it reads from the descriptor that LIFECYCLE_VALUE_FD names; None = there is none.
        keep_output: return its standard output.
    """
    with _piped(on_descriptor) as reading:
        env = {**_ENVIRONMENT, **environment, **({VALUE_FD: str(reading)} if reading is not None else {})}
        try:
            process = subprocess.Popen(  # noqa: S603 - a declared, approved command, given as a list
                list(command),
                env=env,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE if keep_output else subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=() if reading is None else (reading,),
                start_new_session=True,
            )
        except OSError as error:
            return Ended(trouble=f"could not be started ({error.strerror})")
        return _wait(process, stdin, timeout)


def _wait(process: subprocess.Popen[bytes], stdin: bytes | None, timeout: timedelta) -> Ended:
    try:
        output, _ = process.communicate(stdin, timeout=timeout.total_seconds())
    except subprocess.TimeoutExpired:
        _kill(process)
        process.communicate()
        return Ended(trouble=f"was killed after {timeout}")
    except BaseException:
        _kill(process)
        process.wait()
        raise
    trouble = f"ended with {process.returncode}" if process.returncode else ""
    return Ended(trouble=trouble, output=output or b"")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _piped(content: bytes | None) -> Iterator[int | None]:
    """A descriptor from which `content` can be read once; a pipe leaves nothing on disk."""
    if content is None:
        yield None
        return
    reading, writing = os.pipe()
    writer = threading.Thread(target=_feed, args=(writing, content), daemon=True)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)  # a writer that nobody read from ends with a broken pipe
        writer.join()


def _feed(descriptor: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(content)

"""Programs that end when a deadline says so, with everything that they started.

Vendors' native libraries retry on their own and block where no exception reaches them. In a process of their own they
can be killed. What they get comes on standard input, never as arguments; what they write on standard error is dropped,
as it may repeat what was sent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from lifecycle.foundation.deadline import Deadline


def run_killable(argv: Sequence[str], given: bytes, *, env: Mapping[str, str], deadline: Deadline, what: str) -> bytes:
    """Run a program in a home of its own, which is gone afterwards.

    Args:
        argv: the program, without secrets.
        given: its standard input.
        env: its environment, beside HOME and PATH.
        deadline: when it is killed.
        what: names it in messages and folders.

    Returns:
        Its standard output, whatever its exit code.

    Raises:
        TimeoutError: the deadline passed; its whole process group is dead.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lifecycle-") as home,
        subprocess.Popen(  # noqa: S603 - callers pass our own interpreter and file, a list, no shell
            argv,
            env={"HOME": home, "PATH": os.defpath, **env},
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.communicate(given, timeout=deadline.seconds_left)[0]
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{what} was stopped at the deadline") from None
        finally:
            if process.poll() is None:  # else its number may be another's by now
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

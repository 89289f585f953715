"""What a process's exit code means. A file of its own: `--help` needs it, and nothing else of the error tree."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes; each has exactly one meaning."""

    DONE = 0
    INTERNAL = 1
    CONFIGURATION = 2
    CONNECT = 3
    REMOTE = 4
    REFUSED = 5
    PENDING = 6
    QUARANTINED = 7
    INTERRUPTED = 130


# When several hold at once, the first of this order is the one reported (design section 5).
PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.QUARANTINED,
    ExitCode.INTERNAL,
    ExitCode.CONFIGURATION,
    ExitCode.REFUSED,
    ExitCode.REMOTE,
    ExitCode.CONNECT,
    ExitCode.PENDING,
    ExitCode.DONE,
)


def most_urgent(codes: list[ExitCode]) -> ExitCode:
    """Reduce several outcomes to the one exit code that wins.

    Args:
        codes: outcomes of one run; an empty list means nothing went wrong.
    """
    return next((code for code in PRECEDENCE if code in codes), ExitCode.DONE)

"""Waits for the end of a process by its pidfd."""

from __future__ import annotations

import select


def ended_within(handle: int, seconds: float) -> bool:
    """Whether the process ends within this time.

    Args:
        handle: of `os.pidfd_open`.
        seconds: 0 only looks.
    """
    # poll, not select: select refuses descriptors above 1023, which a busy process reaches.
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))

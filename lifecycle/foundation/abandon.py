"""Calls that cannot be stopped, under a deadline that ends them for the caller.

Name resolution and vendors' libraries block in C, where no exception reaches them. The call runs on a daemon thread;
past its deadline the thread is left behind, and nobody waits for it, not at exit either (an executor's threads are
waited for).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")


def abandonable(call: Callable[[], T], *, timeout: timedelta, name: str) -> T:
    """The result of `call`, or what it raised.

    Args:
        call: what may hang; it must hold nothing that others wait for.
        timeout: after which it is left behind.
        name: of the thread, for people who look at a stuck process.

    Raises:
        TimeoutError: it did not end in time.
    """
    outcome: queue.SimpleQueue[tuple[T] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((call(),))
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        found = outcome.get(timeout=max(0.0, timeout.total_seconds()))
    except queue.Empty:
        raise TimeoutError(f"{name}: no end within {timeout}") from None
    if isinstance(found, BaseException):
        raise found
    return found[0]

"""A token bucket that all threads of a process share, so that a provider's quota is used up but not overrun."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from lifecycle.foundation.deadline import Monotonic


class RateBudget:
    """Calls per second against one quota.

    Takers are served in the order in which they came: each reserves its place under the lock and waits outside it, so
    that a crowd never wakes up together.

    Args:
        per_second: sustained rate.
        burst: how many calls may go at once after a pause.
        monotonic: seconds that never go back.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: int = 1,
        monotonic: Monotonic = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a rate budget needs a positive rate and a burst of at least 1")
        self._interval = 1.0 / per_second
        self._tolerance = self._interval * (burst - 1)
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = monotonic()  # when the next call is due if calls came evenly (GCRA)

    def take(self) -> timedelta:
        """Wait until one more call fits in. Returns how long that took."""
        with self._lock:
            now = self._monotonic()
            due = max(self._next, now)
            wait = max(0.0, due - self._tolerance - now)
            self._next = due + self._interval
        if wait > 0:
            self._sleep(wait)
        return timedelta(seconds=wait)

    def pause(self, duration: timedelta) -> None:
        """The provider asked to slow down: nobody goes on before `duration` has passed."""
        with self._lock:
            until = self._monotonic() + duration.total_seconds() + self._tolerance
            self._next = max(self._next, until)

"""A circuit breaker: a target that keeps failing is left alone for a while, so that it cannot hold up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from lifecycle.foundation.deadline import Monotonic


class Breaker:
    """One target's breaker. Safe to share between threads.

    1. Closed: every call may go. 2. After `threshold` failures in a row: open, no call goes. 3. After `cool_down`: one
    trial call goes; its success closes the breaker, its failure opens it again.

    Args:
        threshold: failures in a row that open it.
        cool_down: how long it stays open before a trial.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        cool_down: timedelta = timedelta(seconds=30),
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._cool_down = cool_down.total_seconds()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._blocked_until = 0.0

    def admits(self) -> bool:
        """Whether a call may go now. Who is admitted must `record` its outcome."""
        with self._lock:
            if self._failures < self._threshold:
                return True
            if self._monotonic() < self._blocked_until:
                return False
            # One trial: others wait a further period, also when the trial never reports back.
            self._blocked_until = self._monotonic() + self._cool_down
            return True

    def wait(self) -> timedelta:
        """How long until a trial call may go; zero when calls may go."""
        with self._lock:
            if self._failures < self._threshold:
                return timedelta()
            return timedelta(seconds=max(0.0, self._blocked_until - self._monotonic()))

    def record(self, *, reached: bool) -> None:
        """Report whether the target answered; a refusal is an answer too."""
        with self._lock:
            if reached:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= self._threshold:
                self._blocked_until = self._monotonic() + self._cool_down


class Breakers:
    """One breaker per target name, made on first use."""

    def __init__(self, make: Callable[[], Breaker] = Breaker) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}

    def __call__(self, target: str) -> Breaker:
        """The breaker of `target`."""
        with self._lock:
            return self._breakers.setdefault(target, self._make())

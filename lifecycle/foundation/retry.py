"""Repeats idempotent calls after named failures: bounded attempts, bounded total time, full jitter.

Never around a callable that takes a raw secret, and never around a call that mints: those are resolved by reading.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from lifecycle.domain.errors import RemoteServiceError, UnreachableError
from lifecycle.foundation.deadline import Deadline, Monotonic

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long.

    Attributes:
        attempts: calls in all, the first included.
        total: no call is started after this time.
        first_pause: upper bound of the first pause; each further bound is twice the one before.
        longest_pause: upper bound of any pause.
        retry_on: the failures after which the call may be repeated. A `RemoteServiceError` must be `retryable` too.
    """

    attempts: int = 4
    total: timedelta = timedelta(seconds=20)
    first_pause: timedelta = timedelta(milliseconds=200)
    longest_pause: timedelta = timedelta(seconds=5)
    retry_on: tuple[type[Exception], ...] = (RemoteServiceError, UnreachableError)


def _sleep(duration: timedelta) -> None:
    time.sleep(duration.total_seconds())


def retry_idempotent(
    call: Callable[[], T],
    *,
    policy: RetryPolicy = RetryPolicy(),
    sleep: Callable[[timedelta], None] = _sleep,
    jitter: Callable[[], float] = random.random,
    monotonic: Monotonic = time.monotonic,
) -> T:
    """Call until it succeeds, a failure is not worth repeating, or the policy ends.

    Args:
        call: an idempotent call without secret arguments.
        policy: limits.
        sleep: waits.
        jitter: a number in [0, 1) that spreads the pauses of many processes.
        monotonic: seconds that never go back.

    Raises:
        Exception: the last failure, unchanged.
    """
    deadline = Deadline.after(policy.total, monotonic)
    for attempt in range(1, policy.attempts + 1):
        try:
            return call()
        except policy.retry_on as error:
            pause = _pause(error, attempt, policy, jitter())
            over = attempt == policy.attempts or pause.total_seconds() >= deadline.seconds_left
            if over or not _worth_repeating(error):
                raise
            sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _worth_repeating(error: Exception) -> bool:
    return not isinstance(error, RemoteServiceError) or error.retryable


def _pause(error: Exception, attempt: int, policy: RetryPolicy, spread: float) -> timedelta:
    asked = error.retry_after if isinstance(error, RemoteServiceError) else None
    bound = min(policy.first_pause * float(2 ** (attempt - 1)), policy.longest_pause)
    return (asked or timedelta()) + bound * spread

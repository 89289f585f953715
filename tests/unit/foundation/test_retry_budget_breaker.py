from datetime import timedelta

import pytest

from lifecycle.domain.errors import AuthenticationError, RemoteServiceError, UnreachableError
from lifecycle.foundation.breaker import Breaker, Breakers
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.foundation.retry import RetryPolicy, retry_idempotent


class FakeTime:
    """Monotonic time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def sleep_delta(self, duration: timedelta) -> None:
        self.sleep(duration.total_seconds())


def _remote(*, retryable: bool, retry_after: timedelta | None = None) -> RemoteServiceError:
    return RemoteServiceError("x failed", remedy="wait", retryable=retryable, retry_after=retry_after)


def _attempts(*failures: Exception, policy: RetryPolicy | None = None) -> tuple[int, FakeTime]:
    time, calls, queue = FakeTime(), [0], list(failures)

    def call() -> int:
        calls[0] += 1
        if queue:
            raise queue.pop(0)
        return calls[0]

    result = retry_idempotent(
        call, policy=policy or RetryPolicy(), sleep=time.sleep_delta, jitter=lambda: 0.5, monotonic=time
    )
    return result, time


def test_repeats_retryable_failures_with_growing_pauses() -> None:
    result, time = _attempts(_remote(retryable=True), UnreachableError("x", remedy="y"))
    assert result == 3
    assert time.slept == [0.1, 0.2]


def test_waits_as_long_as_the_service_asked() -> None:
    _, time = _attempts(_remote(retryable=True, retry_after=timedelta(seconds=3)))
    assert time.slept == [3.1]


@pytest.mark.parametrize("error", [_remote(retryable=False), AuthenticationError("no", remedy="login"), KeyError("x")])
def test_other_failures_are_not_repeated(error: Exception) -> None:
    with pytest.raises(type(error)):
        _attempts(error)


def test_attempts_are_bounded() -> None:
    with pytest.raises(RemoteServiceError):
        _attempts(*[_remote(retryable=True) for _ in range(4)])


def test_no_pause_runs_past_the_total_time() -> None:
    policy = RetryPolicy(total=timedelta(seconds=2))
    with pytest.raises(RemoteServiceError):
        _attempts(_remote(retryable=True, retry_after=timedelta(seconds=5)), policy=policy)


def test_rate_budget_spreads_calls_after_the_burst() -> None:
    time = FakeTime()
    budget = RateBudget(10, burst=2, monotonic=time, sleep=time.sleep)
    waits = [budget.take().total_seconds() for _ in range(4)]
    assert waits == pytest.approx([0, 0, 0.1, 0.1])


def test_rate_budget_honours_a_pause() -> None:
    time = FakeTime()
    budget = RateBudget(10, burst=5, monotonic=time, sleep=time.sleep)
    budget.pause(timedelta(seconds=7))
    assert budget.take().total_seconds() == pytest.approx(7)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0)])
def test_rate_budget_refuses_nonsense(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateBudget(rate, burst=burst)


def test_breaker_opens_tries_once_and_closes() -> None:
    time = FakeTime()
    breaker = Breaker(threshold=2, cool_down=timedelta(seconds=30), monotonic=time)
    for _ in range(2):
        assert breaker.admits()
        breaker.record(reached=False)
    assert not breaker.admits()
    time.now += 30
    assert breaker.admits()
    assert not breaker.admits(), "one trial at a time"
    breaker.record(reached=True)
    assert breaker.admits()


def test_failed_trial_opens_the_breaker_again() -> None:
    time = FakeTime()
    breaker = Breaker(threshold=1, cool_down=timedelta(seconds=30), monotonic=time)
    breaker.record(reached=False)
    time.now += 30
    assert breaker.admits()
    breaker.record(reached=False)
    time.now += 29
    assert not breaker.admits()


def test_each_target_has_its_own_breaker() -> None:
    breakers = Breakers(lambda: Breaker(threshold=1))
    breakers("a").record(reached=False)
    assert not breakers("a").admits()
    assert breakers("b").admits()


def test_deadline_never_hands_out_zero() -> None:
    time = FakeTime()
    deadline = Deadline.after(timedelta(seconds=5), time)
    assert deadline.cap(2) == 2
    time.now += 6
    assert deadline.passed
    assert deadline.cap(2) > 0

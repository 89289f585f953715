"""An issuer behind its quota and its breaker: who shares them, what counts, what a 429 does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.foundation.breaker import Breaker
from lifecycle.foundation.paced import paced
from lifecycle.foundation.rate_budget import RateBudget


class Issuer:
    """Mints, or fails as told."""

    def __init__(self) -> None:
        self.error: LifecycleError | None = None
        self.minted = 0

    def mint(self) -> int:
        if self.error is not None:
            raise self.error
        self.minted += 1
        return self.minted

    def list(self) -> str:
        return "all"


class Time:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Desk:
    """Two issuers at one installation and quota."""

    def __init__(self) -> None:
        self.time = Time()
        budget = RateBudget(2.0, burst=1, monotonic=self.time, sleep=self.time.sleep)
        breaker = Breaker(threshold=3, cool_down=timedelta(seconds=30), monotonic=self.time)
        self.inner = (Issuer(), Issuer())
        self.one, self.other = (
            paced(issuer, what="the issuer", budget=budget, breaker=breaker, changes=("mint",)) for issuer in self.inner
        )


def test_changes_of_all_who_share_a_quota_are_spread_and_reading_is_free() -> None:
    desk = Desk()
    for _ in range(5):
        desk.one.mint()
        desk.other.mint()
        assert desk.one.list() == "all"
    assert desk.time.now == pytest.approx(4.5)  # ten changes, two a second, the first at once


def test_what_one_is_told_to_wait_all_wait() -> None:
    desk = Desk()
    desk.inner[0].error = RemoteServiceError("429", remedy="wait", retryable=True, retry_after=timedelta(seconds=60))
    with pytest.raises(RemoteServiceError):
        desk.one.mint()
    desk.other.mint()
    assert desk.time.now == pytest.approx(60)


def test_a_provider_that_keeps_failing_is_left_alone_for_a_while() -> None:
    desk = Desk()
    desk.inner[0].error = AmbiguousEffectError("no answer", remedy="read")
    for _ in range(3):
        with pytest.raises(AmbiguousEffectError):
            desk.one.mint()
    with pytest.raises(UnreachableError, match="nothing was sent"):
        desk.other.mint()
    assert desk.inner[1].minted == 0
    desk.time.sleep(31)
    assert desk.other.mint() == 1  # the trial closes it
    desk.inner[0].error = None
    assert desk.one.mint() == 1


@pytest.mark.parametrize("kind", [AuthenticationError, SlotOccupiedError])
def test_a_refusal_is_an_answer_and_holds_up_nobody(kind: type[LifecycleError]) -> None:
    desk = Desk()
    desk.inner[0].error = kind("refused", remedy="ask")
    for _ in range(6):
        with pytest.raises(kind):
            desk.one.mint()
    assert desk.other.mint() == 1

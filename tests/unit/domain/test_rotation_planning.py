"""Order, change windows and forecast: pure, so every case is a few lines."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.change_window import ALWAYS, DAYS, ChangeWindow
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.rotation_forecast import QuotaUse, Step, forecast, in_words
from lifecycle.domain.rotation_order import waves
from lifecycle.domain.rotation_policy import Limits

MONDAY = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
NIGHT = ChangeWindow(days=("mon",), start=time(2), end=time(4))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (MONDAY, MONDAY.replace(hour=2, minute=0)),
        (MONDAY.replace(hour=3), MONDAY.replace(hour=3)),
        (MONDAY.replace(hour=4, minute=0), MONDAY.replace(hour=2, minute=0) + timedelta(days=7)),
    ],
)
def test_a_window_tells_when_it_opens_next(at: datetime, opens: datetime) -> None:
    assert NIGHT.opens(at) == opens
    assert NIGHT.open(at) is (opens == at)


def test_a_window_past_midnight_is_open_on_the_next_day() -> None:
    late = ChangeWindow(days=("sun",), start=time(23), end=time(2))
    assert late.open(MONDAY) and not late.open(MONDAY.replace(hour=2))


@given(
    at=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    start=st.times(),
    end=st.times(),
)
def test_every_window_opens_within_eight_days_and_is_open_then(
    at: datetime, days: set[str], start: time, end: time
) -> None:
    window = ChangeWindow(days=tuple(days), start=start, end=end)
    now = at.replace(tzinfo=UTC)
    opens = window.opens(now)
    assert now <= opens <= now + timedelta(days=8) and window.open(opens)


def test_the_window_that_is_always_open_is() -> None:
    assert ALWAYS.open(MONDAY) and ALWAYS.open(MONDAY.replace(hour=0, minute=0))


def test_who_is_changed_with_another_goes_before_it() -> None:
    order = waves({"app": ("admin",), "report": ("admin",), "admin": ("root",), "root": (), "alone": ("elsewhere",)})
    assert order == {"alone": 0, "app": 0, "report": 0, "admin": 1, "root": 2}


def test_a_circle_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="a, b"):
        waves({"a": ("b",), "b": ("a",), "c": ()})


@given(
    edges=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30),
)
def test_no_credential_is_rotated_before_those_that_are_changed_with_it(edges: list[tuple[int, int]]) -> None:
    uses: dict[str, tuple[str, ...]] = {str(number): () for number in range(13)}
    for one, other in edges:
        if one < other:  # no circle
            uses[str(one)] = (*uses[str(one)], str(other))
    order = waves(uses)
    assert all(order[name] < order[other] for name, others in uses.items() for other in others)


def step(wave: int = 0, takes: int = 10, grace: int = 0, *quotas: QuotaUse) -> Step:
    return Step(wave=wave, takes=timedelta(seconds=takes), grace=timedelta(seconds=grace), quotas=quotas)


def test_a_quota_bounds_a_run_that_workers_would_finish_sooner() -> None:
    graph = QuotaUse(quota="microsoft-graph", calls=2, per_second=20.0)
    told = forecast([step(0, 1, 0, graph)] * 5000, workers=1000)
    assert told.promoted == timedelta(seconds=500)  # facts sheet 8: 5,000 applications about 500 s at best
    (load,) = told.loads
    assert (load.calls, load.needs) == (10_000, timedelta(seconds=500)) and "microsoft-graph" in str(load)


def test_waves_follow_each_other_and_grace_ends_last() -> None:
    told = forecast([step(0, 10, 3600), step(0, 30), step(1, 5)], workers=8)
    assert told.promoted == timedelta(seconds=35)
    assert told.finished == timedelta(seconds=30 + 3600)
    assert forecast([], workers=8).promoted == timedelta()


def test_few_workers_take_longer() -> None:
    assert forecast([step(takes=10)] * 6, workers=2).promoted == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (90, "90 s"), (121, "3 min"), (7200, "2 h"), (172800, "2 d"), (172801, "3 d")]
)
def test_lengths_are_told_rounded_up(seconds: int, text: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == text


def test_backing_off_is_spread_but_never_shorter_than_it_would_be() -> None:
    limits = Limits()
    plain, most = limits.delay(3), limits.delay(3) * 5 / 4
    spread = {limits.spread(3, f"credential-{number}") for number in range(200)}
    assert len(spread) > 100 and all(plain <= one <= most for one in spread)
    assert limits.spread(3, "same") == limits.spread(3, "same")

"""Populations add up, whatever the period; late and overdue follow from the value before."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.population import alive, operations, overdue, population
from lifecycle.domain.rotation import Outcome
from tests.unit.bootstrap.evidence_case import NOW, operation

PERIODS = {"a": timedelta(days=30)}
outcomes = st.sampled_from([Outcome.DONE, Outcome.FAILED, Outcome.RETIRED, Outcome.ADOPTED, Outcome.ROLLED_BACK])


def days(count: float) -> timedelta:
    return timedelta(days=count)


@given(st.lists(outcomes, max_size=8), st.integers(0, 90), st.integers(0, 90))
def test_opening_and_added_less_retired_is_closing(steps: list[Outcome], first: int, last: int) -> None:
    records = [operation("a", number, 85 - 10 * number, outcome=step) for number, step in enumerate(steps, start=1)]
    found = population({"a": records}, NOW - days(max(first, last)), NOW - days(min(first, last)))
    assert found.balanced


def test_a_credential_that_came_and_went_counts_in_both() -> None:
    records = [operation("a", 1, 20), operation("a", 2, 10, outcome=Outcome.RETIRED)]
    found = population({"a": records}, NOW - days(30), NOW)
    assert (found.opening, found.added, found.retired, found.closing) == ((), ("a",), ("a",), ())


def test_a_promoted_value_is_alive_before_its_operation_closes() -> None:
    assert alive(operation("a", 1, 1, state="GRACE", outcome=Outcome.NONE))
    assert not alive(operation("a", 1, 1, state="STAGED", outcome=Outcome.NONE, promoted=False))


def test_lateness_is_counted_from_the_value_before() -> None:
    records = [operation("a", 1, 80), operation("a", 2, 50), operation("a", 3, 15)]
    found = operations({"a": records}, PERIODS, NOW - days(90), NOW)
    assert [item.late_by for item in found] == [None, None, days(5)]
    assert [item.due_at is None for item in found] == [True, False, False]


def test_only_operations_with_a_step_in_the_period_are_told() -> None:
    records = [operation("a", 1, 80), operation("a", 2, 50), operation("a", 3, 15)]
    found = operations({"a": records}, PERIODS, NOW - days(60), NOW - days(20))
    assert [item.number for item in found] == [2]


def test_overdue_looks_at_the_end_of_the_period() -> None:
    history = {"a": [operation("a", 1, 40)]}
    assert [(name, behind > days(9)) for name, _, behind in overdue(history, PERIODS, NOW)] == [("a", True)]
    assert overdue(history, PERIODS, NOW - days(20)) == ()

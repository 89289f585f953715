from datetime import UTC, datetime, timedelta

from lifecycle.domain.verification import Reason, outcome
from lifecycle.domain.verification_history import FLAPPING_CHANGES, Turn, standing

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _turn(hours_ago: float, reason: Reason) -> Turn:
    at = NOON - timedelta(hours=hours_ago)
    return Turn(at=at, connector="files", through="direct", status=outcome(reason), reason=reason)


def test_first_result_stands_since_now() -> None:
    assert standing([], _turn(0, Reason.WORKS)).since == NOON


def test_equal_results_stand_since_the_first_of_them() -> None:
    found = standing([_turn(90, Reason.WORKS)], _turn(0, Reason.WORKS))
    assert (found.since, found.changes, found.flapping) == (NOON - timedelta(hours=90), 0, False)


def test_another_reason_is_a_new_row_but_no_change_of_status() -> None:
    found = standing([_turn(5, Reason.THROTTLED)], _turn(0, Reason.SERVICE_FAULT))
    assert (found.since, found.changes) == (NOON, 0)


def test_changes_of_a_day_make_it_flap_and_older_ones_do_not() -> None:
    swings = [Reason.WORKS, Reason.TIMEOUT_READ] * FLAPPING_CHANGES
    old = [_turn(200 - hour, reason) for hour, reason in enumerate(swings)]
    assert not standing(old, _turn(0, Reason.TIMEOUT_READ)).flapping
    fresh = [_turn(12 - hour, reason) for hour, reason in enumerate(swings)]
    assert standing(fresh, _turn(0, Reason.WORKS)).flapping

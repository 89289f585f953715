from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.verification import Reason, outcome
from lifecycle.domain.verification_history import Turn
from lifecycle.journals.verification_history import VerificationHistory

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _turn(minute: int, reason: Reason, *, connector: str = "files", through: str = "direct") -> Turn:
    at = NOON + timedelta(minutes=minute)
    return Turn(at=at, connector=connector, through=through, status=outcome(reason), reason=reason)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "verifications.jsonl"


def test_only_what_turns_is_written(path: Path) -> None:
    history = VerificationHistory(path)
    for minute, reason in enumerate((Reason.WORKS, Reason.WORKS, Reason.EXPIRED, Reason.EXPIRED)):
        found = history.record([_turn(minute, reason)])
    assert len(path.read_text().splitlines()) == 2
    assert found["files"].since == NOON + timedelta(minutes=2)
    assert path.stat().st_mode & 0o777 == 0o600


def test_positions_have_histories_of_their_own(path: Path) -> None:
    history = VerificationHistory(path)
    history.record([_turn(0, Reason.WORKS)])
    history.record([_turn(1, Reason.PROXY_REFUSED, through="egress")])
    assert history.record([_turn(2, Reason.WORKS)])["files"].since == NOON


def test_half_a_line_of_a_killed_run_costs_only_itself(path: Path) -> None:
    history = VerificationHistory(path)
    history.record([_turn(0, Reason.WORKS)])
    with path.open("a") as file:
        file.write('{"at": "2026-11-24T12:')
    history.record([_turn(1, Reason.EXPIRED, connector="who")])
    found = history.record([_turn(2, Reason.WORKS), _turn(2, Reason.EXPIRED, connector="who")])
    assert (found["files"].since, found["who"].since) == (NOON, NOON + timedelta(minutes=1))


def test_runs_at_once_lose_nothing(path: Path) -> None:
    def record(number: int) -> None:
        VerificationHistory(path).record([_turn(0, Reason.WORKS, connector=f"c{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(40)))
    assert len(path.read_text().splitlines()) == 40


def test_nothing_verified_makes_no_file(path: Path) -> None:
    assert VerificationHistory(path).record([]) == {}
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "verifications.jsonl").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        VerificationHistory(tmp_path / "verifications.jsonl").record([_turn(0, Reason.WORKS)])
    assert caught.value.remedy

"""Real processes, a real SQLite journal, `kill -9` at random moments; then a calm run, and the books are checked.

The seed is part of the test's name and of every failure; `LIFECYCLE_BOUNDS=large` kills two hundred times per class.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.testing.world import CANARY
from tests.fakes.house import NAME
from tests.recovery.bounds import bounds
from tests.recovery.kill_world import open_house

_LONGEST = 0.08  # seconds; a rotation takes about this long
_ROOT = Path(__file__).parents[2]


class Workers:
    """A server that forks one real process per rotation."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.kill_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            text=True,
        )

    def run(self, folder: Path, scenario: str, kill_after: float = -1) -> int:
        """Run one process, killed after so many seconds unless negative; returns its wait status."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(f"{folder} {scenario} {kill_after}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=10)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    started = Workers()
    yield started
    started.close()


def later(folder: Path, scenario: str) -> None:
    """Time passes while nobody runs: until the next rotation is due, or until the killed process's lease is over."""
    house = open_house(folder, scenario)
    house.world.paused = True
    is_open = house.record is not None and house.record.open
    house.world.pass_time(timedelta(hours=1) if is_open else timedelta(days=31))
    _close(house.journal)


def _close(journal: object) -> None:
    assert isinstance(journal, SqliteJournal)
    journal.close()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("scenario", ["A", "B", "B-unstamped", "B-max3", "C", "D", "E-overlap"])
def test_killed_processes_lose_orphan_and_revoke_nothing(
    workers: Workers, tmp_path: Path, scenario: str, seed: int
) -> None:
    chance = random.Random(f"{scenario}{seed}")
    statuses = []
    for _ in range(bounds().kills):
        statuses.append(workers.run(tmp_path, scenario, chance.uniform(0.01, _LONGEST)))
        later(tmp_path, scenario)
    for _ in range(3):
        assert workers.run(tmp_path, scenario) == 0
        later(tmp_path, scenario)
    house = open_house(tmp_path, scenario)
    house.at_rest()
    assert house.world.violations == [], f"seed {seed}"
    assert signal.SIGKILL in statuses, "no process was hit: make the longest wait shorter"
    assert isinstance(house.journal, SqliteJournal)
    assert house.journal.verify() == len(house.journal.history(NAME)) > 0
    _close(house.journal)
    for path in tmp_path.iterdir():
        if not path.name.startswith("world."):  # the simulated provider, store and consumer themselves
            assert CANARY.encode() not in path.read_bytes(), path.name

"""The simulated journal passes the contract of the real ones; otherwise the recovery suite would prove nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lifecycle.testing.simulated_journal import MemoryJournal
from tests.contract.journal_contract import Clock, JournalContract


class TestMemoryJournal(JournalContract):
    """All views are the one object in memory."""

    @pytest.fixture
    def open_book(self, clock: Clock) -> Callable[[], MemoryJournal]:
        journal = MemoryJournal(clock=clock)
        return lambda: journal

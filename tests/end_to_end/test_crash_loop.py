"""A short run of `make crash-test`: real processes and servers, killed at seeded moments."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import NewCheckout
from tests.recovery.crash_loop import ENV, CrashLoop


@pytest.mark.timeout(1200)
def test_thirty_kills_lose_and_orphan_nothing(new_checkout: NewCheckout) -> None:
    loop = CrashLoop(checkout=new_checkout(ENV), seed="4", say=lambda _line: None)
    try:
        loop.begin()
        loop.run(30)
    finally:
        loop.close()
    assert loop.counts["kills"] >= 15, loop.counts

"""The situations of `directed`, on the real driver."""

from __future__ import annotations

import pytest

from tests.recovery.cuts import REAL
from tests.recovery.directed import SITUATIONS


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str) -> None:
    assert SITUATIONS[name](REAL) == []

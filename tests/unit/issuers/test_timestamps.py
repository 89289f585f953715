from datetime import UTC, datetime

import pytest

from lifecycle.issuers.timestamps import provider_time


@pytest.mark.parametrize("text", [None, 5, "", "soon", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text: object) -> None:
    assert provider_time(text) is None


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("2026-11-24T10:00:00Z", 0),
        ("2026-11-24T10:00:00", 0),
        ("2026-11-24T10:00:00.5Z", 500_000),
        ("2026-11-24T10:00:00.1234567Z", 123_456),
        ("2026-11-24T10:00:00+00:00", 0),
    ],
)
def test_times_are_utc_whatever_their_digits(text: str, micro: int) -> None:
    assert provider_time(text) == datetime(2026, 11, 24, 10, 0, 0, micro, tzinfo=UTC)

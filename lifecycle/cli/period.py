"""`--from` and `--to` as moments: whole days, UTC."""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from datetime import datetime


def period(first: str, last: str) -> tuple[datetime | None, datetime | None]:
    """First and last moment; None where a day is empty.

    Raises:
        ConfigurationError: a text is no date, or they are in the wrong order.
    """
    from datetime import UTC, date, datetime, time

    from lifecycle.domain.errors import ConfigurationError

    try:
        since, until = (date.fromisoformat(text) if text else None for text in (first, last))
    except ValueError:
        raise ConfigurationError("--from or --to is no date", remedy="write it as 2026-11-24") from None
    if since is not None and until is not None and since > until:
        raise ConfigurationError("--from is later than --to", remedy="exchange them")
    start = datetime.combine(since, time.min, tzinfo=UTC) if since is not None else None
    end = datetime.combine(until, time.max, tzinfo=UTC) if until is not None else None
    return start, end

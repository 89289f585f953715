"""Times as providers write them: RFC 3339, with up to nine digits of a second, sometimes without a zone."""

from __future__ import annotations

from datetime import UTC, datetime


def provider_time(text: object) -> datetime | None:
    """A time as a provider writes it; None when it is none. Without a zone it is UTC."""
    if not isinstance(text, str):
        return None
    head, dot, fraction = text.replace("Z", "").partition(".")
    try:
        moment = datetime.fromisoformat(f"{head}.{fraction[:6]:0<6}" if dot else head)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

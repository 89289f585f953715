"""When a credential may be tried again, so that checks never lock an account. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.verification import Reason

# Most services lock after five refusals within fifteen minutes (Snowflake: 15 min after five).
REFUSED_INTERVAL = timedelta(minutes=3)
# AWS signs with what it knows of a key id; two secrets for one id within seconds read like an attack.
KEY_ID_INTERVAL = timedelta(seconds=5)
FORGOTTEN_AFTER = timedelta(days=1)


class Attempt(BaseModel):
    """The last time that something was tried.

    Attributes:
        at: aware UTC time.
        version: which version of the value; its id in the store, never the value.
        reason: why it was refused; None when it was not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    version: str
    reason: Reason | None = None

    def refused_until(self, version: str) -> datetime | None:
        """Until when the same value need not be tried again; None when it may be tried."""
        if self.reason is None or version != self.version:
            return None
        return self.at + REFUSED_INTERVAL

    def wait(self, version: str, now: datetime) -> timedelta:
        """How long another value for the same key id must wait."""
        if version == self.version:
            return timedelta()
        return max(timedelta(), self.at + KEY_ID_INTERVAL - now)

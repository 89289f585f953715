"""The rotation state machine (under construction by its own change): states, records and leases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.audit import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one credential until `expires`; `fence` is the monotonic fencing number."""

    credential: str
    owner: str
    fence: int
    expires: datetime


class RotationRecord(BaseModel):
    """One journal entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """Newest record of a credential and its digest; `record` is None at GENESIS."""

    digest: Digest
    record: RotationRecord | None

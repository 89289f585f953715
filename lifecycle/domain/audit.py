"""Audit events and the hash chain that makes tampering visible."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from pydantic import BaseModel, ConfigDict

Digest = NewType("Digest", str)
GENESIS = Digest("sha256:" + "0" * 64)


def digest_bytes(data: bytes) -> Digest:
    """`sha256:<hex>` of some bytes."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def canonical(document: Mapping[str, Any]) -> bytes:
    """Canonical JSON: sorted keys, no white space, UTF-8. What digests are taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Result(StrEnum):
    """How an audited action stands. `INTENT` is written before the act."""

    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class AuditEvent(BaseModel):
    """One line of the audit log.

    Attributes:
        at: aware UTC time.
        actor: who: user and host, or the scheduler's identity.
        action: verb in dotted form, e.g. `credential.mint`, `plan.apply`.
        object: what it was done to, e.g. `credentials.snowflake-ingest`.
        result: intent, done, failed, refused or unknown.
        digest: the plan, bundle or record digest it belongs to; empty when none.
        detail: further ids and states; never a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    actor: str
    action: str
    object: str
    result: Result
    digest: str = ""
    detail: dict[str, str | int | bool] = {}

"""State locks: what a lock says, and whether it was left behind by a run of ours that is dead.

The decision of design section 7: a lock is released automatically only if its id stands in one of our run records,
host and boot match, and the recorded process is gone (pid and start time). Anything else is reported with the command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson

from lifecycle.terraform_cli.run_records import RunRecord

# Anchored at the line's start: the text around a lock also has `RequestID:` and `HostID:`.
_LINE = re.compile(r"^ *(ID|Path|Operation|Who|Created): +(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInfo:
    """Who holds a state lock, as written by its holder."""

    id: str
    who: str = ""
    operation: str = ""
    created: str = ""
    path: str = ""

    def __str__(self) -> str:
        operation = self.operation.removeprefix("OperationType") or "unknown operation"
        return f"{operation} by {self.who or 'somebody'} since {self.created or 'an unknown time'}"

    def created_at(self) -> datetime | None:
        """When it was taken, by its holder's clock; None when that cannot be read."""
        try:
            moment = datetime.fromisoformat(self.created)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleLock:
    """Left by our own dead run: may be released."""

    lock: LockInfo
    record: RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """Not provably ours and dead: left alone. `reason` says what is missing; `record` is the living run, if ours."""

    lock: LockInfo
    reason: str
    record: RunRecord | None = None


def lock_in_text(text: str) -> LockInfo | None:
    """The lock named in a diagnostic; None when the text names none."""
    found = dict(_LINE.findall(text))
    if "ID" not in found:
        return None
    return LockInfo(
        id=found["ID"],
        who=found.get("Who", ""),
        operation=found.get("Operation", ""),
        created=found.get("Created", ""),
        path=found.get("Path", ""),
    )


def parse_lock_object(content: bytes) -> LockInfo | None:
    """The lock object as Terraform stores it (`<key>.tflock` in S3, `.<state>.lock.info` beside a local state)."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None  # caught while it was being written
    if not isinstance(document, dict) or not document.get("ID"):
        return None
    return LockInfo(
        id=str(document["ID"]),
        who=str(document.get("Who", "")),
        operation=str(document.get("Operation", "")),
        created=str(document.get("Created", "")),
        path=str(document.get("Path", "")),
    )


def stale_lock(
    lock: LockInfo, records: Iterable[RunRecord], *, host: str, boot_id: str, alive: Callable[[RunRecord], bool]
) -> StaleLock | HeldLock:
    """Decide whether a lock may be released without a person.

    Args:
        lock: the lock that is in the way.
        records: our run records of this environment.
        host: this machine's name.
        boot_id: this boot.
        alive: whether a recorded process group, on this host and boot, still has a process.
    """
    record = next((known for known in records if known.lock_id == lock.id), None)
    if record is None:
        return HeldLock(lock=lock, reason="no run of ours on this machine recorded it")
    if record.host != host:
        return HeldLock(lock=lock, reason=f"it belongs to a run on {record.host}", record=record)
    if record.boot_id != boot_id:
        # The process cannot have survived the restart; but a name says less about a machine than its boot id, so a
        # cloned disk or a shared home folder could hold this record. A person decides.
        return HeldLock(lock=lock, reason=f"{host} has restarted since that run, or is another machine", record=record)
    if alive(record):
        return HeldLock(lock=lock, reason=f"process {record.pid} of that run is still at work", record=record)
    return StaleLock(lock=lock, record=record)

"""Journal, lease book and audit log in memory, with the checks of the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from lifecycle.domain.audit import GENESIS, AuditEvent, Digest, canonical, digest_bytes
from lifecycle.domain.errors import BusyError, FenceError, IntegrityError, LostRaceError
from lifecycle.domain.ports import AuditLog, Clock, LeaseBook, RotationJournal
from lifecycle.domain.rotation import VIRTUAL, JournalHead, Lease, RotationRecord
from lifecycle.testing.world import Port


@dataclass(kw_only=True)
class MemoryJournal:
    """Records per credential, oldest first."""

    clock: Clock
    removed: frozenset[str] = frozenset()
    records: dict[str, list[tuple[Digest, RotationRecord]]] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)

    def append(self, lease: Lease, record: RotationRecord, expected_head: Digest) -> Digest:
        """See `lifecycle.domain.ports`."""
        if record.state in VIRTUAL or record.fence != lease.fence or record.credential != lease.credential:
            raise IntegrityError("not written under its own lease", remedy="bug")
        head = self.head(record.credential)
        newest = head.record
        if newest is not None and record.fence < newest.fence and "fence-at-append" not in self.removed:
            raise FenceError("a newer lease has written", remedy="stop")
        if (head.digest != expected_head or record.previous != expected_head) and "head-at-append" not in self.removed:
            raise LostRaceError("another run has written", remedy="stop")
        digest = record.digest()
        self.records.setdefault(record.credential, []).append((digest, record))
        return digest

    def head(self, credential: str) -> JournalHead:
        """See `lifecycle.domain.ports`."""
        known = self.records.get(credential)
        return (
            JournalHead(digest=known[-1][0], record=known[-1][1]) if known else JournalHead(digest=GENESIS, record=None)
        )

    def open_operations(self) -> tuple[RotationRecord, ...]:
        """See `lifecycle.domain.ports`."""
        return tuple(known[-1][1] for known in self.records.values() if known[-1][1].open)

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        """See `lifecycle.domain.ports`."""
        expected = GENESIS
        for digest, record in self.records.get(credential, []):
            if record.previous != expected or record.digest() != digest:
                raise IntegrityError("broken chain", remedy="restore")
            expected = digest
        return tuple(record for _, record in self.records.get(credential, []))

    def credentials(self) -> tuple[str, ...]:
        """See `lifecycle.domain.ports`."""
        return tuple(sorted(self.records))

    def acquire(self, credential: str, owner: str, ttl: timedelta) -> Lease:
        """See `lifecycle.domain.ports`."""
        held, now = self.leases.get(credential), self.clock()
        if held is not None and held.expires > now:
            raise BusyError(f"{credential} is held by {held.owner}", remedy="wait")
        newest = self.head(credential).record
        fence = max(held.fence if held else 0, newest.fence if newest else 0) + 1
        self.leases[credential] = Lease(credential=credential, owner=owner, fence=fence, expires=now + ttl)
        return self.leases[credential]

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """See `lifecycle.domain.ports`."""
        held = self.leases.get(lease.credential)
        if held is None or held.fence != lease.fence or held.owner != lease.owner:
            raise FenceError("the lease was taken over", remedy="stop")
        self.leases[lease.credential] = replace(held, expires=self.clock() + ttl)
        return self.leases[lease.credential]

    def release(self, lease: Lease) -> None:
        """See `lifecycle.domain.ports`."""
        held = self.leases.get(lease.credential)
        if held is not None and held.fence == lease.fence:
            self.leases[lease.credential] = replace(held, expires=datetime.fromtimestamp(0, UTC))


class Book(RotationJournal, LeaseBook, Protocol):
    """One object that is both."""


@dataclass(frozen=True, kw_only=True)
class JournalPort(Port):
    """One process's way to the journal and the lease book."""

    journal: Book

    def append(self, lease: Lease, record: RotationRecord, expected_head: Digest) -> Digest:
        """See `lifecycle.domain.ports`."""
        return self.call("journal.append", lambda: self.journal.append(lease, record, expected_head), write=True)

    def head(self, credential: str) -> JournalHead:
        """See `lifecycle.domain.ports`."""
        return self.call("journal.head", lambda: self.journal.head(credential), write=False)

    def open_operations(self) -> tuple[RotationRecord, ...]:
        """See `lifecycle.domain.ports`."""
        return self.call("journal.open", self.journal.open_operations, write=False)

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        """See `lifecycle.domain.ports`."""
        return self.call("journal.history", lambda: self.journal.history(credential), write=False)

    def credentials(self) -> tuple[str, ...]:
        """See `lifecycle.domain.ports`."""
        return self.call("journal.credentials", self.journal.credentials, write=False)

    def acquire(self, credential: str, owner: str, ttl: timedelta) -> Lease:
        """See `lifecycle.domain.ports`."""
        return self.call("lease.acquire", lambda: self.journal.acquire(credential, owner, ttl), write=True)

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """See `lifecycle.domain.ports`."""
        return self.call("lease.renew", lambda: self.journal.renew(lease, ttl), write=True)

    def release(self, lease: Lease) -> None:
        """See `lifecycle.domain.ports`."""
        return self.call("lease.release", lambda: self.journal.release(lease), write=True)


@dataclass(kw_only=True)
class MemoryAudit:
    """Audit events with their chain."""

    events: list[tuple[Digest, AuditEvent]] = field(default_factory=list)

    def append(self, event: AuditEvent) -> Digest:
        """See `lifecycle.domain.ports`."""
        before = self.events[-1][0] if self.events else GENESIS
        digest = digest_bytes(before.encode() + canonical(event.model_dump(mode="json")))
        self.events.append((digest, event))
        return digest

    def read(self) -> tuple[AuditEvent, ...]:
        """See `lifecycle.domain.ports`."""
        before = GENESIS
        for digest, event in self.events:
            if digest_bytes(before.encode() + canonical(event.model_dump(mode="json"))) != digest:
                raise IntegrityError("broken audit chain", remedy="restore")
            before = digest
        return tuple(event for _, event in self.events)


@dataclass(frozen=True, kw_only=True)
class AuditPort(Port):
    """One process's way to the audit log and the notifier."""

    log: AuditLog

    def append(self, event: AuditEvent) -> Digest:
        """See `lifecycle.domain.ports`."""
        return self.call("audit.append", lambda: self.log.append(event), write=True)

    def read(self) -> tuple[AuditEvent, ...]:
        """See `lifecycle.domain.ports`."""
        return self.log.read()

    def notify(self, event: AuditEvent) -> None:
        """See `lifecycle.domain.ports`."""
        self.world.told.append(event.model_dump_json())


_: type[RotationJournal] = MemoryJournal
__: type[LeaseBook] = MemoryJournal
___: type[RotationJournal] = JournalPort

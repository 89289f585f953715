"""Journal and lease book in one SQLite file, for one host: WAL, synchronous=FULL, 0600, folder fsynced.

What it detects on opening and on reading, always as `IntegrityError`:

1. a record that was altered: its digest, the chain of its credential and the chain of the file do not fit;
2. a file that was truncated or damaged: SQLite refuses it, or rows that the head file has seen are missing;
3. an older copy of the file put back: the head file beside it (`<name>.head`) is ahead of it.

The head file holds the number and chain digest of the newest row in two checksummed slots, written in turn, so that a
torn write leaves the other one. It is written after each commit and fsynced when a lease is released, not at each
record: after a power cut it may lag behind the file, and then an older copy is detected only up to where it stands.
An older copy of *both* files cannot be told from the truth: reconciliation finds that out at store and provider.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.domain.audit import GENESIS, Digest, canonical, digest_bytes
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    BusyError,
    FenceError,
    IntegrityError,
    LostRaceError,
    RemoteServiceError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.rotation import VIRTUAL, JournalHead, Lease, RotationRecord
from lifecycle.journals.sqlite_head import HeadFile, create_private

if TYPE_CHECKING:
    from lifecycle.domain.ports import Clock, LeaseBook, RotationJournal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  row INTEGER PRIMARY KEY, credential TEXT NOT NULL, sequence INTEGER NOT NULL, fence INTEGER NOT NULL,
  digest TEXT NOT NULL, chain TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (credential, sequence));
CREATE TABLE IF NOT EXISTS leases (
  credential TEXT PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, expires TEXT NOT NULL);
"""
_RESTORE = "keep the file as evidence and put back the newest copy; `lifecycle rotate status` then reconciles"


class SqliteSettings(KindSettings):
    """`journal.sqlite`: nothing to set; the file lies in the user's state directory."""


class SqliteJournal:
    """Progress of rotations, and who may work on them, in one private file.

    Args:
        path: the database file; created 0600 if absent, its folder must exist.
        clock: aware UTC time, for leases.
        timeout: how long to wait for another process's transaction.
        alive: whether the process that a lease names still runs. All of them run on this host, so the lease of one
            that was killed need not lapse first; a paused one lives and keeps it.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        timeout: timedelta = timedelta(seconds=10),
        alive: Callable[[str], bool] = lambda _owner: True,
    ) -> None:
        self._path, self._clock, self._alive = path, clock, alive
        self._lock = threading.Lock()
        create_private(path)
        with contextlib.ExitStack() as opened:
            self._head_file = HeadFile(path.with_name(path.name + ".head"))
            opened.callback(self._head_file.close)
            self._db = sqlite3.connect(
                path, timeout=timeout.total_seconds(), isolation_level=None, check_same_thread=False
            )
            opened.callback(self._db.close)
            self._prepare(path)
            opened.pop_all()  # it opened well: `close` closes

    def _prepare(self, path: Path) -> None:
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:  # a full disk, a file that somebody else has locked
            raise self._unavailable(error, committing=False) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        _sync_folder(path.parent)
        with self._transaction():
            self._check_head_file()

    def close(self) -> None:
        """Sync and close; the object is of no use afterwards."""
        with self._lock:
            self._head_file.sync()
            self._head_file.close()
            self._db.close()

    # -- journal

    def append(self, lease: Lease, record: RotationRecord, expected_head: Digest) -> Digest:
        """Write the next record; head, fence and chain are checked in the transaction that writes it."""
        if record.state in VIRTUAL or record.credential != lease.credential or record.fence != lease.fence:
            raise IntegrityError(
                f"record of {record.credential} was not written under its own lease",
                remedy="this is a bug; please report",
            )
        body = canonical(record.model_dump(mode="json")).decode()
        digest = digest_bytes(body.encode())
        with self._transaction():
            self._check_append(record, expected_head)
            row, chain = self._tip()
            chain = digest_bytes(f"{chain}{digest}".encode())
            self._db.execute(
                "INSERT INTO records VALUES (?,?,?,?,?,?,?)",
                (row + 1, record.credential, record.sequence, record.fence, digest, chain, body),
            )
        self._head_file.advance(row + 1, chain)
        return digest

    def head(self, credential: str) -> JournalHead:
        """Newest record and its digest; `GENESIS` when there is none."""
        found = self._newest(credential)
        if found is None:
            return JournalHead(digest=GENESIS, record=None)
        digest, body = found
        return JournalHead(digest=digest, record=self._parse(credential, digest, body))

    def open_operations(self) -> tuple[RotationRecord, ...]:
        """The newest record of each credential whose operation has not ended."""
        heads = (self.head(name).record for name in self.credentials())
        return tuple(record for record in heads if record is not None and record.open)

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        """All records of a credential, oldest first, chain checked."""
        rows = self._query("SELECT digest, body FROM records WHERE credential=? ORDER BY sequence", credential)
        records = tuple(self._parse(credential, Digest(digest), body) for digest, body in rows)
        expected = GENESIS
        for number, (record, (digest, _)) in enumerate(zip(records, rows, strict=True), start=1):
            if record.previous != expected or record.sequence != number:
                raise self._broken(f"record {record.sequence} of {credential} does not follow the one before it")
            expected = Digest(digest)
        return records

    def credentials(self) -> tuple[str, ...]:
        """Names of all credentials that ever had a record."""
        return tuple(name for (name,) in self._query("SELECT DISTINCT credential FROM records ORDER BY credential"))

    def verify(self) -> int:
        """Check every record and both kinds of chain. Returns how many records there are."""
        chain, count = str(GENESIS), 0
        for row, digest, stored in self._query("SELECT row, digest, chain FROM records ORDER BY row"):
            chain, count = digest_bytes(f"{chain}{digest}".encode()), count + 1
            if row != count or stored != chain:
                raise self._broken(f"row {count} does not follow the one before it")
        for name in self.credentials():
            self.history(name)
        with self._transaction():
            self._check_head_file()
        return count

    def export(self) -> Iterator[str]:
        """All records as JSON lines with their digests; `read_export` checks them."""
        for row, digest, chain, body in self._query("SELECT row, digest, chain, body FROM records ORDER BY row"):
            yield json.dumps({"row": row, "digest": digest, "chain": chain, "record": body}, separators=(",", ":"))

    # -- leases

    def acquire(self, credential: str, owner: str, ttl: timedelta) -> Lease:
        """Take a free, lapsed or orphaned lease with the next fence, which is never lower than any record's."""
        now = self._clock()
        with self._transaction():
            held = self._one("SELECT owner, fence, expires FROM leases WHERE credential=?", credential)
            if held is not None and datetime.fromisoformat(held[2]) > now and self._alive(held[0]):
                raise BusyError(
                    f"{credential} is being worked on by {held[0]} until {held[2]}",
                    remedy="wait for it; a killed run's lease lapses by itself",
                )
            newest = self._one("SELECT MAX(fence) FROM records WHERE credential=?", credential)
            fence = max(held[1] if held else 0, (newest and newest[0]) or 0) + 1
            lease = Lease(credential=credential, owner=owner, fence=fence, expires=now + ttl)
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?,?,?,?)", (credential, owner, fence, _iso(lease.expires))
            )
        return lease

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Prolong with the same fence, also when it has lapsed and nobody took over."""
        renewed = Lease(credential=lease.credential, owner=lease.owner, fence=lease.fence, expires=self._clock() + ttl)
        with self._transaction():
            changed = self._db.execute(
                "UPDATE leases SET expires=? WHERE credential=? AND fence=? AND owner=?",
                (_iso(renewed.expires), lease.credential, lease.fence, lease.owner),
            )
            if changed.rowcount != 1:
                raise FenceError(
                    f"the lease on {lease.credential} was taken over", remedy="let the other run finish it"
                )
        return renewed

    def release(self, lease: Lease) -> None:
        """Give up early; the fence stays on record."""
        with self._transaction():
            self._db.execute(
                "UPDATE leases SET expires=? WHERE credential=? AND fence=?",
                (_iso(datetime.fromtimestamp(0, UTC)), lease.credential, lease.fence),
            )
        self._head_file.sync()

    # -- inside

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            begun = committing = False
            try:
                self._db.execute("BEGIN IMMEDIATE")
                begun = True
                yield
                committing = True
                self._db.execute("COMMIT")
                begun = False
            except sqlite3.OperationalError as error:
                raise self._unavailable(error, committing) from error
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error
            finally:
                if begun:
                    with contextlib.suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")

    def _check_append(self, record: RotationRecord, expected_head: Digest) -> None:
        newest = self._one(
            "SELECT digest, fence, sequence FROM records WHERE credential=? ORDER BY sequence DESC LIMIT 1",
            record.credential,
        )
        digest, fence, sequence = newest or (GENESIS, 0, 0)
        if record.fence < fence:
            raise FenceError(
                f"{record.credential}: a run with a newer lease has written", remedy="let the other run finish it"
            )
        if digest != expected_head or record.previous != expected_head or record.sequence != sequence + 1:
            raise LostRaceError(f"{record.credential}: another run has written a record", remedy="read it again")

    def _newest(self, credential: str) -> tuple[Digest, str] | None:
        rows = self._query(
            "SELECT digest, body FROM records WHERE credential=? ORDER BY sequence DESC LIMIT 1", credential
        )
        return (Digest(rows[0][0]), rows[0][1]) if rows else None

    def _query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                raise self._unavailable(error, committing=False) from error
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error

    def _one(self, statement: str, *values: str) -> tuple[Any, ...] | None:
        """Inside a transaction."""
        found: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
        return found

    def _tip(self) -> tuple[int, str]:
        return self._one("SELECT row, chain FROM records ORDER BY row DESC LIMIT 1") or (0, str(GENESIS))

    def _check_head_file(self) -> None:
        seen = self._head_file.read()
        if seen is None:
            return
        row, chain = seen
        stored = self._one(f"SELECT chain FROM records WHERE row={int(row)}")  # noqa: S608 - an integer, made so here
        if row and (stored is None or stored[0] != chain):
            raise self._broken(f"it lacks row {row}, which was written before: an older copy, or a truncated file")

    def _parse(self, credential: str, digest: Digest, body: str) -> RotationRecord:
        if digest_bytes(body.encode()) != digest:
            raise self._broken(f"a record of {credential} does not match its digest")
        try:
            record = RotationRecord.model_validate_json(body)
        except ValueError as error:
            raise self._broken(f"a record of {credential} cannot be read: {type(error).__name__}") from error
        if record.credential != credential:
            raise self._broken(f"a record of {record.credential} stands under {credential}")
        return record

    def _broken(self, what: str) -> IntegrityError:
        return IntegrityError(f"journal {self._path.name}: {what}", remedy=_RESTORE)

    def _damaged(self, error: sqlite3.Error) -> IntegrityError:
        return IntegrityError(f"journal {self._path.name} is damaged: {error}", remedy=_RESTORE)

    def _unavailable(self, error: sqlite3.OperationalError, committing: bool) -> RemoteServiceError | IntegrityError:
        text = str(error)
        if "malformed" in text or "no such table" in text:
            return self._damaged(error)
        kind = AmbiguousEffectError if committing else RemoteServiceError
        return kind(
            f"journal {self._path.name}: {text}", remedy="free disk space or wait, then `lifecycle rotate resume`"
        )


def read_export(lines: Iterator[str]) -> tuple[RotationRecord, ...]:
    """Parse exported JSON lines and check every digest and the chain.

    Raises:
        IntegrityError: a line is cut, altered, missing or out of order. Lines missing at the end cannot be noticed.
    """
    records, chain = [], str(GENESIS)
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            digest = digest_bytes(entry["record"].encode())
            chain = digest_bytes(f"{chain}{digest}".encode())
            intact = entry["row"] == number and entry["digest"] == digest and entry["chain"] == chain
            record = RotationRecord.model_validate_json(entry["record"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"journal export: line {number} cannot be read", remedy="export again") from error
        if not intact:
            raise IntegrityError(f"journal export: line {number} was altered", remedy="export again")
        records.append(record)
    return tuple(records)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


if TYPE_CHECKING:
    _journal: type[RotationJournal] = SqliteJournal
    _leases: type[LeaseBook] = SqliteJournal

KIND = Kind(name="sqlite", family=Family.JOURNAL, settings=SqliteSettings, summary="SQLite file, for one host")

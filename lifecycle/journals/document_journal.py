"""Journal and lease book over any product that offers one document per credential with compare-and-set.

Per credential there is one *head*: who may work on it (owner, fence, expiry) and the newest record. A record is
committed by the one compare-and-set write that puts it into the head, so lease, fence and chain are decided together.

1. append: read the head; refuse a newer fence, a moved head, a record that does not follow; write the head; then
   archive the record under its number, create-only. A process killed in between leaves the archive one record behind;
   the next append completes it first, and reading takes the newest record from the head.
2. A write whose answer was lost is resolved by reading: the head shows what was to be written, or the same write is
   tried again, which its version makes safe: only one of the two can land.
3. Every record carries the digest of the one before; reading checks the chain.
4. What this machine has seen of a journal is kept beside it (`SeenHeads`): a journal that shows less was restored from
   an older backup, and nothing is rotated on it. A machine that never saw it cannot know; there reconciliation finds
   out at store and provider.

Expiry compares the clocks of hosts, so clocks that differ by less than a lease lasts are enough; if they differ by
more, the fence refuses the loser's next write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from lifecycle.domain.audit import GENESIS, Digest, canonical, digest_bytes
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    BusyError,
    FenceError,
    IntegrityError,
    LostRaceError,
    RemoteServiceError,
)
from lifecycle.domain.rotation import VIRTUAL, JournalHead, Lease, RotationRecord

if TYPE_CHECKING:
    from lifecycle.domain.ports import Clock, LeaseBook, RotationJournal
    from lifecycle.journals.seen_heads import SeenHeads

_RACES = 30
_DOUBTS = 4
_FREE = datetime.fromtimestamp(0, UTC)
_RESTORE = "keep it as evidence and put back the newest copy; `lifecycle rotate status` then reconciles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The document of one credential.

    Attributes:
        version: what the next compare-and-set names; 0 = there is no document.
        owner, fence, expires: the newest lease.
        sequence, digest, body: the newest record, as canonical JSON; 0 and GENESIS before the first.
    """

    version: int = 0
    owner: str = ""
    fence: int = 0
    expires: datetime = _FREE
    sequence: int = 0
    digest: Digest = GENESIS
    body: str = ""

    def fields(self) -> dict[str, str]:
        """What is stored, as text."""
        return {
            "owner": self.owner,
            "fence": str(self.fence),
            "expires": self.expires.astimezone(UTC).isoformat(),
            "sequence": str(self.sequence),
            "digest": str(self.digest),
            "record": self.body,
        }

    @classmethod
    def from_fields(cls, version: int, fields: Mapping[str, Any]) -> Head:
        """Read it back. Raises ValueError or KeyError when it is no head."""
        return cls(
            version=version,
            owner=str(fields["owner"]),
            fence=int(fields["fence"]),
            expires=datetime.fromisoformat(str(fields["expires"])),
            sequence=int(fields["sequence"]),
            digest=Digest(str(fields["digest"])),
            body=str(fields["record"]),
        )


class Documents(Protocol):
    """What a product offers. Reads are consistent: they show every acknowledged write."""

    @property
    def name(self) -> str:
        """Which journal it is, for messages."""
        ...

    def read(self, credential: str) -> tuple[int, Mapping[str, Any]] | None:
        """Version and fields of a head; None when there is none."""
        ...

    def write(self, credential: str, fields: Mapping[str, str], *, version: int) -> None:
        """Write a head over `version` (0 = create). Raises LostRaceError when it moved, AmbiguousEffectError."""
        ...

    def archive(self, credential: str, sequence: int, body: str) -> None:
        """Keep a record under its number, create-only. Second call: nothing."""
        ...

    def archived(self, credential: str) -> tuple[str, ...]:
        """All archived records, oldest first."""
        ...

    def heads(self) -> tuple[tuple[str, int, Mapping[str, Any]], ...]:
        """Credential, version and fields of every head, by name."""
        ...


class DocumentJournal:
    """Progress of rotations, and who may work on them, where every host sees it.

    Args:
        documents: the product.
        clock: aware UTC time, for leases.
        seen: what this machine has seen; None keeps no such notes.
    """

    def __init__(self, documents: Documents, *, clock: Clock, seen: SeenHeads | None = None) -> None:
        self._documents, self._clock, self._seen = documents, clock, seen
        self._archived: dict[str, int] = {}

    # -- journal

    def append(self, lease: Lease, record: RotationRecord, expected_head: Digest) -> Digest:
        """Write the next record; head, fence and chain are checked against the document that is replaced."""
        if record.state in VIRTUAL or record.credential != lease.credential or record.fence != lease.fence:
            raise IntegrityError(
                f"record of {record.credential} was not written under its own lease",
                remedy="this is a bug; please report",
            )
        body = canonical(record.model_dump(mode="json")).decode()
        digest = digest_bytes(body.encode())

        def change(head: Head) -> Head:
            _check_append(head, record, expected_head)
            self._complete_archive(record.credential, head)
            return replace(head, sequence=record.sequence, digest=digest, body=body)

        self._commit(record.credential, change, landed=lambda head, _tried: head.digest == digest)
        self._note(record.credential, record.sequence, digest)
        self._archive(record.credential, record.sequence, body)
        return digest

    def head(self, credential: str) -> JournalHead:
        """Newest record and its digest; `GENESIS` when there is none."""
        head = self._read(credential)
        return JournalHead(digest=head.digest, record=self._newest(credential, head))

    def open_operations(self) -> tuple[RotationRecord, ...]:
        """The newest record of each credential whose operation has not ended."""
        records = (self._newest(name, self._checked(name, v, fields)) for name, v, fields in self._documents.heads())
        return tuple(record for record in records if record is not None and record.open)

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        """All records of a credential, oldest first, chain checked."""
        head = self._read(credential)
        bodies = self._documents.archived(credential)[: head.sequence]
        if len(bodies) == head.sequence - 1:
            bodies = (*bodies, head.body)
        if len(bodies) != head.sequence or (bodies and bodies[-1] != head.body):
            raise self._broken(f"{len(bodies)} of {head.sequence} records of {credential} are there, or not the same")
        records = tuple(self._parse(credential, body) for body in bodies)
        expected = GENESIS
        for number, (record, body) in enumerate(zip(records, bodies, strict=True), start=1):
            if record.previous != expected or record.sequence != number:
                raise self._broken(f"record {record.sequence} of {credential} does not follow the one before it")
            expected = digest_bytes(body.encode())
            if self._seen is not None and self._seen.differs(credential, number, expected):
                raise self._broken(f"record {number} of {credential} is not the one that this machine has seen")
        return records

    def credentials(self) -> tuple[str, ...]:
        """Names of all credentials that ever had a record."""
        heads = ((name, self._checked(name, version, fields)) for name, version, fields in self._documents.heads())
        return tuple(sorted(name for name, head in heads if head.sequence))

    # -- leases

    def acquire(self, credential: str, owner: str, ttl: timedelta) -> Lease:
        """Take a free or lapsed lease with the next fence."""

        def change(head: Head) -> Head:
            now = self._clock()
            if head.expires > now:
                raise BusyError(
                    f"{credential} is being worked on by {head.owner} until {head.expires.isoformat()}",
                    remedy="wait for it; a killed run's lease lapses by itself",
                )
            return replace(head, owner=owner, fence=head.fence + 1, expires=now + ttl)

        taken = self._commit(credential, change, landed=_same_lease)
        return Lease(credential=credential, owner=owner, fence=taken.fence, expires=taken.expires)

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Prolong with the same fence, also when it has lapsed and nobody took over."""

        def change(head: Head) -> Head:
            if (head.fence, head.owner) != (lease.fence, lease.owner):
                raise FenceError(
                    f"the lease on {lease.credential} was taken over", remedy="let the other run finish it"
                )
            return replace(head, expires=self._clock() + ttl)

        renewed = self._commit(lease.credential, change, landed=_same_lease)
        return replace(lease, expires=renewed.expires)

    def release(self, lease: Lease) -> None:
        """Give up early; the fence stays on record."""
        self._commit(
            lease.credential,
            lambda head: replace(head, expires=_FREE) if head.fence == lease.fence else head,
            landed=_same_lease,
        )

    # -- inside

    def _commit(self, credential: str, change: Callable[[Head], Head], *, landed: Callable[[Head, Head], bool]) -> Head:
        """Decide and write until nobody else moved the document meanwhile; a lost answer is resolved by reading."""
        doubtful: list[Head] = []
        for _ in range(_RACES):
            head = self._read(credential)
            if any(landed(head, tried) for tried in doubtful):
                return head
            following = change(head)
            if following == head:
                return head
            try:
                self._documents.write(credential, following.fields(), version=head.version)
            except LostRaceError:
                continue
            except AmbiguousEffectError:
                doubtful.append(following)
                if len(doubtful) == _DOUBTS:
                    raise
                continue
            return following
        raise RemoteServiceError(
            f"{self._documents.name}: {credential} changes faster than it can be written",
            remedy="run again later",
            retryable=True,
        )

    def _read(self, credential: str) -> Head:
        found = self._documents.read(credential)
        return self._checked(credential, *(found or (0, Head().fields())))

    def _checked(self, credential: str, version: int, fields: Mapping[str, Any]) -> Head:
        try:
            head = Head.from_fields(version, fields)
        except (ValueError, KeyError) as error:
            raise self._broken(f"the head of {credential} cannot be read: {type(error).__name__}") from error
        if self._seen is not None and self._seen.beyond(credential, head.sequence, head.digest):
            raise self._broken(f"{credential} lacks records that this machine has seen: an older copy was restored")
        return head

    def _newest(self, credential: str, head: Head) -> RotationRecord | None:
        if head.sequence == 0:
            return None
        if digest_bytes(head.body.encode()) != head.digest:
            raise self._broken(f"the newest record of {credential} does not match its digest")
        record = self._parse(credential, head.body)
        if record.sequence != head.sequence:
            raise self._broken(f"record {record.sequence} of {credential} stands where {head.sequence} should")
        self._note(credential, head.sequence, head.digest)
        return record

    def _parse(self, credential: str, body: str) -> RotationRecord:
        try:
            record = RotationRecord.model_validate_json(body)
        except ValueError as error:
            raise self._broken(f"a record of {credential} cannot be read: {type(error).__name__}") from error
        if record.credential != credential:
            raise self._broken(f"a record of {record.credential} stands under {credential}")
        return record

    def _complete_archive(self, credential: str, head: Head) -> None:
        """Whoever wrote the head may have been killed before archiving its record, which the next write replaces."""
        if head.sequence and self._archived.get(credential, 0) < head.sequence:
            self._documents.archive(credential, head.sequence, head.body)

    def _archive(self, credential: str, sequence: int, body: str) -> None:
        try:
            self._documents.archive(credential, sequence, body)
        except RemoteServiceError:
            return  # the record is committed; the next append archives it, or fails before it replaces the head
        self._archived[credential] = sequence

    def _note(self, credential: str, sequence: int, digest: Digest) -> None:
        if self._seen is not None:
            self._seen.advance(credential, sequence, digest)

    def _broken(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._documents.name}: {what}", remedy=_RESTORE)


def _check_append(head: Head, record: RotationRecord, expected_head: Digest) -> None:
    if record.fence < head.fence:
        raise FenceError(
            f"{record.credential}: a run with a newer lease is at work", remedy="let the other run finish it"
        )
    if head.digest != expected_head or record.previous != expected_head or record.sequence != head.sequence + 1:
        raise LostRaceError(f"{record.credential}: another run has written a record", remedy="read it again")


def _same_lease(head: Head, tried: Head) -> bool:
    return (head.owner, head.fence, head.expires) == (tried.owner, tried.fence, tried.expires)


if TYPE_CHECKING:
    _journal: type[RotationJournal] = DocumentJournal
    _leases: type[LeaseBook] = DocumentJournal

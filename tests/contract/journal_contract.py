"""What every journal and lease book must do; a new product joins with one subclass that says how to open one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from lifecycle.domain.audit import GENESIS, Digest
from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.errors import BusyError, FenceError, LifecycleError, LostRaceError
from lifecycle.domain.ports import LeaseBook, RotationJournal
from lifecycle.domain.rotation import Lease, Outcome, RotationRecord, State, ValueMark
from lifecycle.domain.secret import Fingerprint, OperationId

TTL = timedelta(minutes=5)


class Book(RotationJournal, LeaseBook, Protocol):
    """One object that is both."""


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def record_after(
    lease: Lease, head: Digest = GENESIS, sequence: int = 1, state: State = State.INTENT, **more: object
) -> RotationRecord:
    """A record that fits under a lease and a head."""
    plain: dict[str, object] = {
        "credential": lease.credential,
        "credential_class": CredentialClass.B,
        "sequence": sequence,
        "previous": head,
        "at": datetime(2030, 1, 1, tzinfo=UTC),
        "operation": OperationId("op1"),
        "fence": lease.fence,
        "state": state,
        "old": ValueMark(id=CredentialId("AKIA1"), fingerprint=Fingerprint("k1:ab")),
    }
    return RotationRecord.model_validate(plain | more)


class JournalContract:
    """Subclass it, and give a fixture `open_book` that opens the same book again at each call."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def open_book(self, clock: Clock) -> Callable[[], Book]:
        """Another process's view of the same book."""
        raise AssertionError("say how to open one")

    @pytest.fixture
    def book(self, open_book: Callable[[], Book]) -> Book:
        return open_book()

    def test_an_unknown_credential_stands_at_genesis(self, book: Book) -> None:
        head = book.head("ingest")
        assert (head.digest, head.record) == (GENESIS, None)
        assert book.history("ingest") == ()
        assert book.credentials() == ()

    def test_a_record_is_read_back_as_it_was_written(self, book: Book) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        record = record_after(lease)
        digest = book.append(lease, record, GENESIS)
        assert digest == record.digest()
        head = book.head("ingest")
        assert (head.digest, head.record) == (digest, record)

    def test_another_process_sees_what_was_written(self, book: Book, open_book: Callable[[], Book]) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        digest = book.append(lease, record_after(lease), GENESIS)
        assert open_book().head("ingest").digest == digest

    def test_history_is_complete_and_in_order(self, book: Book) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        head, written = GENESIS, []
        for sequence in range(1, 6):
            written.append(record_after(lease, head, sequence))
            head = book.append(lease, written[-1], head)
        assert book.history("ingest") == tuple(written)

    def test_a_moved_head_is_refused(self, book: Book) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        book.append(lease, record_after(lease), GENESIS)
        with pytest.raises(LostRaceError):
            book.append(lease, record_after(lease, state=State.MINTING), GENESIS)
        assert len(book.history("ingest")) == 1

    def test_a_record_that_names_another_predecessor_is_refused(self, book: Book) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        head = book.append(lease, record_after(lease), GENESIS)
        with pytest.raises(LostRaceError):
            book.append(lease, record_after(lease, GENESIS, 2), head)

    def test_a_lower_fence_is_refused_even_with_the_right_head(self, book: Book, clock: Clock) -> None:
        old = book.acquire("ingest", "p1", TTL)
        clock.now += TTL + timedelta(seconds=1)
        new = book.acquire("ingest", "p2", TTL)
        head = book.append(new, record_after(new), GENESIS)
        with pytest.raises(FenceError):
            book.append(old, record_after(old, head, 2), head)
        assert book.head("ingest").digest == head

    def test_a_record_under_another_lease_is_refused(self, book: Book) -> None:
        lease, other = book.acquire("ingest", "p1", TTL), book.acquire("other", "p1", TTL)
        with pytest.raises(LifecycleError):
            book.append(other, record_after(lease), GENESIS)

    def test_a_virtual_state_is_never_written(self, book: Book) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        with pytest.raises(LifecycleError):
            book.append(lease, record_after(lease, state=State.LOCKED), GENESIS)

    def test_credentials_are_apart(self, book: Book) -> None:
        one, two = book.acquire("one", "p1", TTL), book.acquire("two", "p1", TTL)
        book.append(one, record_after(one), GENESIS)
        book.append(two, record_after(two), GENESIS)
        assert book.credentials() == ("one", "two")
        assert book.head("one").digest != book.head("two").digest

    def test_open_operations_are_those_that_have_not_ended(self, book: Book) -> None:
        one, two = book.acquire("one", "p1", TTL), book.acquire("two", "p1", TTL)
        book.append(one, record_after(one), GENESIS)
        book.append(two, record_after(two, state=State.CLOSED, outcome=Outcome.DONE), GENESIS)
        assert [record.credential for record in book.open_operations()] == ["one"]

    def test_of_many_racing_appends_exactly_one_wins(self, open_book: Callable[[], Book]) -> None:
        books = [open_book() for _ in range(4)]
        lease = books[0].acquire("ingest", "p1", TTL)

        def write(book: Book) -> bool:
            try:
                book.append(lease, record_after(lease), GENESIS)
            except LostRaceError:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(write, books)) == [False, False, False, True]

    def test_a_held_lease_is_refused_and_its_holder_named(self, book: Book, open_book: Callable[[], Book]) -> None:
        book.acquire("ingest", "host-7", TTL)
        with pytest.raises(BusyError, match="host-7"):
            open_book().acquire("ingest", "p2", TTL)

    def test_a_lapsed_lease_is_taken_with_a_higher_fence(self, book: Book, clock: Clock) -> None:
        first = book.acquire("ingest", "p1", TTL)
        clock.now += TTL + timedelta(seconds=1)
        assert book.acquire("ingest", "p2", TTL).fence > first.fence

    def test_fences_never_go_down_after_a_release(self, book: Book, open_book: Callable[[], Book]) -> None:
        fences = []
        for owner in ("p1", "p2", "p3"):
            lease = open_book().acquire("ingest", owner, TTL)
            fences.append(lease.fence)
            book.release(lease)
            book.release(lease)
        assert fences == sorted(set(fences))

    def test_a_lapsed_lease_that_nobody_took_can_be_renewed(self, book: Book, clock: Clock) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        clock.now += TTL * 2
        assert book.renew(lease, TTL).fence == lease.fence
        with pytest.raises(BusyError):
            book.acquire("ingest", "p2", TTL)

    def test_a_lease_that_was_taken_over_cannot_be_renewed(self, book: Book, clock: Clock) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        clock.now += TTL + timedelta(seconds=1)
        book.acquire("ingest", "p2", TTL)
        with pytest.raises(FenceError):
            book.renew(lease, TTL)

    def test_releasing_a_lease_that_was_taken_over_does_not_free_it(self, book: Book, clock: Clock) -> None:
        lease = book.acquire("ingest", "p1", TTL)
        clock.now += TTL + timedelta(seconds=1)
        book.acquire("ingest", "p2", TTL)
        book.release(lease)
        with pytest.raises(BusyError):
            book.acquire("ingest", "p3", TTL)

    def test_of_many_racing_processes_exactly_one_gets_the_lease(self, open_book: Callable[[], Book]) -> None:
        books = [open_book() for _ in range(4)]

        def take(book: Book) -> bool:
            try:
                book.acquire("ingest", "p", TTL)
            except BusyError:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(take, books)) == [False, False, False, True]

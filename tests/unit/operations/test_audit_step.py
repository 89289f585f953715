"""What was announced in the audit log is followed by what came of it, and a log that fails then costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lifecycle.domain.audit import AuditEvent, Digest, Result
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import UnreachableError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.simulated_journal import MemoryAudit
from tests.fakes.destination import Mood
from tests.fakes.house import House
from tests.fakes.provider import id_of

K = CredentialClass


@dataclass(kw_only=True)
class FailingAudit(MemoryAudit):
    """Takes no event of some kind."""

    refuses: tuple[Result, ...]

    def append(self, event: AuditEvent) -> Digest:
        if event.result in self.refuses:
            raise UnreachableError("the audit log does not answer", remedy="repair it")
        return super().append(event)


def told(house: House) -> list[str]:
    return [f"{event.action.removeprefix('credential.')} {event.result}" for event in house.audit.read()]


@pytest.mark.parametrize(("kind", "made"), [(K.A, "set"), (K.B, "mint"), (K.C, "set"), (K.D, "mint"), (K.E, "mint")])
def test_every_change_has_its_end_on_record(kind: CredentialClass, made: str) -> None:
    house = House(kind=kind)
    rotate(house.context("p1"), force=True, wait=True)
    ends = [f"{made} intent", f"{made} done", "promote done", "deliver done"]
    revoked = ["revoke intent", "revoke done"] if kind in (K.A, K.B) else []
    assert told(house) == ends + revoked


def test_the_end_names_the_credential_and_the_record() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), force=True, wait=True)
    done = {event.action: event for event in house.audit.read() if event.result is Result.DONE}
    record = house.record
    assert record is not None and record.live is not None
    assert done["credential.mint"].detail["id"] == record.live.id
    assert done["credential.revoke"].detail["id"] == "v0"
    digests = {digest for digest, _ in house.journal.records["ingest"]}  # type: ignore[union-attr]  # in memory here
    assert {event.digest for event in done.values()} <= digests


def test_without_an_audit_log_nothing_is_made() -> None:
    house = House(kind=K.B, log=FailingAudit(refuses=tuple(Result)))
    ended = rotate(house.context("p1"), force=True)
    assert ended.standing is Standing.FAILED and set(house.provider.held) == {"v0", "w0"}


def test_a_log_that_fails_after_the_mint_costs_no_value_and_is_told() -> None:
    house = House(kind=K.B, log=FailingAudit(refuses=(Result.DONE,)))
    ended = rotate(house.context("p1"), force=True, wait=True)
    house.at_rest()
    assert (ended.state, ended.outcome) == (State.CLOSED, Outcome.DONE) and house.world.violations == []
    assert {id_of(value) for value in house.store.reachable()} == set(house.provider.held) - {"w0"}
    assert any("audit.append" in text and "credential.mint" in text for text in house.world.told)


def test_a_consumer_that_fails_is_on_record_and_so_is_the_way_back() -> None:
    house = House(kind=K.B)
    house.consumer.mood = Mood.FAILS
    rotate(house.context("p1"), force=True, wait=True)
    assert {"deliver failed", "restore done", "revoke done"} <= set(told(house))

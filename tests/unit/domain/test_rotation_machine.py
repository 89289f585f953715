"""The pure machine: its table is complete and tight, condemned stays condemned, and the drawing is current."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import GENESIS, Digest
from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.errors import InvalidTransitionError
from lifecycle.domain.rotation import (
    ENDED,
    VIRTUAL,
    Outcome,
    PreImageEntry,
    RotationRecord,
    State,
    ValueMark,
    idle_record,
)
from lifecycle.domain.rotation_machine import Stamp, next_record
from lifecycle.domain.rotation_table import OPEN, TRANSITIONS, draw
from lifecycle.domain.secret import CandidateId, Fingerprint, OperationId, VersionId

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD = ValueMark(id=CredentialId("old"), fingerprint=Fingerprint("k:old"))
NEW = ValueMark(id=CredentialId("new"), fingerprint=Fingerprint("k:new"))
TWO_SLOTS = (CredentialClass.A, CredentialClass.B)


def begun(kind: CredentialClass, old: ValueMark | None = OLD) -> on.Begun:
    return on.Begun(
        operation=OperationId("op"),
        credential_class=kind,
        marker="m",
        pre_image=(PreImageEntry(id=CredentialId("old")),),
        old=old,
        revision=VersionId("1"),
        slot="1",
    )


def sample(event: type[object], kind: CredentialClass, old: ValueMark | None) -> on.Event:
    """One event of each type."""
    revision, ceiling = VersionId("2"), HOUR
    events: tuple[on.Event, ...] = (
        on.Planned(),
        on.Locked(),
        begun(kind, old),
        on.RetireBegun(operation=OperationId("op2"), current=NEW, revision=revision, ceiling=ceiling),
        on.TakenOver(),
        on.Prepared(revision=revision),
        on.StagedValue(candidate=CandidateId("1-1"), new=NEW),
        on.StageConfirmed(),
        on.SetAccepted(),
        on.Rejected(reason="no"),
        on.AttemptSpent(limit=2, reason="no answer", remedy="wait"),
        on.SurroundingsFailed(limit=2, reason="down", remedy="wait", not_before=NOW + HOUR),
        on.Condemned(id=CredentialId("new"), candidate=CandidateId("1-1"), reason="lost"),
        on.Discarded(limit=2),
        on.Verified(),
        on.Promoted(revision=revision, ceiling=ceiling),
        on.Delivered(consumer="app", fingerprint=NEW.fingerprint),
        on.Acknowledged(consumer="app", fingerprint=NEW.fingerprint),
        on.AllAcknowledged(minimum=HOUR, ceiling=ceiling),
        on.ConsumerFailed(consumer="app", reason="refused"),
        on.Sealed(revision=revision, soft_off=False),
        on.Sealed(revision=revision, soft_off=True),
        on.Disabled(quiet=HOUR),
        on.Revoked(id=CredentialId("old")),
        on.Restored(revision=revision, ceiling=ceiling),
        on.SetBack(),
        on.RedeliveryNeeded(consumer="app", ceiling=ceiling),
        on.Withdrawn(soft_off=False),
        on.Withdrawn(soft_off=True),
        on.Quarantined(reason="stuck", remedy="look"),
        on.Released(reason="repaired", ceiling=ceiling),
        on.Settled(
            outcome=Outcome.ADOPTED,
            operation=OperationId("op3"),
            current=NEW,
            revision=revision,
            live_since=NOW,
            reason="taken over",
        ),
    )
    return next(item for item in events if type(item) is event)


EVENTS: tuple[type[object], ...] = on.Event.__args__


def stamp(record: RotationRecord, fence: int = 1) -> Stamp:
    return Stamp(at=NOW, fence=fence, previous=record.digest() if record.sequence else GENESIS)


def step(record: RotationRecord, event: on.Event) -> RotationRecord:
    return next_record(record, event, stamp(record))


def start(kind: CredentialClass, old: ValueMark | None = OLD) -> RotationRecord:
    record = idle_record("ingest", kind, NOW)
    for event in (on.Planned(), on.Locked(), begun(kind, old)):
        record = step(record, event)
    return record


def reachable() -> list[RotationRecord]:
    """One record of every state x class x the facts that steer it, found by trying every event from every record."""
    seen: dict[tuple[object, ...], RotationRecord] = {}
    front = [idle_record("ingest", kind, NOW) for kind in CredentialClass]
    while front:
        record = front.pop()
        key = (
            record.state,
            record.credential_class,
            record.old is None,
            record.promoted,
            record.restored,
            record.after,
            record.interrupted,
            record.outcome,
            record.sent,
        )
        if key in seen:
            continue
        seen[key] = record
        for event in EVENTS:
            for old in (OLD, None):
                for variant in _variants(sample(event, record.credential_class, old)):
                    with contextlib.suppress(InvalidTransitionError):
                        front.append(step(record, variant))
    return list(seen.values())


@pytest.fixture(scope="module")
def records() -> list[RotationRecord]:
    return reachable()


def test_every_state_can_be_reached(records: list[RotationRecord]) -> None:
    assert {record.state for record in records} == set(State)


def test_every_row_of_the_table_is_taken_and_no_other_step_exists(records: list[RotationRecord]) -> None:
    taken = set()
    for record in records:
        for event in EVENTS:
            for old in (OLD, None):
                for candidate in _variants(sample(event, record.credential_class, old)):
                    try:
                        following = step(record, candidate)
                    except InvalidTransitionError:
                        continue
                    taken.add((record.state, event.__name__, following.state))
    assert taken == TRANSITIONS


def _variants(event: on.Event) -> list[on.Event]:
    if isinstance(event, on.Sealed):
        return [on.Sealed(revision=event.revision, soft_off=flag) for flag in (True, False)]
    if isinstance(event, on.Withdrawn):
        return [on.Withdrawn(soft_off=flag) for flag in (True, False)]
    if isinstance(event, on.AttemptSpent | on.SurroundingsFailed | on.Discarded):
        return [dataclasses.replace(event, limit=limit) for limit in (1, 9)]
    if isinstance(event, on.Revoked):
        return [event, on.Revoked(id=CredentialId("another"))]
    return [event]


def test_every_open_state_can_be_taken_over_and_quarantined() -> None:
    for state in OPEN:
        assert (state, "TakenOver", state) in TRANSITIONS
        assert (state, "Quarantined", State.QUARANTINED) in TRANSITIONS


def test_a_quarantined_record_leaves_only_by_a_persons_decision() -> None:
    assert {name for source, name, _ in TRANSITIONS if source is State.QUARANTINED} == {"Released", "Settled"}


@pytest.mark.parametrize("kind", list(CredentialClass))
def test_the_path_without_faults(kind: CredentialClass) -> None:
    record = start(kind)
    client_made = kind in (CredentialClass.A, CredentialClass.C)
    path: list[on.Event] = [] if client_made else [on.Prepared(revision=VersionId("1"))]
    path += [on.StagedValue(candidate=CandidateId("1-1"), new=NEW), on.StageConfirmed()]
    path += [on.SetAccepted()] if client_made else []
    path += [on.Verified(), on.Promoted(revision=VersionId("2"), ceiling=HOUR)]
    path += [on.AllAcknowledged(minimum=HOUR, ceiling=HOUR)]
    if kind in TWO_SLOTS:
        path += [on.Sealed(revision=VersionId("3"), soft_off=True), on.Disabled(quiet=HOUR), on.Revoked(id=OLD.id)]
    for event in path:
        record = step(record, event)
    assert (record.state, record.outcome, record.live) == (State.CLOSED, Outcome.DONE, NEW)
    assert record.live_since == NOW


def test_promotion_expects_the_revision_read_under_the_lock() -> None:
    record = step(start(CredentialClass.B), on.Prepared(revision=VersionId("1")))
    record = step(record, on.StagedValue(candidate=CandidateId("1-1"), new=NEW))
    record = step(step(record, on.StageConfirmed()), on.Verified())
    assert record.expected == VersionId("1") == record.pinned


def test_a_condemned_id_is_never_staged_again() -> None:
    record = step(start(CredentialClass.B), on.Prepared(revision=VersionId("1")))
    record = step(record, on.Condemned(id=NEW.id, candidate=None, reason="lost"))
    record = step(record, on.Discarded(limit=3))
    assert record.state is State.MINTING and record.attempt == 2
    with pytest.raises(InvalidTransitionError, match="condemned"):
        step(record, on.StagedValue(candidate=CandidateId("1-2"), new=NEW))


def test_spent_attempts_quarantine_and_a_release_returns_there_with_fresh_ones() -> None:
    record = step(start(CredentialClass.B), on.Prepared(revision=VersionId("1")))
    spent = on.AttemptSpent(limit=2, reason="no answer", remedy="look")
    record = step(step(record, spent), spent)
    assert (record.state, record.interrupted) == (State.QUARANTINED, State.MINTING)
    record = step(record, on.Released(reason="repaired", ceiling=HOUR))
    assert (record.state, record.attempt) == (State.MINTING, 1)


def test_an_unpromoted_rejection_ends_with_the_old_value_live() -> None:
    record = step(start(CredentialClass.B), on.Prepared(revision=VersionId("1")))
    record = step(record, on.StagedValue(candidate=CandidateId("1-1"), new=NEW))
    record = step(step(record, on.StageConfirmed()), on.Rejected(reason="refused"))
    record = step(record, on.Condemned(id=NEW.id, candidate=CandidateId("1-1"), reason="refused"))
    record = step(record, on.Discarded(limit=3))
    assert (record.state, record.outcome, record.live) == (State.CLOSED, Outcome.ROLLED_BACK, OLD)
    assert record.failures == 1


@pytest.mark.parametrize(
    "change",
    [
        {"state": State.CLOSED},
        {"state": State.QUARANTINED},
        {"state": State.DISCARDING, "doomed": "x"},
        {"schema_version": 2},
        {"value": "secret"},
        {"at": datetime(2030, 1, 1)},  # naive
    ],
)
def test_impossible_records_cannot_be_built(change: dict[str, object]) -> None:
    plain = idle_record("ingest", CredentialClass.B, NOW).model_dump()
    with pytest.raises(ValidationError):
        RotationRecord.model_validate(plain | change)


def test_the_drawing_in_the_documentation_is_current() -> None:
    page = (Path(__file__).parents[3] / "docs" / "rotation.md").read_text()
    assert draw() in page


class Machine(RuleBasedStateMachine):
    """Any events in any order: what is refused changes nothing, and what is written keeps its promises."""

    def __init__(self) -> None:
        super().__init__()
        self.record = idle_record("ingest", CredentialClass.B, NOW)
        self.condemned: set[str] = set()
        self.digests: set[Digest] = set()

    @rule(kind=st.sampled_from(CredentialClass))
    @precondition(lambda self: self.record.sequence == 0)
    def choose_class(self, kind: CredentialClass) -> None:
        self.record = idle_record("ingest", kind, NOW)

    @rule(event=st.sampled_from(EVENTS), old=st.sampled_from([OLD, None]), fence=st.integers(1, 9))
    def happen(self, event: type[object], old: ValueMark | None, fence: int) -> None:
        try:
            following = next_record(
                self.record, sample(event, self.record.credential_class, old), stamp(self.record, fence)
            )
        except InvalidTransitionError:
            return
        assert (self.record.state, event.__name__, following.state) in TRANSITIONS
        if following.state not in VIRTUAL:
            assert following.sequence == self.record.sequence + 1
            assert following.fence == fence
            self.digests.add(following.digest())
            assert len(self.digests) == following.sequence
        if event is on.Settled:
            self.condemned -= {NEW.id}  # a person proved that it is the one in use
        self.record = following
        self.condemned |= set(following.condemned)

    @invariant()
    def condemned_stays_condemned(self) -> None:
        assert self.condemned <= set(self.record.condemned)

    @invariant()
    def json_round_trip(self) -> None:
        assert RotationRecord.model_validate_json(self.record.model_dump_json()) == self.record

    @invariant()
    def closed_or_quarantined_means_ended(self) -> None:
        assert self.record.open == (self.record.state not in ENDED | VIRTUAL)

    @invariant()
    def only_promoted_operations_revoke_unless_they_retire(self) -> None:
        if self.record.state in (State.DISABLING, State.REVOKING) and not self.record.promoted:
            assert self.record.marker == ""  # a retirement makes nothing


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase

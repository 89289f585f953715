"""A rehearsal goes the whole path beside the real credential and leaves nothing behind but its records."""

from __future__ import annotations

import dataclasses

import pytest

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import BusyError, CheckRefusedError, ExitCode
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Reason, outcome
from lifecycle.operations.rehearse_rotation import SHADOW, Rehearsal, rehearse
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import RotationContext, Standing
from lifecycle.testing.simulated_store import MemoryStore, StorePort
from lifecycle.testing.world import Crash, Fault
from tests.fakes.house import NAME, House
from tests.fakes.provider import id_of
from tests.recovery.directed import Rules

K = CredentialClass


class Place:
    """A store of its own for the shadow, which is there while the place is."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = MemoryStore(world=house.world)
        self.there = False

    def make(self) -> None:
        self.there = True

    def remove(self) -> None:
        self.there = False

    def context(self, process: str) -> RotationContext:
        """The simulated store holds one secret: real and shadow name are told apart by the reference."""
        real = self.house.context(process)
        port = StorePort(world=self.house.world, process=process, store=self.store)
        return dataclasses.replace(real, store=port)

    def rehearse(self, process: str = "p9") -> Rehearsal:
        self.house.retiring = True  # the referee knows one credential: the shadow may come and go beside it
        try:
            return rehearse(self.context(process), self)
        finally:
            self.house.retiring = False


@pytest.mark.parametrize("kind", [K.A, K.B])
def test_nothing_of_the_real_credential_is_touched_and_nothing_is_left(kind: CredentialClass) -> None:
    house = House(kind=kind)
    rotate(house.context("p1"), wait=True)
    before = (set(house.provider.held), house.journal.head(NAME), house.consumer.box, dict(house.store.values))
    place = Place(house)
    told = place.rehearse()
    assert told.exit_code() is ExitCode.DONE, told.lines()
    assert (set(house.provider.held), house.journal.head(NAME), house.consumer.box, dict(house.store.values)) == before
    assert not place.there and not place.store.values
    shadow = house.journal.head(f"{NAME}{SHADOW}").record
    assert shadow is not None and (shadow.state, shadow.outcome) == (State.CLOSED, Outcome.RETIRED)
    names = [item.name for item in told.stretches]
    assert names == (["issue", "rotate", "clean up"] if kind is K.B else ["issue", "clean up"])
    assert State.VERIFYING in dict(told.stretches[0].states)
    assert told.document()["rehearsed"] is True and "issue: done in" in told.lines()[0]
    actions = [(event.action, event.result.value) for event in house.audit.read() if "rehearse" in event.action]
    assert actions == [("credential.rehearse", "intent"), ("credential.rehearse", "done")]


@pytest.mark.parametrize("kind", [K.C, K.D, K.E])
def test_what_has_one_value_only_is_refused(kind: CredentialClass) -> None:
    house = House(kind=kind)
    calls = len(house.world.calls)
    with pytest.raises(CheckRefusedError, match="no room for a shadow"):
        rehearse(house.context("p1"), Place(house))
    assert len(house.world.calls) == calls


def test_a_rehearsal_that_fails_says_so_and_cleans_up() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    held = set(house.provider.held)
    place = Place(house)
    context = place.context("p9")
    real_verify = context.verify

    def refuses(value: SecretValue) -> object:
        fresh = id_of(value) not in held
        answer = real_verify(value)
        wrong = Reason.WRONG_VALUE
        return dataclasses.replace(answer, status=outcome(wrong), reason=wrong) if fresh else answer

    house.retiring = True
    told = rehearse(dataclasses.replace(context, verify=refuses), place)  # type: ignore[arg-type]  # answers like one
    assert told.exit_code() is not ExitCode.DONE
    assert set(house.provider.held) == held


def test_a_killed_rehearsal_is_cleared_by_the_next_one() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    held = set(house.provider.held)
    place = Place(house)
    house.world.conductor = Rules(always={("p9", "target.verify"): Fault.KILLED_BEFORE})
    with pytest.raises(Crash):
        place.rehearse()
    assert len(house.provider.held) == len(held) + 1
    house.lease_lapses()
    told = place.rehearse("p10")
    assert told.stretches[0].name.startswith("clear") and told.exit_code() is ExitCode.DONE, told.lines()
    assert set(house.provider.held) == held


def test_no_rotation_meets_a_rehearsal() -> None:
    house = House(kind=K.B)
    held = house.journal.acquire(NAME, "host-7:41", house.context("p1").limits.lease)
    with pytest.raises(BusyError, match="host-7"):
        rehearse(house.context("p1"), Place(house))
    house.journal.release(held)
    assert rotate(house.context("p2"), wait=True).standing is Standing.DONE

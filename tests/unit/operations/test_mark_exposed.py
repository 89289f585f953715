"""What may have leaked is due until it was replaced, also when a rotation fails in between."""

from __future__ import annotations

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.rotation import Outcome, State
from lifecycle.operations.mark_exposed import mark_exposed
from lifecycle.operations.plan_rotations import plan_rotations
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import Standing
from tests.fakes.house import House


def rotated() -> House:
    house = House(kind=CredentialClass.B)
    assert rotate(house.context("p1"), force=True, wait=True).standing is Standing.DONE
    assert rotate(house.context("p2")).standing is Standing.NOT_DUE
    return house


def test_exposed_is_due_at_once_with_the_reason_and_only_until_replaced() -> None:
    house = rotated()
    live = house.record.live if house.record else None
    marked = mark_exposed(house.context("p3"), reason="pasted into a ticket")
    assert (marked.standing, marked.outcome) == (Standing.DONE, Outcome.EXPOSED)
    assert house.record is not None and house.record.live == live
    (planned,) = plan_rotations([house.context("p4")]).rotations
    assert planned.due.why == "exposed: pasted into a ticket"
    assert rotate(house.context("p4"), wait=True).outcome is Outcome.DONE
    assert rotate(house.context("p5")).standing is Standing.NOT_DUE
    house.at_rest()
    assert house.world.violations == []
    assert "credential.mark_exposed" in [event.action for event in house.audit.read()]


def test_marking_revokes_nothing() -> None:
    house = rotated()
    before = set(house.provider.held)
    mark_exposed(house.context("p3"), reason="r")
    assert set(house.provider.held) == before


def test_what_was_never_issued_cannot_be_marked() -> None:
    house = House(kind=CredentialClass.B, first=True)
    refused = mark_exposed(house.context("p1"), reason="r")
    assert (refused.standing, refused.state) == (Standing.REFUSED, State.IDLE)
    assert house.record is None

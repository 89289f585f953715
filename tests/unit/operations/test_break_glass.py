"""An emergency: estimate first, two people, the order of the plan, resumable, no credential twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import Digest
from lifecycle.domain.change_window import DAYS, ChangeWindow
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError, ExitCode, PolicyError
from lifecycle.domain.rotation import State
from lifecycle.journals.plan_store import PlanFolderFiles
from lifecycle.operations.approve_plan import read_review
from lifecycle.operations.break_glass import EmergencyDesk, Request, carry_out, request
from lifecycle.operations.plan_rotations import Basis
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import RotationContext, Standing
from lifecycle.operations.rotation_status import rotation_status
from lifecycle.testing.simulated_journal import MemoryAudit
from lifecycle.testing.world import Crash, Fault
from tests.fakes.destination import Mood
from tests.fakes.house import House
from tests.fakes.provider import id_of
from tests.recovery.directed import Rules

K = CredentialClass
SCOPE, REASON = "owner=ml-platform", "laptop stolen"


class Signed:
    """Approvals that a test hands out."""

    def __init__(self) -> None:
        self.given: list[Approval] = []

    def verified(self, digest: Digest) -> tuple[Approval, ...]:
        return tuple(item for item in self.given if item.effect_digest == digest)


class Emergency:
    """Three credentials of three worlds with one clock, all in scope and none of them due."""

    def __init__(self, folder: Path) -> None:
        self.houses = {name: House(kind=K.B) for name in ("app", "db", "root")}
        for name, house in self.houses.items():
            assert rotate(self.context(name, "p0"), wait=True).standing is Standing.DONE
            house.world.pass_time(timedelta(days=2))
        self.folder = PlanFolderFiles(folder)
        self.signed, self.audit, self.spec = Signed(), MemoryAudit(), "sha256:spec"

    @property
    def now(self) -> datetime:
        return max(house.world.now for house in self.houses.values())

    def context(self, name: str, process: str) -> RotationContext:
        needs = {"app": ("root",), "db": ("root",), "root": ()}
        return dataclasses.replace(self.houses[name].context(process), credential=name, uses=needs[name])

    def desk(self, actor: str = "ann@build-1") -> EmergencyDesk:
        return EmergencyDesk(
            environment="prod",
            folder=self.folder,
            place="plans/break-glass",
            approvals=self.signed,
            audit=self.audit,
            actor=actor,
            clock=lambda: self.now,
            basis=Basis(spec_digest=self.spec),
        )

    def ask(self, process: str = "p1", reason: str = REASON) -> tuple[Request, tuple[RotationContext, ...]]:
        contexts = [self.context(name, process) for name in self.houses]
        return request(self.desk(), contexts, scope=SCOPE, reason=reason)

    def sign(self, *people: str) -> None:
        """What `lifecycle approve DIR` does: from review.json alone."""
        review = read_review(self.folder)
        for person in people:
            self.signed.given.append(
                Approval(
                    approver=person,
                    effect_digest=review.effect_digest,
                    at=self.now,
                    expires=review.expires,
                    method="ssh-signature",
                )
            )

    def mints(self) -> dict[str, int]:
        return {
            name: sum(call.name == "issuer.mint" for call in house.world.calls) for name, house in self.houses.items()
        }


@pytest.fixture
def emergency(tmp_path: Path) -> Emergency:
    return Emergency(tmp_path / "break-glass")


def stop() -> None:
    """Nothing waits here."""


def test_the_estimate_is_what_is_signed(emergency: Emergency) -> None:
    found, left = emergency.ask()
    assert [context.credential for context in left] == ["app", "db", "root"]
    summary = found.review.summary
    assert summary[0] == f"BREAK GLASS: rotate 3 credentials at once: {REASON}"
    assert any(line.startswith("new values in use in") for line in summary)
    assert [item.credential for item in found.plan.rotations] == ["app", "db", "root"]
    assert found.document()["request"]["credentials"] == "app, db, root"


@pytest.mark.parametrize(
    "people",
    [(), ("bea",), ("bea", "bea@laptop"), ("bea", "ann@acme.example")],
    ids=["nobody", "one", "one person twice", "one and whoever acts"],
)
def test_fewer_than_two_others_change_nothing(emergency: Emergency, people: tuple[str, ...]) -> None:
    before = emergency.mints()
    found, left = emergency.ask()
    emergency.sign(*people)
    with pytest.raises(ApprovalMissingError) as refused:
        carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    assert refused.value.exit_code is ExitCode.REFUSED and "lifecycle approve plans/break-glass" in refused.value.remedy
    assert emergency.mints() == before and emergency.audit.read() == ()


@pytest.mark.parametrize("moved", ["reason", "spec", "time"])
def test_approvals_hold_for_exactly_this_request(emergency: Emergency, moved: str) -> None:
    emergency.ask()
    emergency.sign("bea", "cyd")
    if moved == "spec":
        emergency.spec = "sha256:edited"
    if moved == "time":
        for house in emergency.houses.values():
            house.world.pass_time(timedelta(days=2))
    found, left = emergency.ask(reason="another one" if moved == "reason" else REASON)
    with pytest.raises(ApprovalMissingError):
        carry_out(emergency.desk(), found, left, wait=True, stop=stop)


def test_two_people_rotate_everything_once_in_order_on_record(emergency: Emergency) -> None:
    before = emergency.mints()
    found, left = emergency.ask()
    emergency.sign("bea", "cyd")
    run = carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    assert run.exit_code(detailed=True) is ExitCode.DONE, run.lines()
    assert [outcome.credential for outcome in run.outcomes] == ["app", "db", "root"]
    assert emergency.mints() == {name: count + 1 for name, count in before.items()}
    first, last = emergency.audit.read()
    assert (first.action, first.result.value, last.result.value) == ("credentials.break_glass", "intent", "done")
    assert first.detail["approvers"] == "bea, cyd" and first.detail["reason"] == REASON
    again, rest = emergency.ask()
    assert rest == () and again.review == found.review
    for house in emergency.houses.values():  # somebody else's is untouched, the old one is gone, the new one is held
        assert house.consumer.box is not None
        assert set(house.provider.held) == {"w0", id_of(house.consumer.box)}


@pytest.mark.parametrize("at", ["app", "db", "root"])
def test_interrupted_anywhere_it_goes_on_and_no_credential_is_rotated_twice(emergency: Emergency, at: str) -> None:
    before = emergency.mints()
    found, left = emergency.ask()
    emergency.sign("bea", "cyd")
    emergency.houses[at].world.conductor = Rules(always={("p1", "target.verify"): Fault.KILLED_BEFORE})
    with pytest.raises(Crash):
        carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    record = emergency.houses[at].journal.head(at).record
    assert record is not None and record.state is State.VERIFYING
    emergency.houses[at].lease_lapses()
    found, left = emergency.ask("p2")
    assert at in [context.credential for context in left]
    assert carry_out(emergency.desk(), found, left, wait=True, stop=stop).exit_code() is ExitCode.DONE
    assert emergency.mints() == {name: count + 1 for name, count in before.items()}


def test_neither_window_nor_finding_holds_it_up_and_a_stuck_consumer_still_does(emergency: Emergency) -> None:
    finding = PolicyError("LC-CRED-002: too long a period", remedy="shorten it")
    closed = ChangeWindow(days=DAYS, start=time(0), end=time(0, 1))
    change: Callable[[RotationContext], RotationContext] = lambda context: dataclasses.replace(  # noqa: E731 - used twice
        context, objections=lambda: (finding,), policy=dataclasses.replace(context.policy, window=closed)
    )
    stuck = emergency.houses["db"]
    stuck.consumer.mood = Mood.STUCK
    record = stuck.journal.head("db").record
    assert record is not None and record.live is not None
    old = record.live.id
    found, left = request(
        emergency.desk(), [change(emergency.context(name, "p1")) for name in ("app", "db")], scope=SCOPE, reason=REASON
    )
    emergency.sign("bea", "cyd")
    run = carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    assert [outcome.standing for outcome in run.outcomes] == [Standing.DONE, Standing.QUARANTINED]
    assert run.exit_code() is ExitCode.QUARANTINED
    assert old in stuck.provider.held


def test_an_empty_scope_is_said(emergency: Emergency) -> None:
    with pytest.raises(ConfigurationError, match="no credential"):
        request(emergency.desk(), [], scope="kind=nothing", reason=REASON)


def test_status_tells_when_nothing_is_open_any_more(emergency: Emergency) -> None:
    assert not rotation_status([emergency.context("app", "p1")]).open
    emergency.houses["app"].world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    rotate(emergency.context("app", "p1"), force=True)
    assert rotation_status([emergency.context("app", "p2")]).open

"""What a user asks for: rotate many, plan, status, resume, retire, adopt, release, abandon. On strict simulators."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from lifecycle.domain.credential import CredentialClass, CredentialId, NotKnown
from lifecycle.domain.errors import ConfigurationError, ExitCode, InterruptedRunError, UnsafePlanError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import VerificationResult
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.plan_rotations import check_plan, plan_rotations
from lifecycle.operations.release_quarantine import abandon, release
from lifecycle.operations.resume_rotations import resume_all, rotate_all
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, Standing
from lifecycle.operations.rotation_status import rotation_status
from lifecycle.testing.world import Calm, Fault
from tests.fakes.destination import Mood
from tests.fakes.house import NAME, House
from tests.fakes.provider import value_of
from tests.recovery.directed import Rules

K = CredentialClass


def named(house: House, name: str) -> RotationContext:
    return dataclasses.replace(house.context("p1"), credential=name)


def quarantined(house: House) -> House:
    house.consumer.mood = Mood.STUCK
    assert rotate(house.context("p1"), wait=True).standing is Standing.QUARANTINED
    return house


def test_without_wait_a_run_leaves_grace_to_the_next_one() -> None:
    house = House(kind=K.B)
    first = rotate(house.context("p1"))
    while first.state is State.PROPAGATING:  # the consumer picks up when time passes
        house.world.pass_time(timedelta(minutes=30))
        first = rotate(house.context("p1"))
    assert (first.standing, first.state) == (Standing.PENDING, State.GRACE)
    assert first.until is not None and first.until > house.world.now
    assert (first.exit_code(), first.exit_code(detailed=True)) == (ExitCode.DONE, ExitCode.PENDING)
    house.world.pass_time(timedelta(hours=2))
    assert resume(house.context("p2")).standing is Standing.DONE


def test_what_is_not_due_is_left_alone_and_force_overrides() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    again = rotate(house.context("p2"))
    assert again.standing is Standing.NOT_DUE and again.until is not None
    assert rotate(house.context("p3"), force=True, wait=True).standing is Standing.DONE


def test_resume_begins_nothing() -> None:
    house = House(kind=K.B)
    assert resume(house.context("p1")).standing is Standing.NOT_DUE
    assert house.record is None


def test_a_held_lease_is_reported_with_its_holder() -> None:
    house = House(kind=K.B)
    house.journal.acquire(NAME, "host-7:41", timedelta(minutes=5))
    busy = rotate(house.context("p1"))
    assert busy.standing is Standing.BUSY and "host-7:41" in busy.text
    assert busy.exit_code() is ExitCode.REMOTE


def test_class_d_without_an_admin_identity_is_refused() -> None:
    house = House(kind=K.D, admin=False)
    ended = rotate(house.context("p1"))
    assert ended.standing is Standing.REFUSED and isinstance(ended.error, ConfigurationError)
    assert ended.exit_code() is ExitCode.CONFIGURATION
    assert house.record is None


def test_one_broken_credential_does_not_hold_up_the_others() -> None:
    good, bad = House(kind=K.B), House(kind=K.B)

    def explode(_value: SecretValue) -> VerificationResult:
        raise RuntimeError("a defect whose text may hold anything: hunter2")

    contexts = [dataclasses.replace(named(bad, "bad"), verify=explode), named(good, "good")]
    run = rotate_all(contexts, wait=True)
    assert [outcome.standing for outcome in run.outcomes] == [Standing.FAILED, Standing.DONE]
    assert run.exit_code() is ExitCode.INTERNAL
    assert "hunter2" not in "".join(run.lines())
    assert run.document()["rotations"][1]["standing"] == "done"


def test_the_tools_own_credential_comes_last_and_waits_for_the_others() -> None:
    house = House(kind=K.B, traits={"self_admin": True})
    other = house.journal.acquire("other", "x", timedelta(minutes=5))
    begun = House(kind=K.B)
    begun.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    rotate(begun.context("p1"))
    open_record = begun.record
    assert open_record is not None and open_record.open
    moved = open_record.model_copy(
        update={"credential": "other", "sequence": 1, "previous": house.journal.head("other").digest}
    )
    house.journal.append(other, moved.model_copy(update={"fence": other.fence}), house.journal.head("other").digest)
    waits = rotate(house.context("p1"))
    assert waits.standing is Standing.PENDING and "other" in waits.text
    assert plan_rotations([house.context("p1")]).rotations[0].last


def test_an_interrupt_ends_the_run_with_everything_on_record() -> None:
    house = House(kind=K.B)

    def interrupt(_value: SecretValue) -> VerificationResult:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        rotate_all([dataclasses.replace(house.context("p1"), verify=interrupt)], wait=True)
    assert house.record is not None and house.record.open


def test_a_plan_lists_what_is_due_and_its_digest_moves_with_the_journal() -> None:
    due, done = House(kind=K.B), House(kind=K.B)
    rotate(named(done, "done"), wait=True)
    contexts = [named(done, "done"), named(due, "due")]
    plan = plan_rotations(contexts)
    assert [item.credential for item in plan.rotations] == ["due"]
    assert [item.credential for item in plan.later] == ["done"]
    assert plan.digest in plan.lines()[-1] and plan.document()["digest"] == plan.digest
    check_plan(plan_rotations(contexts), plan.digest)
    rotate(named(due, "due"), wait=True)
    with pytest.raises(UnsafePlanError):
        check_plan(plan_rotations(contexts), plan.digest)
    assert [item.credential for item in plan_rotations(contexts, force=True).rotations] == ["done", "due"]


def test_status_tells_age_due_date_and_whom_it_waits_for() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    house.world.pass_time(timedelta(days=3))
    calm = rotation_status([house.context("p2")])
    (one,) = calm.credentials
    assert one.state is State.CLOSED and one.age is not None and one.age.days == 3
    assert one.next_due is not None and not one.overdue
    assert calm.exit_code() is ExitCode.DONE and "oldest live 3 d" in calm.lines()[0]
    stuck = rotation_status([quarantined(House(kind=K.B)).context("p2")])
    assert stuck.credentials[0].awaiting == ("app",)
    assert stuck.exit_code() is ExitCode.QUARANTINED
    assert "waits for app" in stuck.lines()[0] and "release" in stuck.lines()[1]
    assert stuck.document()["credentials"][0]["awaiting"] == ["app"]


def test_status_of_what_was_never_issued() -> None:
    (one,) = rotation_status([House(kind=K.B, first=True).context("p1")]).credentials
    assert (one.state, one.oldest_live, one.overdue) == (State.IDLE, None, True)


def test_release_goes_on_where_it_stopped() -> None:
    house = quarantined(House(kind=K.B))
    house.consumer.mood = Mood.WILLING
    ended = release(house.context("p2"), reason="restarted the app", wait=True)
    assert (ended.standing, ended.outcome) == (Standing.DONE, Outcome.DONE)
    house.at_rest()
    assert house.world.violations == []
    assert "restarted the app" in "".join(event.model_dump_json() for event in house.audit.read())


def test_abandon_closes_and_deletes_nothing() -> None:
    house = quarantined(House(kind=K.B))
    before = set(house.provider.held)
    ended = abandon(house.context("p2"), reason="we keep both")
    assert (ended.standing, ended.outcome) == (Standing.DONE, Outcome.ABANDONED)
    assert set(house.provider.held) == before
    assert house.record is not None and house.record.live is not None


@pytest.mark.parametrize("verb", [release, abandon])
def test_only_a_quarantine_can_be_ended_by_hand(verb: object) -> None:
    assert callable(verb)
    ended = verb(House(kind=K.B).context("p1"), reason="no")
    assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.REFUSED


def test_adopting_proves_the_value_and_changes_nothing() -> None:
    house = House(kind=K.B)
    held = set(house.provider.held)
    ended = adopt(house.context("p1"), reason="hand-over")
    assert (ended.standing, ended.outcome) == (Standing.DONE, Outcome.ADOPTED)
    assert set(house.provider.held) == held
    assert not [call for call in house.world.calls if call.write and call.name.startswith(("store", "issuer"))]
    assert rotate(house.context("p2")).standing is Standing.NOT_DUE


def test_adopting_accepts_what_somebody_else_promoted() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    house.somebody_promotes()
    assert resume(house.context("p2")).standing is Standing.QUARANTINED
    assert adopt(house.context("p3")).outcome is Outcome.ADOPTED
    assert resume(house.context("p4"), wait=True).standing is Standing.DONE


@pytest.mark.parametrize("what", ["nothing stored", "not listed", "refused", "open"])
def test_adopting_refuses_what_it_cannot_prove(what: str) -> None:
    house = House(kind=K.B, first=what == "nothing stored")
    match what:
        case "not listed":
            house.world.verified.add("elsewhere")
            house.retiring = True
            house.store.put_current(value_of("elsewhere"))
        case "refused":
            house.retiring = True
            house.provider.traits = dataclasses.replace(house.provider.traits, soft_off=True)
            house.provider.set_enabled("svc", CredentialId("v0"), False)
        case "open":
            house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
            rotate(house.context("p1"))
            house.world.conductor = Calm()
            house.lease_lapses()
    ended = adopt(house.context("p2"))
    assert ended.standing is Standing.REFUSED and ended.remedy


def test_retiring_drains_revokes_and_forgets_and_a_second_time_does_nothing() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    house.retiring = True
    assert retire(house.context("p2")).outcome is Outcome.RETIRED
    assert set(house.provider.held) == {"w0"} and not house.store.values and house.consumer.withdrawn
    head = house.journal.head(NAME)
    assert retire(house.context("p3")).outcome is Outcome.RETIRED
    assert house.journal.head(NAME) == head
    assert rotate(house.context("p4")).standing is Standing.NOT_DUE


def test_a_consumer_that_does_not_give_back_stops_the_revocation() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    house.world.conductor = Rules(always={("p2", "destination.withdraw"): Fault.REFUSED})
    assert retire(house.context("p2")).standing is Standing.PENDING
    assert len(house.provider.held) == 2
    assert retire(house.context("p2"), wait=True).standing is Standing.QUARANTINED


def test_retiring_what_is_not_ours_is_refused() -> None:
    ended = retire(House(kind=K.B).context("p1"))
    assert ended.standing is Standing.REFUSED and "adopt" in ended.remedy


@pytest.mark.parametrize("declared", [True, False])
def test_an_unobservable_consumer_counts_only_when_declared_so(declared: bool) -> None:
    house = House(kind=K.B)
    house.consumer.acknowledged = lambda consumer: NotKnown.UNOBSERVABLE  # type: ignore[method-assign]  # a blind one
    context = house.context("p1")
    bound = tuple(dataclasses.replace(binding, unobservable=declared) for binding in context.consumers)
    ended = rotate(dataclasses.replace(context, consumers=bound), wait=True)
    assert ended.standing is (Standing.DONE if declared else Standing.QUARANTINED)


def test_resume_all_repairs_every_credential_given() -> None:
    houses = [House(kind=kind) for kind in (K.A, K.B, K.C)]
    for house in houses:
        house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
        rotate(house.context("p1"))
        house.world.conductor = Calm()
        house.lease_lapses()
    run = resume_all([house.context("p2") for house in houses], wait=True)
    assert [outcome.standing for outcome in run.outcomes] == [Standing.DONE] * 3
    assert run.exit_code(detailed=True) is ExitCode.DONE


def test_nothing_to_do_is_said() -> None:
    assert rotate_all([]).lines() == ["nothing to rotate"]
    assert rotation_status([]).lines() == ["no credentials"]

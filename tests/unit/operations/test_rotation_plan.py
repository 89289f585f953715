"""What `rotate plan` says, and that nothing is made when something speaks against it: each with its code and remedy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest

from lifecycle.domain.change_window import DAYS, ChangeWindow
from lifecycle.domain.credential import CompleteListing, CredentialClass
from lifecycle.domain.errors import (
    CheckRefusedError,
    ExitCode,
    PolicyError,
    RemoteServiceError,
    UnsafePlanError,
)
from lifecycle.domain.policy import GateVerdict
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_forecast import QuotaUse
from lifecycle.operations.mark_exposed import mark_exposed
from lifecycle.operations.plan_rotations import Basis, check_plan, plan_rotations
from lifecycle.operations.release_quarantine import abandon
from lifecycle.operations.resume_rotations import rotate_all
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, Standing
from lifecycle.testing.world import Fault
from tests.fakes.destination import Mood
from tests.fakes.house import House
from tests.recovery.directed import Rules

K = CredentialClass


def with_policy(context: RotationContext, **changes: object) -> RotationContext:
    return dataclasses.replace(context, policy=dataclasses.replace(context.policy, **changes))  # type: ignore[arg-type]  # given by the tests


def made_nothing(house: House) -> bool:
    """No record of an operation, and nothing written to provider or store."""
    return not [c for c in house.world.calls if c.write and c.name.startswith(("issuer", "store", "destination"))]


UNAPPROVED = CheckRefusedError("ingest: now: credentials.ingest is delivered to file path /tmp/x", remedy="apply it")
FINDING = PolicyError("LC-CRED-006: the consumer batch cannot acknowledge", remedy="renew the exception")

REFUSED: dict[str, tuple[Callable[[RotationContext], RotationContext], ExitCode, str]] = {
    "a consumer list naming nobody": (lambda c: dataclasses.replace(c, users=()), ExitCode.CONFIGURATION, "nobody"),
    "grace that outlasts the period": (
        lambda c: with_policy(c, period=timedelta(hours=1)),
        ExitCode.CONFIGURATION,
        "needs its slot",
    ),
    "a period longer than the maximal age": (
        lambda c: with_policy(c, max_age=timedelta(days=7)),
        ExitCode.CONFIGURATION,
        "lapses before",
    ),
    "a finding of the gate": (lambda c: dataclasses.replace(c, objections=lambda: (FINDING,)), ExitCode.REFUSED, "LC-"),
    "a grant that nobody approved": (
        lambda c: dataclasses.replace(c, unapproved=UNAPPROVED),
        ExitCode.REFUSED,
        "delivered to file",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_speaks_against_it_is_planned_as_refused_and_nothing_is_made(name: str) -> None:
    change, code, words = REFUSED[name]
    house = House(kind=K.B)
    context = change(house.context("p1"))
    plan = plan_rotations([context])
    assert plan.exit_code() is code
    assert "NOT rotated" in plan.lines()[0] and words in plan.lines()[1] and "->" in plan.lines()[1]
    assert words in plan.document()["rotations"][0]["refused"][0]["why"]
    for ended in (rotate(context), rotate(context, force=True, wait=True)):
        assert ended.standing is Standing.REFUSED and ended.exit_code() is code and ended.remedy
    assert house.record is None and made_nothing(house)


@pytest.mark.parametrize("off", [timedelta(minutes=5), -timedelta(minutes=5)])
def test_a_clock_wrong_by_minutes_begins_nothing(off: timedelta) -> None:
    house = House(kind=K.B)
    wrong = dataclasses.replace(house.context("p1"), server_clock=lambda: house.world.now - off)
    ended = rotate(wrong, wait=True)
    assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.CONFIGURATION
    assert "5 min" in ended.text and "clock" in ended.remedy
    assert house.record is None and made_nothing(house)
    nearly = dataclasses.replace(house.context("p2"), server_clock=lambda: house.world.now - off / 5)
    assert rotate(nearly, wait=True).standing is Standing.DONE


def test_a_clock_behind_the_journal_begins_nothing() -> None:
    house = House(kind=K.B)
    rotate(house.context("p1"), wait=True)
    before = len(house.world.calls)
    slow = dataclasses.replace(house.context("p2"), clock=lambda: house.world.now - timedelta(days=2))
    ended = rotate(slow, force=True, wait=True)
    assert ended.standing is Standing.REFUSED and "journal's newest record" in ended.text
    assert not [c for c in house.world.calls[before:] if c.name.startswith("issuer.mint")]


def test_a_life_shorter_than_the_period_begins_nothing() -> None:
    house = House(kind=K.B)
    context = house.context("p1")

    def short_lived(principal: str) -> CompleteListing:
        listed = house.provider.list(principal)
        lapsing = [
            dataclasses.replace(i, expires=(i.created or house.world.now) + timedelta(days=20))
            for i in listed.credentials
        ]
        return CompleteListing(principal=principal, credentials=tuple(lapsing))

    class ShortLived:
        def __getattr__(self, name: str) -> object:
            return short_lived if name == "list" else getattr(context.issuer, name)

    ended = rotate(dataclasses.replace(context, issuer=ShortLived()), wait=True)  # type: ignore[arg-type]  # answers like one
    assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.CONFIGURATION
    assert "20 d" in ended.text and "rotation_period" in ended.remedy
    assert house.record is None and made_nothing(house)


def test_an_exhausted_quota_begins_nothing_and_names_when_to_come_back() -> None:
    house = House(kind=K.B)
    context = house.context("p1")

    def throttled(_principal: str) -> CompleteListing:
        raise RemoteServiceError(
            "the provider's quota is used up", remedy="wait", retryable=True, retry_after=timedelta(minutes=3)
        )

    class Throttled:
        def __getattr__(self, name: str) -> object:
            return throttled if name == "list" else getattr(context.issuer, name)

    ended = rotate(dataclasses.replace(context, issuer=Throttled()), wait=True)  # type: ignore[arg-type]  # answers like one
    assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.REMOTE and ended.remedy == "wait"
    assert ended.until == house.world.now + timedelta(minutes=3)
    assert house.record is None and made_nothing(house)
    assert rotate(house.context("p2"), wait=True).standing is Standing.DONE


def test_an_edit_of_the_spec_or_its_rules_makes_a_plan_stale() -> None:
    house = House(kind=K.B)
    rules = GateVerdict(findings=(), rules_evaluated=3, errors=(), bundle_digest="sha256:1")
    basis = Basis(spec_digest="sha256:a", verdict=rules)
    plan = plan_rotations([house.context("p1")], basis=basis)
    check_plan(plan_rotations([house.context("p2")], basis=basis), plan.digest)
    for moved in (
        dataclasses.replace(basis, spec_digest="sha256:b"),
        dataclasses.replace(basis, verdict=dataclasses.replace(rules, bundle_digest="sha256:2")),
    ):
        with pytest.raises(UnsafePlanError) as refused:
            check_plan(plan_rotations([house.context("p3")], basis=moved), plan.digest)
        assert refused.value.exit_code is ExitCode.REFUSED and "rotate plan" in refused.value.remedy
    assert house.record is None and made_nothing(house)
    assert any(line.startswith("policy gate passed: 3 rules") for line in plan.lines())


def test_a_plan_tells_order_quota_and_expected_finish() -> None:
    app, admin = House(kind=K.B), House(kind=K.B, traits={"self_admin": True})
    quota = QuotaUse(quota="aws-iam", calls=3, per_second=0.5)
    contexts = [
        dataclasses.replace(admin.context("p1"), credential="admin", quotas=(quota,)),
        dataclasses.replace(app.context("p1"), credential="app", uses=("admin",), quotas=(quota,)),
    ]
    plan = plan_rotations(contexts)
    assert [(item.credential, item.wave, item.last) for item in plan.rotations] == [
        ("app", 0, False),
        ("admin", 1, True),
    ]
    text = "\n".join(plan.lines())
    assert "last: the tool logs in with it" in text
    assert "quota aws-iam: 6 calls at 0.5 a second, 12 s at least" in text
    assert "new values in use in 20 s" in text  # two waves, each as long as a first rotation is guessed to take
    told = plan.document()
    assert told["quotas"] == [{"quota": "aws-iam", "calls": 6, "per_second": 0.5, "seconds": 12}]
    assert datetime.fromisoformat(told["expected"]["promoted"]) == plan.made + timedelta(seconds=20)


def test_a_run_keeps_the_order_of_the_plan() -> None:
    houses = {name: House(kind=K.B) for name in ("app", "admin", "root")}
    seen: list[str] = []
    needs = {"app": ("admin",), "admin": ("root",), "root": ()}
    contexts = [
        dataclasses.replace(
            houses[name].context("p1"),
            credential=name,
            uses=needs[name],
            observe=lambda credential, _state, _text: seen.append(credential),
        )
        for name in ("root", "admin", "app")
    ]
    assert rotate_all(contexts, wait=True).exit_code() is ExitCode.DONE
    assert list(dict.fromkeys(seen)) == ["app", "admin", "root"]


# -- grants


def test_what_is_open_hands_out_nothing_under_a_spec_that_nobody_approved() -> None:
    house = House(kind=K.B)
    house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    rotate(house.context("p1"))
    house.lease_lapses()
    box, calls = house.consumer.box, len(house.world.calls)
    changed = dataclasses.replace(house.context("p2"), unapproved=UNAPPROVED)
    for ended in (resume(changed, wait=True), rotate(changed, wait=True)):
        assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.REFUSED
        assert "/tmp/x" in ended.text and ended.remedy == "apply it"
    assert house.consumer.box == box
    assert not [call for call in house.world.calls[calls:] if call.write]
    assert plan_rotations([changed]).exit_code() is ExitCode.REFUSED
    assert resume(house.context("p3"), wait=True).standing is Standing.DONE


def test_one_unapproved_grant_holds_up_no_other_credential() -> None:
    good, changed = House(kind=K.B), House(kind=K.B)
    run = rotate_all(
        [
            dataclasses.replace(changed.context("p1"), credential="changed", unapproved=UNAPPROVED),
            dataclasses.replace(good.context("p1"), credential="good"),
        ],
        wait=True,
    )
    assert [outcome.standing for outcome in run.outcomes] == [Standing.REFUSED, Standing.DONE]
    assert run.exit_code() is ExitCode.REFUSED


def test_a_person_may_settle_a_record_under_an_unapproved_spec_as_no_value_is_handed_out() -> None:
    house = House(kind=K.B)
    house.consumer.mood = Mood.STUCK
    assert rotate(house.context("p1"), wait=True).standing is Standing.QUARANTINED
    changed = dataclasses.replace(house.context("p2"), unapproved=UNAPPROVED)
    assert abandon(changed, reason="we keep both").outcome is Outcome.ABANDONED
    assert mark_exposed(changed, reason="seen in a log").outcome is Outcome.EXPOSED


# -- change windows


def closed_at(now: datetime) -> ChangeWindow:
    """Open for an hour, from two hours on."""
    start = (now + timedelta(hours=2)).time().replace(microsecond=0)
    end = (now + timedelta(hours=3)).time().replace(microsecond=0)
    return ChangeWindow(days=DAYS, start=start, end=end)


def test_without_overlap_it_is_replaced_inside_its_window_only() -> None:
    house = House(kind=K.D)
    rotate(house.context("p1"), wait=True)
    house.world.pass_time(timedelta(days=31))
    house.window = closed_at(house.world.now)
    mints = [call for call in house.world.calls if call.name == "issuer.mint"]
    waits = rotate(house.context("p2"), force=True, wait=True)
    assert waits.standing is Standing.PENDING and waits.until is not None and "window" in waits.text
    assert (waits.exit_code(), waits.exit_code(detailed=True)) == (ExitCode.DONE, ExitCode.PENDING)
    (planned,) = plan_rotations([house.context("p2")]).rotations
    assert planned.opens == waits.until and not planned.goes
    assert "when its change window opens at" in plan_rotations([house.context("p2")]).lines()[0]
    assert [call for call in house.world.calls if call.name == "issuer.mint"] == mints
    house.world.pass_time(timedelta(hours=2, minutes=30))
    assert rotate(house.context("p3"), wait=True).standing is Standing.DONE


def test_without_overlap_and_without_a_window_it_is_refused() -> None:
    house = House(kind=K.D, window=None)
    ended = rotate(house.context("p1"), wait=True)
    assert ended.standing is Standing.REFUSED and ended.exit_code() is ExitCode.CONFIGURATION
    assert "change_window" in ended.remedy
    assert house.record is None and made_nothing(house)


def test_a_first_issuance_cuts_nobody_off_and_needs_no_window() -> None:
    house = House(kind=K.D, first=True, window=None)
    assert rotate(house.context("p1"), wait=True).standing is Standing.DONE


def test_an_open_rotation_goes_on_outside_its_window() -> None:
    house = House(kind=K.B)
    house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    rotate(house.context("p1"))
    house.world.conductor = type(House(kind=K.B).world.conductor)()
    house.lease_lapses()
    house.window = ChangeWindow(days=DAYS, start=time(12), end=time(12, 1))
    assert house.record is not None and house.record.state is not State.CLOSED
    assert rotate(house.context("p2"), wait=True).standing is Standing.DONE

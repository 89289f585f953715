"""One run with one cut: which call, what happens to it, who resumes how; then the referee.

The calm run of a scenario tells how many calls there are. Each of them is cut in every way that fits it, and from what
is left the rotation is resumed: once, twice, or by two processes of which one is paused in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.rotation import Outcome, State
from lifecycle.operations import rotate_credential
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome
from lifecycle.testing.world import Call, Crash, Fault
from tests.fakes.house import House
from tests.recovery.scenarios import Scenario

Rotate = Callable[..., RotationOutcome]


class Act(StrEnum):
    """What others do between two calls of the process under test."""

    PAUSE = "paused, lease lapses, a successor runs to the end"
    CREATES = "somebody creates a credential"
    PROMOTES = "somebody creates and promotes a credential"
    PROMOTES_PREVIOUS = "somebody promotes the previous value"


class Resume(StrEnum):
    """How the rotation is taken up again."""

    ONCE = "once"
    TWICE = "twice"
    BY_TWO = "by two at once"


@dataclass(frozen=True, kw_only=True)
class Driver:
    """The code under test; a mutant brings its own."""

    rotate: Rotate = rotate_credential.rotate
    resume: Rotate = rotate_credential.resume
    removed: frozenset[str] = frozenset()


REAL = Driver()


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which call of the process under test, and what happens there. `after`: once it has landed."""

    call: int
    fault: Fault = Fault.NONE
    act: Act | None = None
    after: bool = False
    second: tuple[int, Fault] | None = None

    def __str__(self) -> str:
        what = self.act or self.fault
        also = f", then call {self.second[0]} {self.second[1]}" if self.second else ""
        return f"call {self.call} {'after' if self.after else 'before'} {what}{also}"


@dataclass(kw_only=True)
class Script:
    """Conductor of one cut: counts the calls of one process and strikes once (or twice)."""

    cut: Cut
    house: House
    driver: Driver
    target: str = "p1"
    count: int = 0
    struck: str = ""

    def before(self, call: Call) -> Fault:
        if call.process != self.target:
            return Fault.NONE
        number = self.count
        self.count += 1
        if self.cut.second is not None and number == self.cut.second[0]:
            return self.cut.second[1]
        if number != self.cut.call:
            return Fault.NONE
        self.struck = f"{call.state}: {call.name}"
        if self.cut.act is not None:
            if not self.cut.after:
                self._act()
            return Fault.NONE
        return self.cut.fault

    def after(self, call: Call) -> None:
        if call.process == self.target and self.count - 1 == self.cut.call and self.cut.after and self.cut.act:
            self._act()

    def _act(self) -> None:
        match self.cut.act:
            case Act.PAUSE:
                self.house.lease_lapses()
                survive(self.driver.rotate, self.house.context("successor"), wait=True)
            case Act.CREATES:
                self.house.somebody_creates()
            case Act.PROMOTES:
                self.house.somebody_promotes()
            case Act.PROMOTES_PREVIOUS:
                self.house.somebody_promotes_previous()
            case None:
                pass


def survive(work: Rotate, context: RotationContext, **options: bool) -> RotationOutcome | None:
    """Run one process; a simulated kill ends it silently."""
    try:
        return work(context, **options)
    except Crash:
        return None


def calm_calls(scenario: Scenario, driver: Driver = REAL) -> list[Call]:
    """The calls of a run in which nothing goes wrong."""
    house = scenario.build(driver.removed)
    survive(driver.rotate, house.context("p1"), wait=True)
    return [call for call in house.world.calls if call.process == "p1"]


def fitting(call: Call) -> Iterator[Fault]:
    """Which faults this kind of call can have."""
    yield from (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.WRITE_LOST, Fault.REFUSED)
    if call.write:
        yield Fault.ANSWER_LOST
    if call.name in ("issuer.mint", "issuer.set"):
        yield Fault.LATE
    if call.name == "issuer.list":
        yield Fault.STALE
    if call.name == "target.verify":
        yield Fault.NOT_YET


def cuts_of(calls: list[Call], fault: Fault) -> Iterator[Cut]:
    """Every call that can have this fault."""
    for number, call in enumerate(calls):
        if fault in fitting(call):
            yield Cut(call=number, fault=fault)


def acts_of(scenario: Scenario, calls: list[Call], act: Act) -> Iterator[Cut]:
    """Every place where others may act between two calls."""
    slotted = scenario.kind in (CredentialClass.A, CredentialClass.B) and not scenario.first
    if act is not Act.PAUSE and not slotted:
        return
    for number, call in enumerate(calls):
        # Amendment 10 is a check immediately before sending: no pause fits between it and the call.
        if not (scenario.kind is CredentialClass.E and call.name == "issuer.mint"):
            yield Cut(call=number, act=act)
        yield Cut(call=number, act=act, after=True)


@dataclass(kw_only=True)
class Report:
    """What a cut came to."""

    cut: Cut
    where: str
    ended: str
    violations: list[str] = field(default_factory=list)


def run_cut(scenario: Scenario, cut: Cut, how: Resume, *, pause_at: int = 0, driver: Driver = REAL) -> Report:
    """One run with one cut, the resume, a second look, and the next regular rotation."""
    house = scenario.build(driver.removed)
    script = Script(cut=cut, house=house, driver=driver)
    house.world.conductor = script
    survive(driver.rotate, house.context("p1"), wait=True)
    house.lease_lapses()
    _take_up(house, how, pause_at, driver)
    ended = _ending(house)
    before = house.picture()
    survive(driver.resume, house.context("again"), wait=True)
    if how is Resume.TWICE and house.picture() != before:
        house.world.broken("I6: a second resume changed something")
    house.at_rest()
    if house.record is not None and house.record.state is State.CLOSED and house.foreign_promotion is None:
        _next_rotation(house, driver)
    return Report(cut=cut, where=script.struck, ended=ended, violations=house.world.violations)


def _take_up(house: House, how: Resume, pause_at: int, driver: Driver) -> None:
    if how is Resume.BY_TWO:
        pause = Cut(call=pause_at, act=Act.PAUSE)
        house.world.conductor = Script(cut=pause, house=house, driver=driver, target="p2")
    else:
        house.world.conductor = Script(cut=Cut(call=-1), house=house, driver=driver)
    survive(driver.rotate, house.context("p2"), wait=True)
    house.world.conductor = Script(cut=Cut(call=-1), house=house, driver=driver)
    house.lease_lapses()
    survive(driver.resume, house.context("p3"), wait=True)


def _next_rotation(house: House, driver: Driver) -> None:
    house.world.pass_time(timedelta(days=61))
    survive(driver.rotate, house.context("next"), wait=True)
    house.lease_lapses()
    survive(driver.resume, house.context("last"), wait=True)
    house.at_rest()


def _ending(house: House) -> str:
    record = house.record
    if record is None:
        return "nothing begun"
    if record.state is State.CLOSED:
        return "refused, unchanged" if record.outcome is Outcome.FAILED else str(record.outcome)
    return str(record.state)

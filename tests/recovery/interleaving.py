"""Two processes of the real driver, call by call, under a deterministic scheduler.

Each process runs in its own thread, of which exactly one is ever awake: before every call to the outside it hands the
baton to the scheduler. A schedule is a list of turns (process, number of calls, the lease lapses first); after it both
run to their ends, and the referee looks.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lifecycle.testing.world import Call, Fault
from tests.fakes.house import House
from tests.recovery.cuts import REAL, Driver, survive
from tests.recovery.scenarios import Scenario


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Let one process make so many calls, or go on until it stands before its n-th call of a name.

    `lapse`: time passes first, so that its rival's lease is over.
    """

    process: int
    calls: int = 100_000
    lapse: bool = False
    until: tuple[str, int] = ("", 0)


@dataclass(kw_only=True)
class Baton:
    """One process's thread: it waits for its turn before every call."""

    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    done: bool = False
    failure: BaseException | None = None


@dataclass(kw_only=True)
class Scheduler:
    """Conductor of an interleaving; calls of processes it does not know pass freely."""

    batons: dict[str, Baton] = field(default_factory=dict)
    left: int = 0
    fault: dict[tuple[str, str, int], Fault] = field(default_factory=dict)
    named: dict[tuple[str, str], int] = field(default_factory=dict)
    until: tuple[str, int] = ("", 0)

    def start(self, name: str, work: Callable[[], object]) -> threading.Thread:
        """A process that stands before its first call once it is given a turn."""
        baton = self.batons[name] = Baton()

        def body() -> None:
            baton.go.acquire()
            try:
                work()
            except BaseException as error:  # told to the test by `finish`
                baton.failure = error
            baton.done = True
            baton.back.release()

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    def turn(self, name: str, calls: int, until: tuple[str, int] = ("", 0)) -> None:
        """Let a process go on; returns when it stands before the call after its last one, or has ended."""
        baton = self.batons[name]
        if baton.done:
            return
        self.left, self.until = calls, until
        baton.go.release()
        baton.back.acquire()

    def before(self, call: Call) -> Fault:
        baton = self.batons.get(call.process)
        if baton is None:
            return Fault.NONE
        kind = (call.process, call.name)
        count = self.named[kind] = self.named.get(kind, 0) + 1
        if self.left <= 0 or (call.name, count) == self.until:
            baton.back.release()
            baton.go.acquire()
        self.left -= 1
        return self.fault.get((*kind, count), Fault.NONE)

    def after(self, call: Call) -> None:
        return None


_FOREVER = 100_000


def interleave(
    scenario: Scenario,
    turns: list[Turn],
    driver: Driver = REAL,
    faults: Mapping[tuple[str, str, int], Fault] | None = None,
) -> list[str]:
    """Run one schedule to its end, then a calm resume; returns the violations.

    Args:
        scenario: the world.
        turns: who runs how far, in order; then both run to their ends.
        driver: the code under test.
        faults: by process, name of the call, and how often it was made.
    """
    house = scenario.build(driver.removed)
    scheduler = Scheduler(fault=dict(faults or {}))
    house.world.conductor = scheduler
    names = ("p1", "p2")
    threads = [scheduler.start(name, _process(driver, house, name)) for name in names]
    for turn in turns:
        if turn.lapse:
            house.lease_lapses()
        scheduler.turn(names[turn.process], turn.calls, turn.until)
    for name in (names[turns[-1].process], *names):
        scheduler.turn(name, _FOREVER)
    for thread in threads:
        thread.join()
    for baton in scheduler.batons.values():
        if baton.failure is not None:
            raise baton.failure
    return _judge(house, driver)


def _process(driver: Driver, house: House, name: str) -> Callable[[], object]:
    return lambda: survive(driver.rotate, house.context(name), wait=True)


def _judge(house: House, driver: Driver) -> list[str]:
    house.lease_lapses()
    survive(driver.resume, house.context("p3"), wait=True)
    before = house.picture()
    survive(driver.resume, house.context("p4"), wait=True)
    if house.picture() != before:
        house.world.broken("I6: a second resume changed something")
    house.at_rest()
    return house.world.violations


def schedules(first: int, second: int, stride: int) -> Iterator[list[Turn]]:
    """All schedules of the shape: 1 runs, 2 takes over and runs, 1 wakes for some calls, 2 goes on; on a grid."""
    grid = itertools.product(range(1, first, stride), range(1, second, stride), (1, 2, 3, 5, 8, 13))
    for number, (one, two, wake) in enumerate(grid):
        lapse = number % 2 == 1  # in every other one the second lease has lapsed as well when the first process wakes
        yield [
            Turn(process=0, calls=one),
            Turn(process=1, calls=two, lapse=True),
            Turn(process=0, calls=wake, lapse=lapse),
            Turn(process=1, calls=_FOREVER),
        ]

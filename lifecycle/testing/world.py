"""The simulated outside: one time, a call counter, injected faults, and the invariants that hold at every instant.

Every port call of a simulated process goes through `Port.call`, which asks the world's conductor what shall happen to
it: nothing, a refusal, an answer lost before or after landing, a landing that comes later, the death of the process
before or after it, or a pause in which others act. Nothing a process does can bypass it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from lifecycle.domain.errors import AmbiguousEffectError, LifecycleError, RemoteServiceError, UnreachableError

CANARY = "canary-5f1c"  # part of every simulated secret; must be found in the store, provider and boxes only
T = TypeVar("T")
_ENDLESS = 4000  # calls; the longest run that ends makes a tenth of them


class Crash(BaseException):
    """kill -9: not an Exception, so that no handler of the code under test can see it."""


class Fault(StrEnum):
    """What may happen to one call; the letters are those of facts sheet section 5."""

    NONE = "none"
    KILLED_BEFORE = "a: killed before the call"
    ANSWER_LOST = "b/e: landed, answer lost"
    REFUSED = "c: refused"
    KILLED_AFTER = "d: landed, killed before the next write"
    WRITE_LOST = "f: not landed, answer lost"
    LATE = "lands later, answer lost"
    STALE = "stale listing"
    UNKNOWN = "probe unanswered"
    NOT_YET = "refused: not everywhere yet"


class Conductor(Protocol):
    """Decides the fate of each call."""

    def before(self, call: Call) -> Fault:
        """Called before the call has any effect; may let others act first."""
        ...

    def after(self, call: Call) -> None:
        """Called after its effect, before its answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to the outside: which process, which port and method, whether it changes anything."""

    number: int
    process: str
    name: str
    write: bool
    state: str = ""


class Calm:
    """Nothing goes wrong."""

    def before(self, call: Call) -> Fault:
        """Let it pass."""
        return Fault.NONE

    def after(self, call: Call) -> None:
        """Nothing."""
        return None


@dataclass(kw_only=True)
class World:
    """Everything that survives a process."""

    now: datetime = field(default_factory=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    conductor: Conductor = field(default_factory=Calm)
    violations: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    late: list[Callable[[], object]] = field(default_factory=list)
    ticks: list[Callable[[], None]] = field(default_factory=list)
    instant: list[Callable[[], None]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    serial: int = 0
    verified: set[str] = field(default_factory=set)
    current_fault: Fault = Fault.NONE
    paused: bool = False  # a lease lapsed under a living process
    around: Callable[[], AbstractContextManager[None]] = (
        contextlib.nullcontext
    )  # load and save, where it lives in files
    state_of: Callable[[], str] = lambda: ""
    removed: frozenset[str] = frozenset()  # rules of the surroundings that a mutant takes away

    def next(self) -> int:
        """A number never given before."""
        self.serial += 1
        return self.serial

    def broken(self, why: str) -> None:
        """Note a violated invariant, once."""
        if why not in self.violations:
            self.violations.append(why)

    def check(self) -> None:
        """The invariants of this instant."""
        for look in self.instant:
            look()

    def pass_time(self, length: timedelta) -> None:
        """Late calls land, consumers pick up, the clock goes on."""
        with self.around():
            self._pass(length)

    def _pass(self, length: timedelta) -> None:
        self.now += length / 2
        waiting, self.late = self.late, []
        for effect in waiting:
            with contextlib.suppress(LifecycleError):  # refused by the provider, and nobody listens any more
                effect()
            self.check()
        for tick in self.ticks:
            tick()
        self.now += length / 2
        self.check()


@dataclass(frozen=True, kw_only=True)
class Port:
    """One process's view of the world."""

    world: World
    process: str

    def call(self, name: str, effect: Callable[[], T], *, write: bool, late: bool = False) -> T:
        """Do one call under the conductor's eyes. `late`: the kind that may land after its caller gave up."""
        if self.process in self.world.dead:
            raise Crash
        if len(self.world.calls) > _ENDLESS:
            self.world.broken("I4: it never ends")
            self.die()
        call = Call(
            number=len(self.world.calls), process=self.process, name=name, write=write, state=self.world.state_of()
        )
        self.world.calls.append(call)
        fault = self.world.conductor.before(call)
        self._before(call, fault, effect if late else None)
        self.world.current_fault = fault
        with self.world.around():
            result = effect()
        self.world.check()
        self.world.conductor.after(call)
        if fault is Fault.KILLED_AFTER:
            self.die()
        if fault is Fault.ANSWER_LOST:
            raise AmbiguousEffectError(f"{name}: no answer", remedy="read")
        return result

    def die(self) -> None:
        """Kill this process: no call of it will ever reach the world again."""
        self.world.dead.add(self.process)
        raise Crash

    def _before(self, call: Call, fault: Fault, effect: Callable[[], object] | None) -> None:
        if fault is Fault.KILLED_BEFORE:
            self.die()
        if fault is Fault.REFUSED:
            raise RemoteServiceError(f"{call.name}: refused", remedy="see the service")
        if fault is Fault.LATE and effect is not None:
            self.world.late.append(effect)
            raise AmbiguousEffectError(f"{call.name}: no answer", remedy="read")
        if fault is Fault.WRITE_LOST:
            if call.write:
                raise AmbiguousEffectError(f"{call.name}: no answer", remedy="read")
            raise UnreachableError(f"{call.name}: unreachable", remedy="wait")

"""Crash boundaries over one issuer: the real driver, cut once at each of its writes, resumed, and looked at.

A calm rotation tells which writes there are. After each of them the process is killed; the issuer's own writes are
also refused, lost on the way there, and lost on the way back. A second process resumes. Then, from the outside: the
operation has ended, the current value works, the provider lists nothing else of ours, and a third run changes nothing.

Where a lost mint cannot be told from a stranger's credential (neither stamp nor creator is listed), QUARANTINED is the
right end; the suite then does what a person would, and still nothing may be lost.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from lifecycle.domain.credential import CredentialId
from lifecycle.domain.rotation import State
from lifecycle.operations.release_quarantine import release
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext
from lifecycle.testing.driven import Driven
from lifecycle.testing.issuer_port import IssuerPort
from lifecycle.testing.simulated_journal import AuditPort, JournalPort
from lifecycle.testing.simulated_store import StorePort
from lifecycle.testing.world import Call, Calm, Crash, Fault

_OF_THE_ISSUER = (Fault.KILLED_BEFORE, Fault.ANSWER_LOST, Fault.REFUSED, Fault.WRITE_LOST)
EVERY_WRITE = ("issuer.", "store.", "journal.")  # the lease and the audit log have suites of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The n-th call of a name in one rotation, and what happens to it."""

    call: str
    nth: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.call} #{self.nth}: {self.fault}"


@dataclass(kw_only=True)
class Strike:
    """Conductor that cuts one call of one process.

    Attributes:
        boundary: where.
        struck: whether that call was made.
    """

    boundary: Boundary
    struck: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def before(self, call: Call) -> Fault:
        """Count, and strike once."""
        self.seen[call.name] += 1
        here = (call.name, self.seen[call.name]) == (self.boundary.call, self.boundary.nth)
        self.struck = self.struck or here
        return self.boundary.fault if here else Fault.NONE

    def after(self, call: Call) -> None:
        """Nothing."""


@dataclass(kw_only=True)
class Boundaries:
    """All cuts of one credential, one after the other; each leaves it as it found it: one live value, stored.

    Attributes:
        driven: the issuer under the driver; nothing is issued yet.
        of: which writes are cut, by the beginning of their names.
        endings: how each boundary ended, for whoever wants to print it.
    """

    driven: Driven
    of: tuple[str, ...] = EVERY_WRITE
    endings: dict[Boundary, str] = field(default_factory=dict)
    _serial: int = 0
    _jumps: dict[str, timedelta] = field(default_factory=dict)

    def prove(self) -> dict[Boundary, str]:
        """Issue once, then cut one rotation after the other; fails at the first invariant that does not hold."""
        foreign = self.driven.ids()
        self.driven.rotated()
        listed = self.driven.ids() - foreign
        foreign = foreign - {self._current_id()} if listed else foreign
        for boundary in self.boundaries():
            self.endings[boundary] = self._cut(boundary, foreign)
        return self.endings

    def boundaries(self) -> list[Boundary]:
        """What a calm rotation shows that there is to cut."""
        world = self.driven.store.world
        world.calls.clear()
        outcome = rotate(self._process(), force=True, wait=True)
        assert outcome.state is State.CLOSED, outcome
        seen: Counter[str] = Counter()
        found: list[Boundary] = []
        for call in world.calls:
            seen[call.name] += 1
            if not call.write or not call.name.startswith(self.of):
                continue
            faults = (Fault.KILLED_AFTER, *(_OF_THE_ISSUER if call.name.startswith("issuer.") else ()))
            found += [Boundary(call=call.name, nth=seen[call.name], fault=fault) for fault in faults]
        return found

    def _cut(self, boundary: Boundary, foreign: frozenset[str]) -> str:
        driven, strike = self.driven, Strike(boundary=boundary)
        driven.store.world.calls.clear()
        driven.store.world.conductor = strike
        _survive(lambda: rotate(self._process(), force=True, wait=True))
        driven.store.world.conductor = Calm()
        assert strike.struck, f"{boundary}: the rotation never came there"
        driven.clock.sleep(driven.context.limits.lease + timedelta(seconds=1))
        resume(self._process(), wait=True)
        ended = self._ended(boundary, foreign)
        before = self._picture()
        resume(self._process(), wait=True)
        assert self._picture() == before, f"{boundary}: resuming once more changed something"
        assert driven.works(driven.current()), f"{boundary}: the stored value does not work"
        ours = driven.ids() - foreign
        assert ours <= {self._current_id()}, f"{boundary}: live and accounted for nowhere: {sorted(ours)}"
        return ended

    def _ended(self, boundary: Boundary, foreign: frozenset[str]) -> str:
        record = self.driven.journal.head(self.driven.context.credential).record
        assert record is not None
        if record.state is not State.QUARANTINED:
            assert record.state is State.CLOSED, f"{boundary}: left open in {record.state}: {record.reason}"
            return str(record.outcome)
        traits = self.driven.issuer.traits
        unprovable = not traits.stamp and not (traits.creator and self.driven.context.creator)
        assert unprovable and boundary.call == "issuer.mint", f"{boundary}: {record.reason}"
        assert self.driven.works(self.driven.current()), f"{boundary}: the stored value does not work"
        for lost in self.driven.ids() - foreign - {self._current_id()}:
            self.driven.issuer.revoke(self.driven.principal, CredentialId(lost))
        outcome = release(self._process(), reason="the unexplained credential was deleted", wait=True)
        assert outcome.state is State.CLOSED, f"{boundary}: {outcome}"
        return "quarantined, released"

    def _current_id(self) -> str:
        return str(self.driven.issuer.identify(self.driven.current()))

    def _picture(self) -> tuple[object, ...]:
        """What a second resume must not change."""
        driven = self.driven
        return driven.journal.head(driven.context.credential), driven.store.revision, driven.ids(), driven.current()

    def _process(self) -> RotationContext:
        """A fresh process with nothing but what store, journal and provider hold."""
        self._serial += 1
        world, name, context = self.driven.store.world, f"process-{self._serial}", self.driven.context
        journal = JournalPort(world=world, process=name, journal=self.driven.journal)
        return replace(
            context,
            owner=name,
            issuer=IssuerPort(
                world=world,
                process=name,
                issuer=self.driven.issuer,
                ahead=lambda: self.driven.clock.ahead,
                jumps=self._jumps,
            ),
            store=StorePort(world=world, process=name, store=self.driven.store),
            journal=journal,
            leases=journal,
            audit=AuditPort(world=world, process=name, log=context.audit),
        )


def _survive(work: Callable[[], object]) -> None:
    with contextlib.suppress(Crash):
        work()

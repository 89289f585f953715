"""Planning the rotation of many credentials: time that grows with their number and no faster, and little memory.

The contexts are those of one simulated credential under other names; the journal is the real one, one record for each.
"""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from lifecycle.domain.audit import GENESIS
from lifecycle.domain.credential import CredentialClass
from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.operations.plan_rotations import plan_rotations
from lifecycle.operations.rotation_context import RotationContext
from tests.benchmarks.bench_journal import record
from tests.benchmarks.measuring import Effort, Goal, Result, compare, seconds
from tests.fakes.house import House

FEW, MANY = 1_000, 10_000
_MIB = 1024 * 1024
_ALLOWED = 64  # MiB for the plan of all of them


def run(effort: Effort, scratch: Path) -> list[Result]:
    """Time for ten times as many, and what their plan holds."""
    house = House(kind=CredentialClass.B)
    journal = SqliteJournal(scratch / "many.sqlite", clock=lambda: house.world.now)
    try:
        contexts = [_context(house, journal, number) for number in range(MANY)]
        few = contexts[:FEW]
        results = compare(
            "plan", f"rotations N={MANY}, a tenth of it",
            sides={
                "ours": lambda: seconds(lambda: plan_rotations(contexts)) * FEW / MANY,
                f"N={FEW}": lambda: seconds(lambda: plan_rotations(few)),
            },
            rounds=effort.pick(7, 3), limits={f"N={FEW}": 1.25},
        )  # fmt: skip
        return [*results, _memory(few), _memory(contexts)]
    finally:
        journal.close()


def _context(house: House, journal: SqliteJournal, number: int) -> RotationContext:
    name = f"credential-{number}"
    lease = journal.acquire(name, "host:1", timedelta(hours=1))
    journal.append(lease, record(name, GENESIS, 1, fence=lease.fence), GENESIS)
    return replace(house.context("p1"), credential=name, journal=journal, leases=journal)


def _memory(contexts: list[RotationContext]) -> Goal:
    tracemalloc.start()
    try:
        plan = plan_rotations(contexts)
        peak = tracemalloc.get_traced_memory()[1] / _MIB
    finally:
        tracemalloc.stop()
    del plan
    return Goal(
        name="plan", what=f"memory N={len(contexts)}", ours=peak, reference=_ALLOWED, unit="MiB", against="allowed",
        ratios=(peak / _ALLOWED,), limit=1, exact=True,
    )  # fmt: skip

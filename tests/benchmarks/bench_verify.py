"""G15: many connectors that each take 200 ms, against the time that so many threads cannot do without."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, outcome
from lifecycle.foundation.breaker import Breakers
from lifecycle.operations.verify_connectors import MAX_THREADS, ConnectorProbe, verify_connectors
from tests.benchmarks.measuring import Effort, Goal, Result

LATENCY = 0.2


class Slow:
    """A connector that answers after 200 ms, in the thread that asks, as a vendor's library does."""

    def verify(
        self, target: object, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Valid, later."""
        del target, value, deadline, via
        time.sleep(LATENCY)
        now = datetime.now(UTC)
        return VerificationResult(status=outcome(Reason.WORKS), reason=Reason.WORKS, checked_at=now)


def run(effort: Effort, scratch: Path) -> list[Result]:
    """Wall time at two concurrencies, and the memory of the largest run."""
    del scratch
    whole = effort.pick(10_000, 1_000)
    results: list[Result] = []
    for size, threads, rounds in ((1_000, 50, 1), (whole, 200, effort.pick(5, 3))):
        before, taken, peak = resident(), [], 0.0
        for _ in range(rounds):
            wall, most = verify(size, min(threads, MAX_THREADS))
            taken.append(wall)
            peak = max(peak, most - before)
        least = LATENCY * ceil(size / threads)
        results.append(
            Goal(
                name="G15", what=f"verify N={size} C={threads}", ours=sorted(taken)[rounds // 2], reference=least,
                unit="s", against="0.2xceil(N/C)", ratios=tuple(wall / least for wall in taken), limit=1.05,
            )
        )  # fmt: skip
    results.append(
        Goal(
            name="G15", what=f"verify memory N={whole} C=200", ours=peak, reference=64, unit="MiB", against="64MiB",
            ratios=(peak / 64,), limit=1, exact=True,
        )
    )  # fmt: skip
    results.append(_hung(effort.pick(1_000, 200)))
    return results


class Hung:
    """A connector that never answers, as a vendor's library in C does not."""

    def verify(
        self, target: object, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Wait for ever; the thread is a daemon."""
        del target, value, deadline, via
        threading.Event().wait()
        raise AssertionError("unreachable")


def _hung(size: int) -> Goal:
    """How much longer than its deadline a run takes in which 5 % of the targets hang; the limit is 1 s."""
    limit = 3.0
    probes = [
        ConnectorProbe(
            name=f"connector-{number}",
            target=None,
            verifier=Hung() if number % 20 == 0 else Slow(),
            value=dict,
            deadline=timedelta(seconds=limit),
        )
        for number in range(size)
    ]
    start = time.perf_counter()
    found = verify_connectors(probes, clock=lambda: datetime.now(UTC), breaker=Breakers(), threads=MAX_THREADS)
    over = time.perf_counter() - start - limit
    if sum(item.result.reason is Reason.TIMEOUT_TOTAL for item in found) != len(range(0, size, 20)):
        raise RuntimeError("a hung connector was not given up, or another one was")
    return Goal(
        name="G15", what=f"verify N={size}, 5 % hung, beyond its deadline", ours=over, reference=1, unit="s",
        against="deadline + 1 s", ratios=(over,), limit=1, exact=True,
    )  # fmt: skip


def verify(size: int, threads: int) -> tuple[float, float]:
    """Seconds of one run, and the largest resident set seen in it, in MiB."""
    probes = [
        ConnectorProbe(
            name=f"connector-{number}", target=None, verifier=Slow(), value=dict, deadline=timedelta(seconds=10)
        )
        for number in range(size)
    ]
    peak, ended = [resident()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.25):
            peak.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    found = verify_connectors(probes, clock=lambda: datetime.now(UTC), breaker=Breakers(), threads=threads)
    taken = time.perf_counter() - start
    ended.set()
    watcher.join()
    if sum(item.result.status == "valid" for item in found) != size:
        raise RuntimeError("a connector that works was not found valid")
    return taken, max(peak)


def resident() -> float:
    """The resident set now, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

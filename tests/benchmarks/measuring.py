"""What every leg shares: goals as ratios of pairs, interleaved rounds, children that a time limit ends for certain."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOO_BUSY = 0.5  # load per core above which figures are bent


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure.

    Attributes:
        quick: smaller inputs and fewer rounds; the lines say so by their N and n.
        large: the sizes that take minutes.
    """

    quick: bool = False
    large: bool = False

    def pick(self, usual: int, quick: int, large: int = 0) -> int:
        """A size or a number of rounds."""
        return quick if self.quick else large if self.large and large else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One measured goal: ratios of pairs, all to stay on one side of a limit.

    Attributes:
        name: of the goal, e.g. `G4`.
        what: what was measured, with its sizes.
        ours, reference: medians, in `unit`.
        unit: of both.
        against: what the reference is.
        ratios: ours through reference, pair by pair.
        limit: that a ratio is measured by.
        at_least: whether the ratio must not be below the limit; else not above it.
        exact: what is counted, not timed: one value decides.
    """

    name: str
    what: str
    ours: float
    reference: float
    unit: str
    against: str
    ratios: tuple[float, ...]
    limit: float
    at_least: bool = False
    exact: bool = False

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        """UNSURE when the spread is wider than the distance to the goal."""
        spread, distance = max(self.ratios) - min(self.ratios), abs(self.ratio - self.limit)
        if not self.exact and spread > distance:
            return "UNSURE"
        return "PASS" if (self.ratio >= self.limit if self.at_least else self.ratio <= self.limit) else "FAIL"

    def line(self) -> str:
        """As one line of text."""
        sign = ">=" if self.at_least else "<="
        return (
            f"{self.name:<4} {self.what} ours={self.ours:.4g}{self.unit} "
            f"ref={self.against}={self.reference:.4g}{self.unit} ratio={self.ratio:.3f} goal{sign}{self.limit:g} "
            f"n={len(self.ratios)} spread={min(self.ratios):.3f}..{max(self.ratios):.3f} {self.verdict}"
        )

    def document(self) -> dict[str, Any]:
        """For the JSON file."""
        names = ("name", "what", "ours", "reference", "unit", "against", "ratios", "limit", "at_least", "exact")
        return {name: getattr(self, name) for name in names} | {"ratio": self.ratio, "verdict": self.verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """A goal that cannot be measured here, and why."""

    name: str
    why: str

    def line(self) -> str:
        """As one line of text."""
        return f"{self.name:<4} not measured: {self.why}"

    def document(self) -> dict[str, Any]:
        """For the JSON file."""
        return {"name": self.name, "verdict": "NOT MEASURED", "why": self.why}


Result = Goal | NotMeasured
Leg = Callable[[Effort, Path], list[Result]]
Side = Callable[[], float]


def compare(
    name: str,
    what: str,
    *,
    sides: Mapping[str, Side],
    rounds: int,
    limits: Mapping[str, float],
    at_least: bool = False,
    unit: str = "s",
) -> list[Result]:
    """Measure all sides turn by turn, the first against each of the others that has a limit.

    Args:
        name: of the goal.
        what: is measured.
        sides: name -> one measurement. The first is ours.
        rounds: how often each is measured; its order turns from round to round.
        limits: side -> what the ratio of ours to it is measured by.
        at_least: whether ratios must reach the limit; then they are of reference to ours, as rates are.
        unit: of what a side returns.
    """
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides) if number % 2 == 0 else list(sides)[::-1]:
            taken[side].append(sides[side]())
    ours, *_ = sides
    results: list[Result] = []
    for side, limit in limits.items():
        pairs = zip(taken[ours], taken[side], strict=True)
        ratios = tuple(b / a if at_least else a / b for a, b in pairs)
        middle, against = statistics.median(taken[ours]), statistics.median(taken[side])
        results.append(
            Goal(
                name=name, what=what, ours=middle, reference=against, unit=unit, against=side, ratios=ratios,
                limit=limit, at_least=at_least,
            )
        )  # fmt: skip
    return results


def exact(name: str, what: str, count: float, *, unit: str = "") -> Goal:
    """A goal of zero, counted."""
    return Goal(
        name=name, what=what, ours=count, reference=0, unit=unit, against="none", ratios=(count,), limit=0, exact=True
    )


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one run, from a collected heap."""
    gc.collect()
    start = time.perf_counter()
    result = run()
    taken = time.perf_counter() - start
    del result
    return taken


def best_of(times: int, side: Side) -> Side:
    """The least of several measurements, for what takes milliseconds and a neighbour can triple."""
    return lambda: min(side() for _ in range(times))


def child_seconds(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (0,),
    limit: float = 300,
) -> float:
    """Wall time of a program in a process group of its own; the limit ends the whole group.

    Raises:
        RuntimeError: it ended with another code, or did not end in time.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=limit)
        except BaseException:
            # A signal to the outer process alone would leave Terraform's providers running.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode not in accepted:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said.decode(errors='replace')[-400:]}")
    return time.perf_counter() - start


def surroundings() -> dict[str, Any]:
    """Load, cores, versions, and every Terraform that runs now."""
    running = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text(encoding="utf-8").strip() in ("terraform", "tofu"):
                running.append(int(folder.name))
    import platform
    import sys

    return {
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count() or 1,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "terraform": terraform_version(),
        "running_terraform": sorted(running),
    }


def terraform_version() -> str:
    """Its first line; empty when there is none."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(["terraform", "version"], capture_output=True, text=True, timeout=30, check=False)
        return done.stdout.partition("\n")[0].removeprefix("Terraform v")
    return ""

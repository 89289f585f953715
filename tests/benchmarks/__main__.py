"""Measured goals, one line each: `python -m tests.benchmarks [LEG…] [--quick | --large] [--force] [--json FILE]`.

    G4   yaml->tf N=10000 ours=0.41s ref=csafe=2.6s ratio=0.157 goal<=0.25 n=5 spread=0.154..0.163 PASS

Every figure is a ratio of two things measured turn by turn in this run, so a busy neighbour bends both alike. Still the
run refuses to start on a busy machine. UNSURE: the spread is wider than the distance to the goal.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import TOO_BUSY, Effort, Goal, Leg, NotMeasured, Result, surroundings

LEGS = ("startup", "generate", "terraform", "plan_read", "rotate", "rotation_plan", "journal", "verify")


def main(arguments: list[str]) -> int:
    """Run the legs; 1 when a goal is missed for certain, 3 when the machine is too busy."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("legs", nargs="*", metavar="LEG", help=f"default: all of {', '.join(LEGS)}")
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer rounds")
    parser.add_argument("--large", action="store_true", help="the largest inputs: 100,000 accounts, 3,000 resources")
    parser.add_argument("--force", action="store_true", help="measure on a busy machine too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.legs) - set(LEGS))
    if unknown:
        parser.error(f"no such leg: {', '.join(unknown)}; known are {', '.join(LEGS)}")
    around = surroundings()
    say(" ".join(f"{name}={value}" for name, value in around.items()))
    if around["load"] > TOO_BUSY * around["cores"] and not options.force:
        say(f"the load is above {TOO_BUSY} per core: figures would be bent; wait, or add --force")
        return 3
    results = run(options.legs or LEGS, Effort(quick=options.quick, large=options.large))
    if options.json:
        write(options.json, around, results)
    return int(any(isinstance(result, Goal) and result.verdict == "FAIL" for result in results))


def run(legs: tuple[str, ...] | list[str], effort: Effort) -> list[Result]:
    """All results; each is printed as soon as it is there. A leg that breaks does not end the others."""
    results: list[Result] = []
    for name in legs:
        leg: Leg = importlib.import_module(f"tests.benchmarks.bench_{name}").run
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            try:
                found = leg(effort, Path(scratch))
            except (OSError, RuntimeError, ValueError) as error:
                found = [NotMeasured(name=name, why=f"the leg broke: {error}")]
        for result in found:
            say(result.line())
        say(f"     {name} took {time.monotonic() - start:.0f} s")
        results += found
    return results


def write(path: Path, around: dict[str, Any], results: list[Result]) -> None:
    """The same as JSON."""
    document = {"machine": around, "results": [result.document() for result in results]}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

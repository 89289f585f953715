"""G1: help and version against a bare interpreter and `terraform version`. G2: what they import, counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measuring import Effort, NotMeasured, Result, Side, best_of, child_seconds, compare, exact

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("azure", "boto3", "datarobot", "httpx", "hvac", "pydantic", "rich", "yaml")
_PROBE = f"""
import sys
from lifecycle.cli.app import run
try:
    run(sys.argv[1:])
except SystemExit:
    sys.stderr.write(" ".join(sorted(set(sys.modules) & set({HEAVY!r}))))
"""


def run(effort: Effort, scratch: Path) -> list[Result]:
    """Both goals."""
    del scratch
    results: list[Result] = []
    for flag in ("--help", "--version"):
        sides = {"ours": _timed(sys.executable, "-m", "lifecycle", flag), "pass": _bare()}
        limits = {"pass": 2.5}
        if shutil.which("terraform"):
            sides["terraform-version"] = _timed("terraform", "version")
            limits["terraform-version"] = 0.75
        results += compare("G1", flag, sides=sides, rounds=effort.pick(10, 5), limits=limits)
        found = subprocess.run(
            [sys.executable, "-c", _PROBE, flag], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
        ).stderr.split()
        results.append(exact("G2", f"heavy modules after {flag}: {', '.join(found) or 'none'}", len(found)))
    if "terraform" not in str(results):
        results.append(NotMeasured(name="G1", why="no terraform to compare with"))
    return results


def _bare() -> Side:
    return _timed(sys.executable, "-I", "-c", "pass")


def _timed(*command: str) -> Side:
    return best_of(5, lambda: child_seconds(command, folder=ROOT))

"""From YAML to Terraform JSON: time against PyYAML's CSafeLoader alone (G4), memory against it (G6).

    python -m tests.benchmarks.bench_generate [--accounts 10000] [--rounds 5] [--memory] [--json]

Both sides run in one process, turn by turn, and a ratio is taken per round: a busy neighbour bends both alike.
Memory is the growth of the resident set of a fresh process each. `--memory` takes about a minute: 100,000 accounts.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Never

import yaml

from lifecycle.documents.builder import load_spec
from lifecycle.domain.kinds import KindRegistry
from lifecycle.domain.spec import Spec
from lifecycle.terraform_cli.backends import LOCAL
from lifecycle.terraform_cli.render import Renderings, render

REGISTRY = KindRegistry([LOCAL])
HEAD = """\
version: 1
environment: bench
owner: platform
backend: local
sandbox: {servers: [aws]}
aws: {account_id: "123456789012", region: eu-west-1}
"""
ACCOUNT = """\
  account-{number:06d}:
    platform: aws
    owner: team-{team}
    purpose: batch scoring of feed {number}
    trust: {{service: ecs-tasks}}
    permissions: [{{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme-{number}/*"]}}]
    tags: {{cost-centre: "{team}"}}
"""
PER_FILE = 25_000


def _unused(*_: object) -> Never:
    raise AssertionError("accounts need no rendering")


NO_RENDERINGS = Renderings(agent_config=_unused, allowlist=_unused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One measured goal: ratios of pairs, to be at most `limit`."""

    name: str
    what: str
    ours: float
    unit: str
    ratios: tuple[float, ...]
    limit: float

    @property
    def verdict(self) -> str:
        """UNSURE when the spread reaches over the goal."""
        if max(self.ratios) <= self.limit:
            return "PASS"
        return "UNSURE" if statistics.median(self.ratios) <= self.limit or min(self.ratios) <= self.limit else "FAIL"

    def line(self) -> str:
        """As one line of text."""
        middle, low, high = statistics.median(self.ratios), min(self.ratios), max(self.ratios)
        return (
            f"{self.name} {self.what} ours={self.ours:.3g}{self.unit} ref=csafe ratio={middle:.3f} "
            f"goal<={self.limit} n={len(self.ratios)} spread={low:.3f}..{high:.3f} {self.verdict}"
        )


def write_environment(folder: Path, accounts: int) -> list[Path]:
    """An environment of so many service accounts, in files of at most 25,000."""
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(HEAD, encoding="utf-8")
    for start in range(0, accounts, PER_FILE):
        numbers = range(start, min(start + PER_FILE, accounts))
        text = "".join(ACCOUNT.format(number=number, team=number % 50) for number in numbers)
        (folder / f"accounts-{start:06d}.yaml").write_text("service_accounts:\n" + text, encoding="utf-8")
    return sorted(folder.glob("*.yaml"))


def generate(folder: Path) -> tuple[Spec, bytes]:
    """The whole pipeline: files, spec, Terraform JSON."""
    spec = load_spec(folder, REGISTRY, root=folder.parent)
    files = render(spec, modules_path="../../modules", renderings=NO_RENDERINGS)
    return spec, next(iter(files.values()))


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one run, from a collected heap."""
    gc.collect()
    start = time.perf_counter()
    result = run()
    taken = time.perf_counter() - start
    del result
    return taken


def bench_time(folder: Path, accounts: int, rounds: int) -> Goal:
    """G4: the whole pipeline against CSafeLoader alone."""
    texts = [path.read_text(encoding="utf-8") for path in write_environment(folder, accounts)]
    ours, ratios = [], []
    for _ in range(rounds):
        reference = seconds(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts])
        ours.append(seconds(lambda: generate(folder)))
        ratios.append(ours[-1] / reference)
    return Goal(
        name="G4",
        what=f"yaml->tf N={accounts}",
        ours=statistics.median(ours),
        unit="s",
        ratios=tuple(ratios),
        limit=0.25,
    )


def bench_memory(folder: Path, accounts: int, rounds: int) -> Goal:
    """G6: the validated spec, places included, against CSafeLoader's plain tree."""
    write_environment(folder, accounts)
    ours, ratios = [], []
    for _ in range(rounds):
        reference = grown("reference", folder)
        ours.append(grown("ours", folder))
        ratios.append(ours[-1] / reference)
    return Goal(
        name="G6",
        what=f"yaml->spec memory N={accounts}",
        ours=statistics.median(ours),
        unit="MiB",
        ratios=tuple(ratios),
        limit=0.25,
    )


def grown(side: str, folder: Path) -> float:
    """Growth of the resident set of a fresh process, in MiB."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_generate", "--child", side, "--folder", str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout)


def child(side: str, folder: Path) -> float:
    """What `grown` measures."""
    before = peak_memory()
    if side == "ours":
        kept: object = load_spec(folder, REGISTRY, root=folder.parent)
    else:
        # One document, as its way to one tree; file by file it would need less at a time, and give several.
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("accounts-*.yaml"))]
        whole = HEAD + texts[0] + "".join(text.partition("\n")[2] for text in texts[1:])
        del texts
        kept = yaml.load(whole, yaml.CSafeLoader)
    after = peak_memory()
    del kept
    return after - before


def peak_memory() -> float:
    """The largest resident set of this program so far, in MiB; `ru_maxrss` would count that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def main(arguments: list[str]) -> int:
    """Print a line per goal; 1 when one is missed for sure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure G6 too, with 100,000 accounts")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=["ours", "reference"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        sys.stdout.write(f"{child(options.child, options.folder)}\n")
        return 0
    sys.stdout.write(f"load={os.getloadavg()[0]:.2f} cores={os.cpu_count()} python={sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as scratch:
        goals = [bench_time(Path(scratch) / "time" / "bench", options.accounts, options.rounds)]
        if options.memory:
            goals.append(bench_memory(Path(scratch) / "memory" / "bench", 100_000, 2))
    for goal in goals:
        sys.stdout.write(goal.line() + "\n")
        if options.json:
            sys.stdout.write(json.dumps(asdict(goal) | {"verdict": goal.verdict}) + "\n")
    return int(any(goal.verdict == "FAIL" for goal in goals))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

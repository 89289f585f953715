"""From inventory to Terraform JSON. From JSON (G3) and YAML (G4), and the memory of it (G6); against CDKTF (G5).

G3 and G4 run both sides in one process, turn by turn. G6 is the growth of the resident set of a fresh process each.
"""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Never

import orjson
import yaml

from lifecycle.documents.builder import load_spec
from lifecycle.domain.kinds import KindRegistry
from lifecycle.domain.spec import Spec
from lifecycle.terraform_cli.backends import LOCAL
from lifecycle.terraform_cli.render import Renderings, render
from tests.benchmarks.measuring import Effort, NotMeasured, Result, compare, seconds

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


def run(effort: Effort, scratch: Path) -> list[Result]:
    """All four goals."""
    accounts, rounds = effort.pick(10_000, 1_000), effort.pick(5, 5)
    files = write_environment(scratch / "time" / "bench", accounts)
    results = bench_yaml(files, accounts, rounds)
    results += bench_json(files[0].parent, accounts, rounds)
    results += bench_memory(scratch / "memory" / "bench", effort.pick(20_000, 5_000, 100_000), effort.pick(5, 3))
    return [*results, _cdktf()]


def _cdktf() -> NotMeasured:
    if importlib.util.find_spec("cdktf") is None:
        return NotMeasured(name="G5", why="CDKTF is not installed; docs/performance.md has the figures of reference")
    return NotMeasured(name="G5", why="only figures of reference are kept: bindings take minutes to install")


def write_environment(folder: Path, accounts: int) -> list[Path]:
    """An environment of so many service accounts, in files of at most 25,000."""
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(HEAD, encoding="utf-8")
    for start in range(0, accounts, PER_FILE):
        numbers = range(start, min(start + PER_FILE, accounts))
        text = "".join(ACCOUNT.format(number=number, team=number % 50) for number in numbers)
        (folder / f"accounts-{start:06d}.yaml").write_text("service_accounts:\n" + text, encoding="utf-8")
    return sorted(folder.glob("*.yaml"))


def load(folder: Path) -> Spec:
    """The validated spec, with the place of every value."""
    return load_spec(folder, REGISTRY, root=folder.parent)


def emit(spec: Spec) -> bytes:
    """The generated root."""
    files = render(spec, modules_path="../../modules", renderings=NO_RENDERINGS)
    return next(iter(files.values()))


def bench_yaml(files: list[Path], accounts: int, rounds: int) -> list[Result]:
    """G4: the whole pipeline against CSafeLoader alone."""
    texts = [path.read_text(encoding="utf-8") for path in files]
    sides = {
        "ours": _timed(lambda: emit(load(files[0].parent))),
        "csafe": _timed(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts]),
    }
    return compare("G4", f"yaml->tf N={accounts}", sides=sides, rounds=rounds, limits={"csafe": 0.25})


def bench_json(folder: Path, accounts: int, rounds: int) -> list[Result]:
    """G3: the resolved inventory as JSON, parsed, validated, built and emitted, against orjson.dumps of the tree.

    Who generates an inventory from a database writes it in this form; `lifecycle` itself reads it as YAML, which it is.
    """
    spec = load(folder)
    inventory = orjson.dumps(spec.model_dump(mode="json", exclude_defaults=True))
    chosen = {"backend": spec.backend}  # its settings are of a kind, which the registry validates
    tree = orjson.loads(emit(spec))
    del spec

    def ours() -> bytes:
        return emit(Spec.model_validate_json(inventory).model_copy(update=chosen))

    sides = {"ours": _timed(ours), "orjson.dumps": _timed(lambda: orjson.dumps(tree))}
    return compare("G3", f"json->tf N={accounts}", sides=sides, rounds=rounds, limits={"orjson.dumps": 10})


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds(work)


def bench_memory(folder: Path, accounts: int, rounds: int) -> list[Result]:
    """G6: the validated spec, places included, against CSafeLoader's plain tree."""
    write_environment(folder, accounts)
    sides = {"ours": lambda: grown("ours", folder), "csafe": lambda: grown("reference", folder)}
    what = f"yaml->spec memory N={accounts}"
    return compare("G6", what, sides=sides, rounds=rounds, limits={"csafe": 0.25}, unit="MiB")


def grown(side: str, folder: Path) -> float:
    """Growth of the resident set of a fresh process, in MiB."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_generate", side, str(folder)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, cwd=root)
    return float(done.stdout)


def child(side: str, folder: Path) -> float:
    """What `grown` measures."""
    gc.collect()
    before = peak_memory()
    if side == "ours":
        kept: object = load(folder)
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


if __name__ == "__main__":
    sys.stdout.write(f"{child(sys.argv[1], Path(sys.argv[2]))}\n")

"""The wrapper against bare Terraform (G7), and the form of the generated root against others (G8).

Nothing is applied and no provider is asked for anything: only what Terraform and the wrapper themselves cost.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from lifecycle.terraform_cli.cli_config import ProviderMirror, cli_config, find_mirror
from lifecycle.terraform_cli.run_records import RunRecords
from lifecycle.terraform_cli.runner import TerraformCli
from lifecycle.terraform_cli.workplace import Workplace
from tests.benchmarks.measuring import Effort, NotMeasured, Result, Side, child_seconds, compare, seconds

AWS_VERSION = "5.100.0"
MIRRORS = (Path.home() / ".terraform.d", *map(Path, ("/usr/local/share/terraform", "/usr/share/terraform", "/opt")))
_PLAN = ("plan", "-input=false", "-lock-timeout=0s", "-parallelism=10", "-out=bare.bin", "-json")


def run(effort: Effort, scratch: Path) -> list[Result]:
    """Both goals; what needs a provider only where a mirror holds it."""
    binary = shutil.which("terraform") or shutil.which("tofu")
    if binary is None:
        return [NotMeasured(name=name, why="neither terraform nor tofu is on PATH") for name in ("G7", "G8")]
    results: list[Result] = []
    for size in (effort.pick(100, 50), effort.pick(1_000, 300)):
        root = Root(scratch / f"data-{size}", binary, flat(size))
        results += root.compare(f"plan+show terraform_data N={size}", effort.pick(5, 3))
    mirror = find_mirror(MIRRORS, version=AWS_VERSION)
    if mirror is None:
        results.append(NotMeasured(name="G7", why=f"no mirror holds hashicorp/aws {AWS_VERSION}"))
    else:
        size = effort.pick(1_000, 50)
        root = Root(scratch / "aws", binary, users(size), mirror)
        results += root.compare(f"plan+show aws_iam_user N={size}", effort.pick(5, 3))
    return results + forms(effort, scratch / "forms", binary)


class Root:
    """A root, planned by bare Terraform or by the wrapper, in the same folder with the same working files."""

    def __init__(self, folder: Path, binary: str, files: dict[str, Any], mirror: ProviderMirror | None = None) -> None:
        folder.mkdir(parents=True)
        for name, document in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document), encoding="utf-8")
        (folder / "cli.tfrc").write_bytes(cli_config(mirror))
        self.folder, self._binary = folder, binary
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "AWS_EC2_METADATA_DISABLED": "true",
            "TF_CLI_CONFIG_FILE": str(folder / "cli.tfrc"),
            "CHECKPOINT_DISABLE": "1",
        }
        numbers = count()
        # The wrapper writes a CLI configuration of its own.
        own = {name: value for name, value in self._environment.items() if name != "TF_CLI_CONFIG_FILE"}
        self._wrapper = TerraformCli(
            Workplace(folder=folder, environment_name="bench", binary=binary, environment=own, mirror=mirror),
            records=RunRecords(folder.with_name(f"{folder.name}-runs")),
            clock=lambda: datetime.now(UTC),
            new_id=lambda: f"run-{next(numbers)}",
        )
        self.bare("init", "-input=false")
        self._wrapper.version()  # asked once per process, before the first command of a run

    def bare(self, *arguments: str) -> float:
        """One command of Terraform alone."""
        return child_seconds((self._binary, *arguments), folder=self.folder, environment=self._environment)

    def plan(self) -> float:
        """A plan by Terraform alone."""
        return self.bare(*_PLAN)

    def compare(self, what: str, rounds: int) -> list[Result]:
        """G7: a plan and its reading, wrapped against bare."""
        saved = self.folder / "wrapped.bin"

        def wrapped() -> None:
            self._wrapper.plan(saved)
            self._wrapper.show(saved)

        sides: dict[str, Side] = {
            "ours": lambda: seconds(wrapped),
            "bare": lambda: self.plan() + self.bare("show", "-json", "bare.bin"),
        }
        return compare("G7", what, sides=sides, rounds=rounds, limits={"bare": 1.03})


def forms(effort: Effort, scratch: Path, binary: str) -> list[Result]:
    """G8: three resources per entry, as one module call per entry, flat, and as one for_each over all."""
    entries = effort.pick(334, 100, 1_000)
    roots: dict[str, Callable[[int], dict[str, Any]]] = {
        "module-per-entry": modules,
        "flat": lambda number: flat(3 * number),
        "one-for_each": lambda number: each(3 * number),
    }
    sides = {name: Root(scratch / name, binary, make(entries)).plan for name, make in roots.items()}
    limits = {"flat": 2.2, "one-for_each": 0.35}
    return compare("G8", f"plan entries={entries} x3", sides=sides, rounds=effort.pick(5, 3), limits=limits)


def flat(number: int) -> dict[str, Any]:
    """So many resources, each written out."""
    resources = {f"r{index}": {"input": f"value-{index}"} for index in range(number)}
    return {"main.tf.json": {"resource": {"terraform_data": resources}}}


def each(number: int) -> dict[str, Any]:
    """One resource over a map of so many."""
    values = {f"r{index}": f"value-{index}" for index in range(number)}
    resource = {"all": {"for_each": values, "input": "${each.value}"}}
    return {"main.tf.json": {"resource": {"terraform_data": resource}}}


def modules(number: int) -> dict[str, Any]:
    """So many calls of a module with three resources, as `lifecycle` generates them."""
    calls = {f"entry{index}": {"source": "./entry", "name": f"value-{index}"} for index in range(number)}
    resources = {name: {"input": "${var.name}"} for name in ("user", "policy", "secret")}
    entry = {"variable": {"name": {"type": "string"}}, "resource": {"terraform_data": resources}}
    return {"main.tf.json": {"module": calls}, "entry/main.tf.json": entry}


def users(number: int) -> dict[str, Any]:
    """So many IAM users; the provider is loaded, and asked for nothing."""
    silent = {
        f"skip_{what}": True for what in ("credentials_validation", "requesting_account_id", "metadata_api_check")
    }
    provider = {"region": "eu-west-1", "access_key": "unused", "secret_key": "unused", **silent}
    return {
        "main.tf.json": {
            "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": AWS_VERSION}}},
            "provider": {"aws": provider},
            "resource": {"aws_iam_user": {f"u{index}": {"name": f"user-{index}"} for index in range(number)}},
        }
    }

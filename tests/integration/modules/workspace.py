"""A copy of the modules beside one root, in which a test runs terraform."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULES = Path(__file__).parents[3] / "terraform" / "modules"
ROOTS = Path(__file__).parent / "roots"
MODULE_NAMES = sorted(folder.name for folder in MODULES.iterdir() if folder.is_dir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One folder and how to call terraform in it.

    Attributes:
        terraform: The binary, Terraform's or OpenTofu's.
        folder: Where it runs.
        environment: Its whole environment.
    """

    terraform: Path
    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run one command.

        Args:
            arguments: The subcommand and its flags.
            expect: The exit code that the test wants.

        Returns:
            Both output streams.
        """
        done = subprocess.run(
            [self.terraform, *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"terraform {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def init(self) -> None:
        """Install the provider from the mirror."""
        self.run("init", "-input=false", "-no-color", "-backend=false")

    def plan(self, *arguments: str) -> dict[str, Any]:
        """Plan and read the plan back.

        Returns:
            What `show -json` says.
        """
        self.run("plan", "-input=false", "-no-color", "-out=reviewed.plan", *arguments)
        return self._show("reviewed.plan")

    def apply(self) -> dict[str, Any]:
        """Apply the plan of `plan`.

        Returns:
            The state, as `show -json` says.
        """
        self.run("apply", "-input=false", "-no-color", "reviewed.plan")
        return self._show()

    def _show(self, *arguments: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.run("show", "-json", *arguments))
        return shown


def copy_modules(parent: Path) -> Path:
    """Copy the modules, so that what terraform writes never lands in the checkout."""
    copied = parent / "modules"
    shutil.copytree(MODULES, copied, ignore=shutil.ignore_patterns(".terraform*"))
    return copied


def copy_root(parent: Path, name: str) -> Path:
    """Copy the modules and, beside them, one of `roots` with the provider block of the tests."""
    copy_modules(parent)
    root = parent / name
    shutil.copytree(ROOTS / name, root)
    shutil.copy(ROOTS / "provider.tf", root)
    return root


def changes(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Address -> actions of everything that a plan would change."""
    return {
        change["address"]: change["change"]["actions"]
        for change in plan.get("resource_changes", [])
        if change["change"]["actions"] not in (["no-op"], ["read"])
    }


def planned_values(plan: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Address -> values after apply of every planned resource of one type."""
    return {
        change["address"]: change["change"]["after"]
        for change in plan["resource_changes"]
        if change["type"] == kind and change["mode"] == "managed"
    }

"""Help and version cost next to nothing, because they import next to nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from lifecycle.cli.app import build_parser
from lifecycle.cli.commands import FAMILIES

HEAVY = (
    "azure", "boto3", "botocore", "cryptography", "datarobot", "flask", "httpx", "hvac", "jinja2", "moto",
    "msgspec", "orjson", "pydantic", "pydantic_settings", "python_terraform", "requests", "rich", "yaml",
)  # fmt: skip
PROBE = f"""
import sys
from lifecycle.cli.app import run
try:
    run(sys.argv[1:])
except SystemExit:
    pass
sys.stderr.write(" ".join(sorted(set(sys.modules) & set({HEAVY!r}))))
"""


def imported(*argv: str) -> str:
    """Those of `HEAVY` that a fresh process has in memory after these arguments."""
    return subprocess.run([sys.executable, "-c", PROBE, *argv], check=True, capture_output=True, text=True).stderr


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("apply", "--help"), ("rotate", "apply", "--help")])
def test_help_and_version_import_nothing_heavy(argv: tuple[str, ...]) -> None:
    assert imported(*argv) == ""


def test_help_is_the_same_whether_families_are_loaded_or_not() -> None:
    assert build_parser([]).format_help() == build_parser(None).format_help()


@pytest.mark.parametrize("command", [name for commands in FAMILIES.values() for name in commands])
def test_every_command_of_the_table_is_registered_by_its_family_and_runs_something(command: str) -> None:
    loaded = _choices(build_parser([command]))[command]
    nested = [action for action in loaded._actions if isinstance(action, argparse._SubParsersAction)]
    assert nested or "run" in loaded._defaults


def test_a_command_is_found_behind_global_options_and_names_that_are_commands_too() -> None:
    args = build_parser(["--env", "plan", "apply", "--detailed-exitcode"]).parse_args(
        ["--env", "plan", "apply", "--detailed-exitcode"]
    )
    assert (args.env, args.detailed_exitcode) == ("plan", True)


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(dict(action.choices) for action in parser._actions if isinstance(action, argparse._SubParsersAction))

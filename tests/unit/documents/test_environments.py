"""The committed environments are right, their generated roots and the schema of specs current."""

import json
from pathlib import Path

import pytest

from lifecycle.bootstrap.kinds import registry
from lifecycle.cli.app import run
from lifecycle.documents.schema import json_schema
from lifecycle.domain.errors import ExitCode

ROOT = Path(__file__).parents[3]
NAMES = sorted(path.name for path in (ROOT / "environments").glob("[a-z]*") if path.is_dir())
_EDITOR_LINE = "# yaml-language-server: $schema=../../policies/spec.schema.json"


def _run(name: str, *args: str) -> int:
    return run(["--env", name, "--root", str(ROOT), "--quiet", *args])


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_passes_its_check(name: str) -> None:
    assert _run(name, "check") == ExitCode.DONE


@pytest.mark.parametrize("name", NAMES)
def test_every_generated_root_is_current(name: str) -> None:
    assert _run(name, "plan", "--check-generated") == ExitCode.DONE


def test_every_spec_file_tells_editors_its_schema() -> None:
    files = sorted((ROOT / "environments").glob("*/*.yaml"))
    assert [path.name for path in files if path.read_text().splitlines()[0] != _EDITOR_LINE] == []
    assert {path.parent.name for path in files} == {*NAMES, "_base"}


def test_the_committed_schema_is_current() -> None:
    """Written by `make schema`."""
    assert json.loads((ROOT / "policies/spec.schema.json").read_text()) == json.loads(
        json.dumps(json_schema(registry()))
    )

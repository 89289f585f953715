"""What commands print: one JSON document, no escape sequences, no overlong line, silence when asked, and no value."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout, Result
from tests.end_to_end.conftest import NewCheckout
from tests.end_to_end.outside import Outside

_WIDEST = 200
_READING = [
    ("check",),
    ("spec", "show", "--origin"),
    ("plan",),
    ("plan", "--check-generated"),
    ("drift",),
    ("verify",),
    ("verify", "datarobot-api"),
    ("rotate", "plan"),
    ("rotate", "status"),
    ("rotate", "apply", "--all", "--dry-run"),
    ("rotate", "resume"),
    ("report",),
    ("status",),
    ("audit", "show"),
    ("audit", "verify"),
    ("policy", "explain"),
    ("policy", "explain", "LC-CRED-007"),
    ("sandbox", "status"),
    ("sandbox", "up"),
    ("unlock",),
]
_RAW = [
    ("schema",),
    ("allowlist", "render", "datarobot-egress", "--target", "squid"),
    ("agent", "render", "monitoring-a"),
]
_FAILING = [
    ("verify", "no-such-connector"),
    ("rotate", "apply"),
    ("rotate", "retire", "no-such-credential"),
    ("apply", "--plan", "no-such-folder"),
    ("allowlist", "render", "nobody", "--target", "squid"),
    ("policy", "explain", "LC-NONE-001"),
]


def _overlong(checkout: Checkout, result: Result) -> Iterator[str]:
    """Lines that are too wide, the paths of this test's own folder counted as short ones."""
    for line in result.text.replace(str(checkout.base), "/home/ann").splitlines():
        if len(line) > _WIDEST:
            yield line


def _files(checkout: Checkout) -> Iterator[Path]:
    """Everything that was written, but what holds values by design, and the providers' own databases."""
    for path in (*checkout.state_home.rglob("*"), *checkout.root.rglob("*")):
        parts = path.parts
        by_design = path.name == "bootstrap.json" or "delivered" in parts or ("servers" in parts and "data" in parts)
        if path.is_file() and not path.is_symlink() and not by_design and "providers" not in parts:
            yield path


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("env", ["sandbox", "sandbox-vault"])
def test_what_is_printed_and_written(new_checkout: NewCheckout, env: str) -> None:
    checkout = new_checkout(env)
    applied = checkout.run("apply", "--output", "json", ok=True)
    assert applied.document["receipt"]["state"] == "finished"
    rotated = checkout.run("rotate", "apply", "--all", "--wait", "--output", "json", ok=True)
    assert {item["standing"] for item in rotated.document["rotations"]} == {"done"}
    raw = [command for command in _RAW if env == "sandbox" or command[0] != "agent"]
    for command in _READING:
        said = checkout.run(*command)
        assert said.code in (0, 5), f"{command}: {said.text}"
        assert list(_overlong(checkout, said)) == [], command
        document = checkout.run(*command, "--output", "json")
        assert isinstance(document.document, dict) and document.code == said.code, f"{command}: {document.text}"
        assert checkout.run(*command, "--quiet").err == "", command
    for command in raw:
        assert checkout.run(*command, ok=True).out.endswith("\n")
    for command in _FAILING:
        said = checkout.run(*command)
        assert said.code == 2 or (said.code == 5 and command[0] == "apply"), f"{command}: {said.text}"
        assert "error: " in said.err and "next: " in said.err and list(_overlong(checkout, said)) == []
        failed = checkout.run(*command, "--output", "json").document
        assert failed["exit_code"] == said.code and failed["message"] and failed["remedy"], command
    _no_value_anywhere(checkout)


def _no_value_anywhere(checkout: Checkout) -> None:
    values = Outside.of(checkout).values()
    assert len(values) > 10
    for said in checkout.said:
        assert "\x1b" not in said.text
        assert not any(value in said.text for value in values)
    read = 0
    for path in _files(checkout):
        content = path.read_bytes()
        read += 1
        found = [len(value) for value in values if value.encode() in content]
        assert not found, f"{path} holds a value"
        assert path.stat().st_mode & 0o077 == 0 or checkout.state_home not in path.parents or "terraform" in path.parts
    assert read > 30


def test_a_leaked_value_is_recognised_from_standard_input(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    value = Outside.of(checkout).current("datarobot-agent-key")["api_token"]
    found = checkout.run("whose", "--output", "json", input=f"token={value}\n")
    assert found.code == 0 and json.loads(found.out)["matches"][0]["credential"] == "datarobot-agent-key", found.text
    assert value not in found.text
    assert checkout.run("whose", input="nothing that we know\n").code == 5


def test_help_of_every_command_names_it(checkout: Checkout) -> None:
    for words in ([], ["plan"], ["apply"], ["rotate"], ["rotate", "apply"], ["verify"], ["sandbox"], ["policy"]):
        said = checkout.run(*words, "--help", ok=True)
        assert " ".join(words) in said.out and said.err == ""


def test_a_closed_pipe_ends_quietly(checkout: Checkout) -> None:
    piped = f"{sys.executable} -m lifecycle --root {checkout.root} --env sandbox spec show | head -n 1"
    done = subprocess.run(
        ["sh", "-c", piped], env=checkout.environment(), cwd=checkout.base, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1 and done.stderr == ""

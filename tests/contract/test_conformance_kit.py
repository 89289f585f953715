"""The kit as a stranger uses it: the example of CONTRIBUTING runs as it stands, and a bad issuer does not pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"## Add an issuer.*?```python\n(.*?)```", re.DOTALL)

_FORGETS = """

class Forgetful(KeyRingIssuer):
    def {0}


class TestForgetful(TestKeyRing):
    @pytest.fixture
    def bench(self) -> IssuerBench:
        ring = KeyRing(login="admin")
        mine = Forgetful(ring=ring, login=GOOD)
        return IssuerBench(issuer=mine, principal="svc", works=ring.admits, unreachable=mine, refused=mine)
"""

_BAD = {
    "does not stamp": """mint(self, principal, marker, previous):
        return super().mint(principal, "", previous)
""",
    "says that it revoked": """revoke(self, principal, credential_id):
        return None
""",
    "lists one page": """list(self, principal):
        from dataclasses import replace
        full = super().list(principal)
        return replace(full, credentials=full.credentials[:1])
""",
}


def _example() -> str:
    found = _BLOCK.search((_ROOT / "CONTRIBUTING.md").read_text())
    assert found is not None, "CONTRIBUTING.md has no example under 'Add an issuer'"
    return found[1]


def _run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_mine.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *options]
    return subprocess.run([*command, "test_mine.py"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_example_of_contributing_runs_as_it_stands(tmp_path: Path) -> None:
    done = _run(tmp_path, _example())
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout and "skipped" not in done.stdout


@pytest.mark.parametrize("fault", _BAD)
def test_an_issuer_that_breaks_the_contract_does_not_pass_its_boundaries(fault: str, tmp_path: Path) -> None:
    text = _example() + _FORGETS.format(_BAD[fault])
    done = _run(tmp_path, text, "-k", "TestForgetful and boundary")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout, done.stdout

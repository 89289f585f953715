"""The wheel alone is enough: `lifecycle init` makes a repository from it, in which `lifecycle apply` works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.checkout import REPOSITORY, Checkout
from tests.end_to_end.conftest import NewCheckout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds the package as the wheel brings it, and nothing else."""
    target = tmp_path / "site"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


@pytest.mark.timeout(1200)
def test_a_repository_made_from_the_wheel_works(new_checkout: NewCheckout, installed: Path) -> None:
    checkout: Checkout = new_checkout()
    repository, home = checkout.base / "made", {"PYTHONPATH": str(installed)}
    where = [sys.executable, "-c", "import lifecycle; print(lifecycle.__file__)"]
    said = subprocess.run(
        where, env=checkout.environment(**home), cwd=checkout.base, check=True, capture_output=True, text=True
    )
    assert said.stdout.startswith(str(installed))

    made = checkout.run("init", str(repository), env=home, ok=True)
    assert "next: make apply" in made.out
    present = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert {
        "Makefile",
        "environments/sandbox/environment.yaml",
        "environments/sandbox-vault/environment.yaml",
        "terraform/environments/sandbox/main.tf.json",
        "terraform/modules/service_account/main.tf",
    } <= present
    assert not any(name.endswith(".template") or "__pycache__" in name for name in present)

    done = checkout.run("--root", str(repository), "apply", env=home, ok=True)
    assert "4 valid, 0 invalid, 0 indeterminate" in done.out
    assert checkout.run("--root", str(repository), "plan", "--check-generated", env=home).code == 0
    again = checkout.run("init", str(repository), env=home)
    assert again.code == 2 and "nothing was written" in again.err
    checkout.run("--root", str(repository), "sandbox", "down", env=home, ok=True)

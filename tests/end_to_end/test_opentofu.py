"""The same spec, root and lock file under OpenTofu."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import NewCheckout


@pytest.mark.timeout(600)
def test_an_environment_is_applied_by_opentofu_with_the_lock_file_of_terraform(
    new_checkout: NewCheckout, tofu_binary: Path
) -> None:
    checkout = new_checkout("sandbox-vault")
    lock = checkout.root / "terraform" / "environments" / "sandbox-vault" / ".terraform.lock.hcl"
    before = lock.read_bytes()
    with_tofu = {"LIFECYCLE_TERRAFORM": str(tofu_binary)}
    first = checkout.run("apply", env=with_tofu, ok=True)
    assert "6 changes applied, exactly as reviewed" in first.err
    again = checkout.run("apply", env=with_tofu, ok=True)
    assert "no changes" in again.err
    assert lock.read_bytes() == before

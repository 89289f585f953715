"""A lock file stays what it is, whatever runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.terraform_cli.lock_file import lock_file_kept

LOCKED = b'# by "terraform init".\n\nprovider "registry.terraform.io/hashicorp/aws" {\n  version = "5.100.0"\n}\n'


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / ".terraform.lock.hcl"
    path.write_bytes(LOCKED)
    return path


def test_another_header_is_put_back_without_complaint(lock: Path) -> None:
    with lock_file_kept(lock):
        lock.write_bytes(LOCKED.replace(b"terraform init", b"tofu init"))
    assert lock.read_bytes() == LOCKED


def test_another_package_is_refused_and_the_file_put_back(lock: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not name the providers"), lock_file_kept(lock):
        lock.write_bytes(LOCKED.replace(b"5.100.0", b"6.0.0"))
    assert lock.read_bytes() == LOCKED


def test_a_failure_in_between_puts_the_file_back_and_stays_the_failure(lock: Path) -> None:
    with pytest.raises(RuntimeError, match="init failed"), lock_file_kept(lock):
        lock.unlink()
        raise RuntimeError("init failed")
    assert lock.read_bytes() == LOCKED

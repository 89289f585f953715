"""Finds provisioned servers for the fixtures; a missing one fails the test and says what to run."""

import shutil
from pathlib import Path

import pytest

from tests.servers.provision import APT_PACKAGES, SERVERS, provisioning_command


def provisioned(name: str) -> Path:
    """The product of server `name`, as in `provision.SERVERS`; fails the test when it is missing."""
    path = SERVERS[name].path
    if not path.exists():
        pytest.fail(f"The server {name} is not built for its current pins. Run: {provisioning_command(name)}")
    return path


def installed(command: str, *, remedy: str) -> Path:
    """The program `command` on PATH; fails the test with `remedy` when it is missing.

    Args:
        command: Name of the program.
        remedy: What to do; for Debian packages see `installed_package`.
    """
    found = shutil.which(command)
    if found is None:
        pytest.fail(f"The program {command} is not on PATH. {remedy}")
    return Path(found)


def installed_package(command: str) -> Path:
    """A program that `provision apt` installs, also from the system folders that users lack on PATH."""
    assert command in APT_PACKAGES, f"add {command} to provision.APT_PACKAGES"
    for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin"):
        if found := shutil.which(command, path=folder):
            return Path(found)
    return installed(command, remedy=f"Run: {provisioning_command('apt')}")

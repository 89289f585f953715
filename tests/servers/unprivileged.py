"""Runs servers that refuse to be root, or drop root by themselves, under the system user of their package."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path


def as_user(user: str) -> list[str]:
    """What to put before a command line so that it runs as `user`.

    Args:
        user: A system user that the Debian package of the server makes.

    Returns:
        A prefix; nothing when we are not root, as the server then runs as whoever runs the tests.
    """
    if os.geteuid() != 0:
        return []
    identity = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    # The kernel forgets the signal that `start_process` asked for when the user changes: ask again.
    return ["setpriv", *identity, "--pdeathsig", "KILL", "--"]


def folder_for(user: str, *, prefix: str) -> Path:
    """Make a folder that `user` can enter and write; pytest's own are closed to other users.

    Args:
        user: As for `as_user`.
        prefix: Start of its name.

    Returns:
        A folder with mode 0700; whoever asked removes it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
    give_to(user, [folder])
    return folder


def give_to(user: str, paths: Iterable[Path]) -> None:
    """Make `user` the owner of files, when we are root."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, user, user)

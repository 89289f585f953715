"""Whether the holder of a lease still runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from lifecycle.bootstrap.surroundings import owner_lives
from lifecycle.terraform_cli.run_records import start_time

HOST = socket.gethostname()


def test_a_process_lives_until_it_ends_and_its_pid_alone_is_no_proof() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = f"{HOST}:{child.pid}:{start_time(child.pid)}"
    try:
        assert owner_lives(owner)
        assert not owner_lives(f"{HOST}:{child.pid}:{start_time(child.pid) + 1}")
    finally:
        child.communicate(b"\n")
    assert not owner_lives(owner)


def test_of_another_host_or_another_spelling_nobody_here_can_tell() -> None:
    assert owner_lives(f"not-{HOST}:{os.getpid()}:1")
    assert owner_lives(HOST) and owner_lives(f"{HOST}:{os.getpid()}")

"""One real process per rotation: reads `FOLDER SCENARIO SECONDS` lines, forks, kills after that long, tells the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from lifecycle.operations.rotate_credential import rotate
from tests.recovery.kill_world import open_house


def work(folder: str, scenario: str) -> None:
    """One rotation in this process."""
    house = open_house(Path(folder), scenario)
    rotate(house.context(f"pid{os.getpid()}"), wait=True)


def serve() -> None:
    """Until standard input ends."""
    for line in sys.stdin:
        folder, scenario, seconds = line.split()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(folder, scenario)
                status = 0
            finally:
                os._exit(status)
        sys.stdout.write(f"{end_of(child, float(seconds))}\n")
        sys.stdout.flush()


def end_of(child: int, seconds: float) -> int:
    """Wait status of our child, killed after so many seconds; negative means never. Unreaped, its pid is its own."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG if seconds >= 0 else 0)
        if ended == child:
            return status
        if time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.0005)


if __name__ == "__main__":
    serve()

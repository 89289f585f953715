"""Runs commands of `lifecycle` in forks of an interpreter that has imported everything already.

Starting Python and its SDKs takes longer than most of a rotation; here a command begins at once. Each fork is a real
process in a session of its own, which `kill -9` hits like any other. Started as a program it reads one JSON document
per line and answers each with one line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.checkout import Checkout, Result

_PRELOADED = ("boto3", "botocore.session", "hvac", "httpx", "rich.console", "lifecycle.cli.app", "lifecycle.bootstrap")
_PATIENCE = 240.0  # seconds for one command on a machine that does much else


@dataclass(kw_only=True)
class Forked:
    """A command that runs, or ran. Its process stays ours until it was asked for its end."""

    pid: int
    server: ForkServer
    place: Path
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.code is None:
            self.code = self.server.ask(wait=self.pid)
        return self.code

    def kill(self) -> None:
        """As `kill -9`; nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> Result:
        """Wait for its end."""
        ends = time.monotonic() + _PATIENCE
        while (code := self.poll()) is None:
            assert time.monotonic() < ends, f"it did not end: {self._said('err')}"
            time.sleep(0.01)
        return Result(code=code, out=self._said("out"), err=self._said("err"))

    def _said(self, which: str) -> str:
        return self.place.with_suffix(f".{which}").read_text()


@dataclass(kw_only=True)
class ForkServer:
    """Starts commands in one checkout."""

    checkout: Checkout
    _process: subprocess.Popen[str] = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        (self.checkout.base / "said").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def start(self, *args: str) -> Forked:
        """Start one command and return at once."""
        self._count += 1
        place = self.checkout.base / "said" / str(self._count)
        argv = ["--root", str(self.checkout.root), "--env", self.checkout.env, *args]
        pid: int = self.ask(argv=argv, env=self.checkout.environment(), cwd=str(self.checkout.base), place=str(place))
        return Forked(pid=pid, server=self, place=place)

    def run(self, *args: str) -> Result:
        """Run one command to its end."""
        return self.start(*args).finish()

    def ask(self, **question: object) -> Any:
        """One question, one answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the server; commands that still run are left alone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


def serve() -> None:
    """Until standard input ends."""
    import importlib

    for name in _PRELOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        question = json.loads(line)
        answer = _ended(question["wait"]) if "wait" in question else _fork(**question)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _fork(argv: list[str], env: Mapping[str, str], cwd: str, place: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become(env, cwd, Path(place))
        from lifecycle.cli.app import run

        code = run(argv)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become(env: Mapping[str, str], cwd: str, place: Path) -> None:
    """A process like one that a shell would have started."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    with place.with_suffix(".out").open("wb") as out, place.with_suffix(".err").open("wb") as err:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)


if __name__ == "__main__":
    serve()

"""A private checkout and the processes of `lifecycle` in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.environment import cache_home, minimal_environment

REPOSITORY = Path(__file__).parents[2]
_COPIED = ("environments", "policies", "terraform")
_PATIENCE = 240.0  # seconds for one command on a machine that does much else


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.out + self.err

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


@dataclass(slots=True, kw_only=True)
class Running:
    """A command that still runs."""

    popen: subprocess.Popen[str]
    _out: list[str] = field(default_factory=list)
    _err: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> None:
        """Collect what it writes, so that it never waits for us."""
        for stream, lines in ((self.popen.stdout, self._out), (self.popen.stderr, self._err)):
            assert stream is not None
            reader = threading.Thread(target=lines.extend, args=(stream,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def until(self, moment: Callable[[], bool], what: str) -> None:
        """Watch until `moment` has come; fails when the command ends before."""
        ends = time.monotonic() + _PATIENCE
        while not moment():
            code = self.popen.poll()
            assert code is None, f"it ended with {code} before {what}:\n{self.finish().text}"
            assert time.monotonic() < ends, f"never came: {what}\n{''.join(self._err)}"
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the orchestrator alone."""
        self.popen.send_signal(number)

    def finish(self) -> Result:
        """Wait for its end."""
        code = self.popen.wait(_PATIENCE)
        for reader in self._readers:
            reader.join(10)
        return Result(code=code, out="".join(self._out), err="".join(self._err))


@dataclass(slots=True, kw_only=True)
class Checkout:
    """A copy of what a user edits, with a state directory and a home of its own.

    Attributes:
        base: everything is below it, so its path marks every process and file of ours.
        env: the environment that commands use.
        extra: further variables of every command.
    """

    base: Path
    env: str = "sandbox"
    extra: Mapping[str, str] = field(default_factory=dict)
    said: list[Result] = field(default_factory=list)

    @classmethod
    def make(cls, base: Path, *, env: str, extra: Mapping[str, str]) -> Checkout:
        """Copy the tracked files."""
        made = cls(base=base, env=env, extra=extra)
        listed = subprocess.run(
            ["git", "-C", str(REPOSITORY), "ls-files", "-z", *_COPIED], check=True, capture_output=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            target = made.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target)
        (base / "home").mkdir()
        return made

    @property
    def root(self) -> Path:
        """The repository."""
        return self.base / "checkout"

    @property
    def spec(self) -> Path:
        """The folder of the spec."""
        return self.root / "environments" / self.env

    @property
    def state_home(self) -> Path:
        """Where all state of this checkout lies."""
        return self.base / "state"

    @property
    def state(self) -> Path:
        """State of the environment."""
        return next(self.state_home.glob(f"checkout-*/{self.env}"))

    def environment(self, **more: str) -> dict[str, str]:
        """The whole environment of a command."""
        home = self.base / "home"
        variables = {"LIFECYCLE_STATE_DIR": str(self.state_home), "XDG_CACHE_HOME": str(cache_home()), **self.extra}
        variables["PYTHONDONTWRITEBYTECODE"] = "1"  # under a file size limit half a cache file would spoil later runs
        return minimal_environment(home, **{**variables, **more})

    # -- commands

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        ok: bool = False,
        prefix: Sequence[str] = (),
        **options: Any,
    ) -> Result:
        """Run one command to its end.

        Args:
            args: of `lifecycle`.
            env: variables beside, or instead of, the usual ones.
            input: its standard input.
            ok: fail unless it ends with 0.
            prefix: a program that starts the command.
            options: for subprocess.
        """
        done = subprocess.run(
            [*prefix, *self._argv(args)],
            env=self.environment(**(env or {})),
            cwd=self.base,
            text=True,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}),
            **options,
        )
        result = Result(code=done.returncode, out=done.stdout, err=done.stderr)
        self.said.append(result)
        if ok:
            assert result.code == 0, f"{' '.join(args)} ended with {result.code}:\n{result.text}"
        return result

    def start(self, *args: str) -> Running:
        """Start one command and return at once."""
        popen = subprocess.Popen(
            self._argv(args),
            env=self.environment(),
            cwd=self.base,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_as_on_a_terminal,  # noqa: PLW1509 - one system call; no lock of Python is taken
        )
        running = Running(popen=popen)
        running.listen()
        return running

    def _argv(self, args: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "lifecycle", "--root", str(self.root), "--env", self.env, *args]

    # -- what a user edits

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text of a spec file; fails when it does not stand there exactly once."""
        path = self.spec / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def add(self, name: str, text: str) -> None:
        """Write a new file of the spec, or replace it."""
        (self.spec / name).write_text(text)

    # -- what is left

    def processes(self) -> dict[int, str]:
        """Every process of this checkout that lives: pid -> command line."""
        return dict(_processes(str(self.base)))

    def servers(self) -> dict[str, dict[str, Any]]:
        """The sandbox's servers on record, by name."""
        found = list(self.state_home.glob(f"checkout-*/{self.env}/instance.json"))
        record = json.loads(found[0].read_text()) if found else {"servers": ()}
        return {server["name"]: server for server in record["servers"]}

    def strangers(self) -> dict[int, str]:
        """Processes of this checkout that are no server of the sandbox."""
        known = {server["pid"] for server in self.servers().values()}
        return {pid: line for pid, line in self.processes().items() if pid not in known}

    def kill(self, which: Callable[[str], bool]) -> None:
        """End every process of this checkout whose command line is meant, with SIGKILL; servers are spared."""
        for pid, line in self.strangers().items():
            if which(line) and " -m lifecycle " not in line:
                os.kill(pid, signal.SIGKILL)

    def settle(self) -> None:
        """Wait until nothing of a killed run is left but the servers: Terraform ends in order by itself."""
        ends = time.monotonic() + 60
        while self.strangers():
            assert time.monotonic() < ends, f"still running: {self.strangers()}"
            time.sleep(0.05)

    def litter(self) -> list[str]:
        """Files that no run may leave behind, seen from the state directory."""
        wanted = [path for path in self.state_home.rglob("*") if path.is_file()]
        return [
            str(path.relative_to(self.state_home))
            for path in wanted
            if "servers" not in path.parts
            and (
                path.name.endswith((".room", ".intent.json", ".tfvars", ".lock.info"))
                or (path.parent.name == "runs" and path.name != ".gitignore")
                or (path.name.startswith(".") and not path.name.endswith((".lock",)))
            )
        ]

    def journal(self) -> dict[str, dict[str, Any]]:
        """The newest record of each credential, as it is on disk at this moment."""
        found = list(self.state_home.glob(f"checkout-*/{self.env}/journal.sqlite3"))
        if not found:
            return {}
        with closing(sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True, timeout=10)) as db:
            try:
                rows = db.execute("SELECT credential, body FROM records ORDER BY row").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return {}
        return {name: json.loads(body) for name, body in rows}

    def close(self) -> None:
        """Take every sandbox down; nothing of ours runs afterwards."""
        for env in sorted(path.parent.name for path in self.state_home.glob("checkout-*/*/instance.json")):
            self.run("--env", env, "sandbox", "down")
        left = self.processes()
        for pid in left:  # also after a failure: nothing of a test outlives it
            os.kill(pid, signal.SIGKILL)
        assert not left, f"sandbox down left processes behind: {left}"


def _as_on_a_terminal() -> None:
    """Ctrl-C works there, also when whoever runs the tests started them in the background, where it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _processes(mark: str) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environ = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if line and (mark in line or mark in environ) and int(folder.name) != os.getpid():
            yield int(folder.name), line

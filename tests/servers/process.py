"""Starts, watches and ends the server processes of a test worker."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_ATTEMPTS = 3
_LOG_TAIL = 2000


class ServerStartError(Exception):
    """A server ended, or did not answer in time; the message has the end of its log."""


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """A running server in a process group of its own.

    Attributes:
        popen: The process.
        log: File with everything it wrote.
    """

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.popen.poll() is None

    def stop(self, *, grace: float = 3.0) -> None:
        """End the whole group: SIGTERM, then SIGKILL after `grace` seconds."""
        self._signal(signal.SIGTERM)
        try:
            self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End the whole group with SIGKILL, as a crash or the OOM killer would."""
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def log_tail(self) -> str:
        """The end of the log, for messages."""
        return self.log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass


def start_process(
    argv: Iterable[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path | None = None
) -> ServerProcess:
    """Start a server that dies with this worker.

    Args:
        argv: Command line.
        log: File that receives both output streams, appended.
        env: Its whole environment.
        cwd: Its working directory; the log's folder by default.

    Returns:
        The process, perhaps not yet ready: see `wait_for_http`.
    """
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd or log.parent,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no Python lock is taken
        )
    return ServerProcess(popen=popen, log=log)


def _die_with_parent() -> None:
    """Ask the kernel to kill this child when the worker dies, even by SIGKILL (Linux only)."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """Find a TCP port on 127.0.0.1 that is free now; the caller binds it soon and may lose it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], *, process: ServerProcess, what: str, timeout: float = 30.0) -> None:
    """Wait until `ready` holds while `process` lives.

    Args:
        ready: Asked repeatedly.
        process: The server that it is about.
        what: Names the server in messages.
        timeout: Seconds; far above the usual, as two cores may be building something.

    Raises:
        ServerStartError: It ended, or time is up.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not process.alive:
            raise ServerStartError(f"{what} ended with {process.popen.returncode}:\n{process.log_tail()}")
        if time.monotonic() > deadline:
            raise ServerStartError(f"{what} was not ready after {timeout:g} s:\n{process.log_tail()}")
        time.sleep(0.02)


def wait_for_http(url: str, *, process: ServerProcess, timeout: float = 30.0) -> None:
    """Wait until `url` answers with anything below 500.

    Args:
        url: A health check of the server.
        process: The server.
        timeout: Seconds.

    Raises:
        ServerStartError: It ended, or time is up.
    """

    def ready() -> bool:
        try:
            return client.get(url).status_code < 500
        except httpx.TransportError:
            return False

    # trust_env: a proxy of the developer must not stand between a test and 127.0.0.1.
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        wait_until(ready, process=process, what=url, timeout=timeout)
    if not process.alive:
        # Somebody else answers: our server lost the port between free_port() and its own bind.
        raise ServerStartError(f"{url} is answered by another process:\n{process.log_tail()}")


def wait_for_tcp(port: int, *, process: ServerProcess, what: str) -> None:
    """Wait until something listens on `port` of 127.0.0.1.

    Args:
        port: The port.
        process: The server.
        what: Names the server in messages.

    Raises:
        ServerStartError: It ended, or time is up.
    """

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listening, process=process, what=what)


def start_on_free_port(
    start: Callable[[int], ServerProcess], wait: Callable[[ServerProcess, int], None]
) -> tuple[ServerProcess, int]:
    """Start a server on a free port, again on another one if somebody took it in between.

    Args:
        start: Starts the server on the given port.
        wait: Returns once the server is ready on that port, else raises `ServerStartError`.

    Returns:
        The ready server and its port.

    Raises:
        ServerStartError: Three attempts failed.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        process = start(port)
        try:
            wait(process, port)
        except ServerStartError:
            process.kill()
            if attempt == _ATTEMPTS:
                raise
        else:
            return process, port
    raise AssertionError("unreachable: the last attempt returns or raises")


def start_http_server(start: Callable[[int], ServerProcess], *, health: str) -> tuple[ServerProcess, int]:
    """Start an http server as `start_on_free_port` does.

    Args:
        start: Starts the server on the given port.
        health: Path of its health check.

    Returns:
        The ready server and its port.

    Raises:
        ServerStartError: Three attempts failed.
    """

    def wait(process: ServerProcess, port: int) -> None:
        wait_for_http(f"http://127.0.0.1:{port}{health}", process=process)

    return start_on_free_port(start, wait)

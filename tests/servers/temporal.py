"""Temporal's development server, one per test worker, on a database file."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, free_port, start_on_free_port, start_process, wait_for_tcp, wait_until
from tests.servers.provisioned import provisioned


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer:
    """The running server.

    Attributes:
        address: `host:port` of its gRPC interface, for SDKs and the CLI.
        folder: Holds its database and log.
    """

    address: str
    folder: Path

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI against this server, and return its outcome whatever the status."""
        argv = [str(provisioned("temporal")), *arguments, "--address", self.address]
        env = minimal_environment(self.folder)
        return subprocess.run(argv, env=env, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """The server of this worker with namespace `default`; tests isolate themselves by task queues and workflow ids."""
    folder = tmp_path_factory.mktemp("temporal")
    # Exception text enters the histories in clear, and the server makes its file readable to everybody.
    folder.chmod(0o700)

    def start(port: int) -> ServerProcess:
        ports = ["--port", str(port), "--http-port", str(free_port()), "--metrics-port", str(free_port())]
        database = ["--db-filename", str(folder / f"temporal-{port}.db")]
        pragmas = ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"]
        flags = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--log-level", "error"]
        argv: list[str | Path] = [provisioned("temporal"), *flags, *ports, *database, *pragmas]
        return start_process(argv, log=folder / "temporal.log", env=minimal_environment(folder))

    def wait(process: ServerProcess, port: int) -> None:
        wait_for_tcp(port, process=process, what="Temporal")
        server = TemporalServer(address=f"127.0.0.1:{port}", folder=folder)
        ready = ("operator", "namespace", "describe", "default")
        wait_until(lambda: server.cli(*ready).returncode == 0, process=process, what="Temporal")

    process, port = start_on_free_port(start, wait)
    yield TemporalServer(address=f"127.0.0.1:{port}", folder=folder)
    process.stop()

"""The table of servers that a sandbox consists of, and how each is started and judged healthy."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.sandbox import openbao
from lifecycle.sandbox.loopback import call
from lifecycle.sandbox.private_file import make_private_dir, read_json
from lifecycle.sandbox.processes import ProcessMark, is_alive, mark_of, reap, spawn
from lifecycle.sandbox.server_process import READY_FILE, server_dir

LOG_FILE = "server.log"
START_PATIENCE = timedelta(seconds=60)
# A busy machine is slow; taking a slow emulator for a hung one would throw the whole instance away.
_HEALTH_PATIENCE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKind:
    """One row of the table.

    `module` is empty for OpenBao, which is a program of its own. `in_memory` servers forget everything when they end,
    so that their end is the end of the instance.
    """

    name: str
    module: str
    in_memory: bool
    endpoint_path: str = ""


SERVERS: Mapping[str, ServerKind] = {
    kind.name: kind
    for kind in (
        ServerKind(name="aws", module="lifecycle.sandbox.moto_server", in_memory=True),
        ServerKind(name="oauth", module="lifecycle.sandbox.oauth_server", in_memory=False),
        ServerKind(
            name="datarobot", module="lifecycle.sandbox.datarobot_api", in_memory=False, endpoint_path="/api/v2"
        ),
        ServerKind(name="vault", module="", in_memory=False),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A started server: which process, and where it listens (empty until it is ready)."""

    name: str
    mark: ProcessMark
    url: str = ""

    @property
    def endpoint(self) -> str:
        """What clients are given."""
        return self.url + SERVERS[self.name].endpoint_path


def known_servers(names: Sequence[str]) -> tuple[ServerKind, ...]:
    """The rows of these names.

    Raises:
        ConfigurationError: the sandbox has no such server.
    """
    unknown = sorted(set(names) - SERVERS.keys())
    if unknown:
        raise ConfigurationError(
            f"The sandbox has no server named {', '.join(unknown)}.", remedy=f"Known are: {', '.join(SERVERS)}."
        )
    return tuple(kind for kind in SERVERS.values() if kind.name in names)


def check_installed(kinds: Sequence[ServerKind], *, cache_dir: Path) -> None:
    """Make sure, before anything is stopped or archived, that every wanted server could be started.

    Args:
        kinds: which.
        cache_dir: the user's cache directory, where a built OpenBao may lie.

    Raises:
        ConfigurationError: a program or package is missing.
    """
    if any(not kind.module for kind in kinds):
        openbao.find_binary(cache_dir)
    if any(kind.module for kind in kinds) and find_spec("moto") is None:
        raise ConfigurationError(
            "The sandbox's servers are not installed.", remedy="Install them with: pip install 'lifecycle[sandbox]'"
        )


def launch(kind: ServerKind, state_dir: Path, *, cache_dir: Path, port: int = 0) -> RunningServer:
    """Start one server's process; it is not ready yet.

    Args:
        kind: which.
        state_dir: the sandbox.
        cache_dir: the user's cache directory, where a built OpenBao may lie.
        port: wanted again, so that addresses survive the restart of a server that kept its data.
    """
    folder = server_dir(state_dir, kind.name)
    make_private_dir(folder)
    (folder / READY_FILE).unlink(missing_ok=True)
    url = ""
    if kind.module:
        argv = [sys.executable, "-P", "-m", kind.module, "--state", str(state_dir), "--port", str(port)]
    else:
        port = port or openbao.free_port()
        url = f"http://127.0.0.1:{port}"
        config = openbao.write_config(folder, port)
        argv = [str(openbao.find_binary(cache_dir)), "server", f"-config={config}"]
    pid = spawn(argv, environment=_environment(state_dir), log=folder / LOG_FILE)
    mark = mark_of(pid)
    if mark is None:
        reap(pid)
        raise _start_failure(kind.name, folder)
    return RunningServer(name=kind.name, mark=mark, url=url)


def await_ready(server: RunningServer, state_dir: Path, *, instance_id: str, deadline: float) -> RunningServer:
    """Wait until a launched server works.

    Args:
        server: as `launch` gave it.
        state_dir: the sandbox.
        instance_id: what the server must say it belongs to.
        deadline: `time.monotonic()` at which to give up.

    Raises:
        RemoteServiceError: it ended, or is not ready in time.
    """
    folder = server_dir(state_dir, server.name)
    if not SERVERS[server.name].module:
        patience = timedelta(seconds=max(0.0, deadline - time.monotonic()))
        openbao.make_ready(state_dir, server.url, patience=patience, alive=lambda: is_running(server))
        return server
    while True:
        ready = read_json(folder / READY_FILE)
        if ready is not None and ready.get("pid") == server.mark.pid and ready.get("instance") == instance_id:
            return RunningServer(name=server.name, mark=server.mark, url=str(ready["url"]))
        if not is_alive(server.mark) or time.monotonic() >= deadline:
            reap(server.mark.pid)
            raise _start_failure(server.name, folder)
        time.sleep(0.02)


def is_running(server: RunningServer) -> bool:
    """Whether exactly this process runs."""
    return is_alive(server.mark)


def is_healthy(server: RunningServer, instance_id: str) -> bool:
    """Whether this process runs, answers, and belongs to this instance."""
    if not server.url or not is_alive(server.mark):
        return False
    if not SERVERS[server.name].module:
        return openbao.is_healthy(server.url)
    answer = call("GET", f"{server.url}/__control__/health", timeout=_HEALTH_PATIENCE)
    return answer is not None and answer.document == {"server": server.name, "instance": instance_id}


def former_port(server: RunningServer) -> int:
    """The port it listened on before it ended; 0 if it never was ready, or somebody else took the port meanwhile."""
    port = urlsplit(server.url).port or 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _environment(state_dir: Path) -> dict[str, str]:
    # Nothing of the caller's environment: no credential, proxy or AWS setting of the user reaches the servers.
    package_root = str(Path(__file__).resolve().parents[2])
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(state_dir),
        "LANG": "C.UTF-8",
        "PYTHONPATH": package_root,
        "PYTHONUNBUFFERED": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _start_failure(name: str, folder: Path) -> RemoteServiceError:
    return RemoteServiceError(
        f"The sandbox's {name} server did not start.", remedy=f"Its log says why: {folder / LOG_FILE}"
    )

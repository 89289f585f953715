"""The sandbox as one thing: up, down, status.

All servers of a sandbox share one instance id. `up`

1. takes the sandbox's lock;
2. keeps the instance if it belongs to this boot, was not taken down, and every server that forgets its data when it
   ends still works; servers that keep their data are started again where they ended, on their former port;
3. otherwise stops what is left, archives the folder (without its secrets; the last three are kept) and starts anew.

A signal is sent only to a process whose pid, start time and boot are on record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lifecycle.sandbox.bootstrap_file import create_bootstrap
from lifecycle.sandbox.instance_record import InstanceRecord, all_processes, archive, load_record, save_record
from lifecycle.sandbox.private_file import make_private_dir
from lifecycle.sandbox.processes import boot_id, stop
from lifecycle.sandbox.run_lock import run_lock
from lifecycle.sandbox.servers import (
    SERVERS,
    START_PATIENCE,
    RunningServer,
    ServerKind,
    await_ready,
    check_installed,
    former_port,
    is_healthy,
    is_running,
    known_servers,
    launch,
)

LOCK_PATIENCE = timedelta(seconds=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxInstance:
    """A running sandbox. `started`: it is a new instance; `archived`: where the former one was put, if any."""

    instance_id: str
    endpoints: Mapping[str, str]
    started: bool
    archived: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """How one server of a sandbox is."""

    name: str
    endpoint: str
    pid: int
    running: bool
    healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """How a sandbox is; `instance_id` is empty when there is none."""

    instance_id: str
    servers: tuple[ServerStatus, ...] = ()


def up(
    state_dir: Path,
    wanted: Sequence[str],
    new_id: Callable[[], str],
    *,
    cache_dir: Path,
    patience: timedelta = LOCK_PATIENCE,
) -> SandboxInstance:
    """Make sure that the wanted servers run; a second call finds them and changes nothing.

    Args:
        state_dir: folder of this sandbox (per checkout and environment); made if absent.
        wanted: names out of `SERVERS`.
        new_id: makes an instance id.
        cache_dir: the user's cache directory (`$XDG_CACHE_HOME` or `~/.cache`), where a built OpenBao may lie.
        patience: how long to wait for another run that starts or stops this sandbox.

    Raises:
        ConfigurationError: an unknown name, or a needed program is missing; nothing was stopped or started.
        BusyError: another run holds the sandbox.
        RemoteServiceError: a server does not start; its log is named.
    """
    kinds = known_servers(wanted)
    check_installed(kinds, cache_dir=cache_dir)
    with run_lock(state_dir, patience=patience):
        record = load_record(state_dir)
        kept = record if record is not None and _is_usable(record) else None
        archived = None if kept else _put_aside(state_dir)
        if kept is None:
            kept = _new_instance(state_dir, new_id())
        complete = _start_missing(state_dir, kept, kinds, cache_dir)
    endpoints = {server.name: server.endpoint for server in complete.servers if server.name in wanted}
    started = record is None or record.instance_id != complete.instance_id
    return SandboxInstance(instance_id=complete.instance_id, endpoints=endpoints, started=started, archived=archived)


def down(state_dir: Path, *, patience: timedelta = LOCK_PATIENCE) -> tuple[str, ...]:
    """Stop every server of a sandbox; the folder stays until the next `up` archives it.

    Args:
        state_dir: folder of the sandbox.
        patience: how long to wait for another run.

    Returns:
        Names of the servers that were running.
    """
    if not state_dir.is_dir():
        return ()
    with run_lock(state_dir, patience=patience):
        stopped = _stop_all(all_processes(state_dir))
        record = load_record(state_dir)
        if record is not None:
            save_record(
                state_dir,
                InstanceRecord(
                    instance_id=record.instance_id, boot_id=record.boot_id, down=True, servers=record.servers
                ),
            )
    return stopped


def status(state_dir: Path) -> SandboxStatus:
    """Look at a sandbox without changing it; takes no lock."""
    record = load_record(state_dir)
    if record is None:
        return SandboxStatus(instance_id="")
    servers = tuple(
        ServerStatus(
            name=server.name,
            endpoint=server.endpoint,
            pid=server.mark.pid,
            running=is_running(server),
            healthy=is_healthy(server, record.instance_id),
        )
        for server in record.servers
    )
    return SandboxStatus(instance_id=record.instance_id, servers=servers)


def _is_usable(record: InstanceRecord) -> bool:
    if record.down or record.boot_id != boot_id():
        return False
    return all(is_healthy(server, record.instance_id) for server in record.servers if SERVERS[server.name].in_memory)


def _put_aside(state_dir: Path) -> Path | None:
    _stop_all(all_processes(state_dir))
    return archive(state_dir, f"{time.time_ns():020d}")


def _new_instance(state_dir: Path, instance_id: str) -> InstanceRecord:
    make_private_dir(state_dir)
    create_bootstrap(state_dir, instance_id)
    record = InstanceRecord(instance_id=instance_id, boot_id=boot_id())
    save_record(state_dir, record)
    return record


def _start_missing(
    state_dir: Path, record: InstanceRecord, kinds: Sequence[ServerKind], cache_dir: Path
) -> InstanceRecord:
    launched: list[RunningServer] = []
    deadline = time.monotonic() + START_PATIENCE.total_seconds()
    try:
        for kind in kinds:
            former = record.server(kind.name)
            if former is not None and is_healthy(former, record.instance_id):
                continue
            if former is not None:
                stop(former.mark)  # alive but silent
            port = former_port(former) if former else 0
            server = launch(kind, state_dir, cache_dir=cache_dir, port=port)
            launched.append(server)
            record = record.with_server(server)
            save_record(state_dir, record)  # before waiting: whoever comes next must find the process
        for server in _await_all(state_dir, record.instance_id, launched, deadline):
            record = record.with_server(server)
    except BaseException:  # Ctrl-C too: nothing half-started is left behind
        _stop_all(launched)
        raise
    if launched:
        save_record(state_dir, record)
    return record


def _await_all(
    state_dir: Path, instance_id: str, launched: Sequence[RunningServer], deadline: float
) -> list[RunningServer]:
    if not launched:
        return []
    with ThreadPoolExecutor(max_workers=len(launched)) as pool:
        return list(
            pool.map(
                lambda server: await_ready(server, state_dir, instance_id=instance_id, deadline=deadline), launched
            )
        )


def _stop_all(servers: Sequence[RunningServer]) -> tuple[str, ...]:
    if not servers:
        return ()
    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        running = list(pool.map(lambda server: stop(server.mark), servers))
    return tuple(sorted(server.name for server, was in zip(servers, running, strict=True) if was))

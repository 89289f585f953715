"""`instance.json`: which processes make up a sandbox, and how folders of past instances are put aside."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.sandbox.bootstrap_file import FILE_NAME as BOOTSTRAP_FILE
from lifecycle.sandbox.private_file import read_json, write_json
from lifecycle.sandbox.processes import ProcessMark
from lifecycle.sandbox.server_process import READY_FILE
from lifecycle.sandbox.servers import SERVERS, RunningServer

FILE_NAME = "instance.json"
KEPT_ARCHIVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One instance: its id, the boot it lives in, its servers, and whether it was taken down on purpose."""

    instance_id: str
    boot_id: str
    down: bool = False
    servers: tuple[RunningServer, ...] = ()

    def server(self, name: str) -> RunningServer | None:
        """The server of this name, if the instance ever had it."""
        return next((server for server in self.servers if server.name == name), None)

    def with_server(self, server: RunningServer) -> InstanceRecord:
        """The record with this server added or replaced."""
        others = tuple(other for other in self.servers if other.name != server.name)
        return InstanceRecord(
            instance_id=self.instance_id, boot_id=self.boot_id, down=self.down, servers=(*others, server)
        )


def save_record(state_dir: Path, record: InstanceRecord) -> None:
    """Write `instance.json`."""
    servers = [server.mark.to_document() | {"name": server.name, "url": server.url} for server in record.servers]
    document = {
        "instance_id": record.instance_id,
        "boot_id": record.boot_id,
        "down": record.down,
        "servers": servers,
    }
    write_json(state_dir / FILE_NAME, document)


def load_record(state_dir: Path) -> InstanceRecord | None:
    """Read `instance.json`; None when there is none or it cannot be understood."""
    document = read_json(state_dir / FILE_NAME)
    if document is None:
        return None
    try:
        return InstanceRecord(
            instance_id=str(document["instance_id"]),
            boot_id=str(document["boot_id"]),
            down=bool(document["down"]),
            servers=tuple(_server(entry["name"], entry) for entry in document["servers"] if entry["name"] in SERVERS),
        )
    except (KeyError, TypeError, ValueError):
        return None


def all_processes(state_dir: Path) -> tuple[RunningServer, ...]:
    """Every process that the folder names, in `instance.json` or in a ready file written after it was torn."""
    record = load_record(state_dir)
    found = {server.mark: server for server in record.servers} if record else {}
    for name in SERVERS:
        ready = read_json(state_dir / "servers" / name / READY_FILE)
        if ready is not None:
            try:
                server = _server(name, ready)
            except (KeyError, TypeError, ValueError):
                continue
            found.setdefault(server.mark, server)
    return tuple(found.values())


def archive(state_dir: Path, stamp: str) -> Path | None:
    """Put the folder of a past instance aside, without its secrets, and keep only the newest three such folders.

    Args:
        state_dir: the folder; afterwards it does not exist.
        stamp: makes the new name unique and sorts by age.

    Returns:
        The new place, or None when there was nothing.
    """
    if not state_dir.is_dir() or not any(state_dir.iterdir()):
        return None
    (state_dir / BOOTSTRAP_FILE).unlink(missing_ok=True)
    for data in state_dir.glob("servers/*/data"):
        shutil.rmtree(data, ignore_errors=True)
    target = state_dir.with_name(f"{state_dir.name}.archived-{stamp}")
    state_dir.rename(target)
    _drop_oldest(target.parent.glob(f"{state_dir.name}.archived-*"))
    return target


def _drop_oldest(archives: Iterable[Path]) -> None:
    for path in sorted(archives, key=lambda path: path.name)[:-KEPT_ARCHIVES]:
        shutil.rmtree(path, ignore_errors=True)


def _server(name: str, document: dict[str, Any]) -> RunningServer:
    return RunningServer(name=name, mark=ProcessMark.from_document(document), url=str(document.get("url", "")))

"""What an apply creates, on disk as it goes: Terraform saves its state every 20 seconds only, and may be killed.

One file per apply, one line per event, each on the disk before the next event is read. The file is dropped when
Terraform ends by itself, as it has saved its state then. So a file that is left names what the state may not know.
"""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from lifecycle.foundation.atomic_file import private_folder, replace_file, sync_folder

_SUFFIX = ".created.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """An object that an apply made, or had begun to make.

    Attributes:
        address: in Terraform.
        id: as the provider names it; empty while nobody has said that it exists.
        plan: the plan file that was being applied.
        failed: the provider refused to make it.
    """

    address: str
    id: str = ""
    plan: str = ""
    failed: bool = False


class CreatedLogs:
    """The logs of one environment on this machine: one 0600 file for each apply in a 0700 folder.

    Args:
        folder: under the user's state directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, run_id: str, created: Created) -> None:
        """Add to the log of a run; on the disk when this returns."""
        path = self._path(run_id)
        new = not path.exists()
        private_folder(self._folder)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, orjson.dumps(asdict(created), option=orjson.OPT_APPEND_NEWLINE))
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            sync_folder(self._folder)

    def drop(self, run_id: str) -> None:
        """The state holds what this run made. Second call: nothing."""
        self._path(run_id).unlink(missing_ok=True)

    def left(self) -> dict[str, Created]:
        """What the logs name, by address; the last word on each counts. A line that was cut off is no word.

        Call it only while holding the environment's own lock on this machine: then no log has a living owner.
        """
        found = {line.address: line for path in self._files() for line in _lines(path)}
        return {address: created for address, created in found.items() if not created.failed}

    def forget(self, addresses: Container[str]) -> None:
        """Strike these addresses from every log; a log that names nothing any more goes."""
        for path in self._files():
            kept = [line for line in _lines(path) if line.address not in addresses]
            if not any(not line.failed for line in kept):
                path.unlink()
            else:
                replace_file(path, b"".join(orjson.dumps(asdict(x), option=orjson.OPT_APPEND_NEWLINE) for x in kept))

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}{_SUFFIX}"


def _lines(path: Path) -> list[Created]:
    found = (_line(text) for text in path.read_bytes().splitlines())
    return [line for line in found if line is not None]


def _line(text: bytes) -> Created | None:
    try:
        return Created(**orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError):
        return None

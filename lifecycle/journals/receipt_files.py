"""Receipts as files: `<started>-<id>.json`, one per run, 0600; while a run is open, `.intent.json` beside kept room."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from lifecycle.domain.errors import ConfigurationError, IntegrityError
from lifecycle.domain.infrastructure_ports import Receipts
from lifecycle.domain.receipt import Receipt
from lifecycle.foundation.atomic_file import private_folder, replace_file, sync_folder

# More than a receipt of a thousand addresses takes; given back when the receipt itself is written.
_ROOM = 1 << 20
_INTENT = ".intent.json"
_SETTLED = ".interrupted.json"


class ReceiptFiles:
    """Receipts of one environment.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def intend(self, receipt: Receipt) -> None:
        """Write the intent and keep room for the receipt.

        Raises:
            ConfigurationError: no room, or not writable: nothing was done yet.
        """
        private_folder(self._folder)
        try:
            with (self._folder / f"{_stem(receipt)}.room").open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, _ROOM)
        except FileExistsError:
            pass
        except OSError as error:
            self._give_back(receipt)
            message = f"there is no room for the receipt in {self._folder}: {error.strerror}"
            raise ConfigurationError(message, remedy="free some space, then run again; nothing was applied") from None
        replace_file(self._path(receipt, _INTENT), _bytes(receipt))

    def complete(self, receipt: Receipt) -> Path:
        """Write the receipt, then remove its intent."""
        private_folder(self._folder)
        self._give_back(receipt)
        path = self.path_of(receipt)
        replace_file(path, _bytes(receipt))
        self._path(receipt, _INTENT).unlink(missing_ok=True)
        return path

    def interrupted(self) -> tuple[Receipt, ...]:
        """Intents without a receipt, oldest first."""
        if not self._folder.is_dir():
            return ()
        intents = [_read(path) for path in sorted(self._folder.glob(f"*{_INTENT}"))]
        return tuple(receipt for receipt in intents if not self.path_of(receipt).exists())

    def settle(self, receipt: Receipt) -> None:
        """Keep the intent on record under another name."""
        self._give_back(receipt)
        with contextlib.suppress(FileNotFoundError):
            self._path(receipt, _INTENT).rename(self._path(receipt, _SETTLED))
            sync_folder(self._folder)

    def latest(self) -> Receipt | None:
        """The newest finished receipt; None when there is none."""
        finished = finished_receipts(self._folder)
        return _read(finished[-1]) if finished else None

    def left_out_since(self, entry: str, moment: datetime) -> bool:
        """Whether an applied spec after that moment did not hold this entry: it was removed, and may have come back."""
        names = sorted(self._folder.glob("*.json"), reverse=True) if self._folder.is_dir() else []
        for path in names:
            if path.name < f"{moment:%Y%m%dT%H%M%S.%fZ}":
                return False  # sorted by time: all others are older
            if not path.name.endswith((_INTENT, _SETTLED)) and entry not in _read(path).entries:
                return True
        return False

    def path_of(self, receipt: Receipt) -> Path:
        """Where the receipt is, or will be."""
        return self._path(receipt, ".json")

    def _path(self, receipt: Receipt, suffix: str) -> Path:
        return self._folder / f"{_stem(receipt)}{suffix}"

    def _give_back(self, receipt: Receipt) -> None:
        self._path(receipt, ".room").unlink(missing_ok=True)


def finished_receipts(folder: Path) -> list[Path]:
    """Receipts of runs that ended, oldest first; without intents and those of interrupted runs."""
    names = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [path for path in names if not path.name.endswith((_INTENT, _SETTLED))]


def _stem(receipt: Receipt) -> str:
    # Sorted by name is sorted by time.
    return f"{receipt.started:%Y%m%dT%H%M%S.%fZ}-{receipt.id}"


def _bytes(receipt: Receipt) -> bytes:
    text = json.dumps(receipt.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    return text.encode() + b"\n"


def _read(path: Path) -> Receipt:
    try:
        return Receipt.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        message = f"the receipt {path.name} cannot be read: it was cut or edited"
        raise IntegrityError(
            message, remedy="restore it from a backup, or move it away and say so in the audit"
        ) from None


_: type[Receipts] = ReceiptFiles

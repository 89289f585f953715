"""`<name>.head` beside a SQLite journal: the newest row it has seen, so that an older copy put back shows."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from lifecycle.domain.audit import digest_bytes
from lifecycle.domain.errors import ConfigurationError

_SLOT = 256  # bytes per slot


class HeadFile:
    """Number and chain digest of the newest row, in two slots written in turn."""

    def __init__(self, path: Path) -> None:
        create_private(path)
        self._handle = os.open(path, os.O_RDWR)

    def read(self) -> tuple[int, str] | None:
        """The newest intact slot; None for a new file."""
        found = [slot for slot in (self._slot(0), self._slot(1)) if slot is not None]
        return max(found, default=None)

    def advance(self, row: int, chain: str) -> None:
        """Note a newer row; an older one, from a slower process, changes nothing."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            seen = self.read()
            if seen is None or seen[0] < row:
                body = json.dumps({"row": row, "chain": chain})
                line = json.dumps({"body": body, "check": digest_bytes(body.encode())}).ljust(_SLOT)
                os.pwrite(self._handle, line.encode(), (row % 2) * _SLOT)
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Make it survive a power cut."""
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Close the handle."""
        os.close(self._handle)

    def _slot(self, number: int) -> tuple[int, str] | None:
        raw = os.pread(self._handle, _SLOT, number * _SLOT)
        try:
            slot = json.loads(raw)
            body = slot["body"]
            if digest_bytes(body.encode()) != slot["check"]:
                return None
            inner = json.loads(body)
            return int(inner["row"]), str(inner["chain"])
        except (ValueError, KeyError, TypeError):
            return None  # never written, or torn


def create_private(path: Path) -> None:
    """Make the file 0600 from birth.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise ConfigurationError(
            f"cannot open the journal {path}: {error.strerror}", remedy="make its folder writable for this user"
        ) from error

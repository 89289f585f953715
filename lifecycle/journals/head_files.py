"""Signed heads as files beside the log: `audit.jsonl.heads/<line>-<method>.json` and `.json.sig`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from lifecycle.domain.audit_head import HeadStore, SignedHead
from lifecycle.domain.errors import IntegrityError
from lifecycle.foundation.atomic_file import private_folder, replace_file


class HeadFiles:
    """The signed heads beside one log.

    Args:
        log: the audit log.
    """

    def __init__(self, log: Path) -> None:
        self._folder = log.with_name(f"{log.name}.heads")

    def put(self, head: SignedHead, until: datetime | None = None) -> None:
        """Keep it; the signature first, so that a statement never lies there without one."""
        del until  # files cannot refuse to be deleted; see `head_objects`
        private_folder(self._folder)
        replace_file(self._folder / f"{head.name}.json.sig", head.signature)
        replace_file(self._folder / f"{head.name}.json", head.data)

    def heads(self) -> tuple[SignedHead, ...]:
        """All of them, by name."""
        names = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        return tuple(self._read(path) for path in names)

    def files(self) -> tuple[Path, ...]:
        """Every file, for a copy."""
        return tuple(sorted(self._folder.glob("*.json*"))) if self._folder.is_dir() else ()

    def _read(self, path: Path) -> SignedHead:
        try:
            signature = path.with_name(f"{path.name}.sig").read_bytes()
        except FileNotFoundError:
            raise IntegrityError(
                f"the signature of {path.name} is gone", remedy="bring it back from the write-once storage or a backup"
            ) from None
        return SignedHead(name=path.stem, data=path.read_bytes(), signature=signature, where="beside the log")


_: type[HeadStore] = HeadFiles

"""Files that are either the old or the new one, whatever is killed whenever, and private from their first moment."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Numeric owner of a file; -1 leaves that half as it is."""

    uid: int = -1
    gid: int = -1


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, owner: Owner | None = None) -> None:
    """Replace a file in one step: temporary file in the same folder, flush, fsync, rename, fsync of the folder.

    Args:
        path: target; its folder must exist.
        content: the whole new content.
        mode: permission bits; the temporary file is 0600 until it is complete.
        owner: who shall own it; needs the right to give files away.

    Raises:
        ConfigurationError: the folder is missing, not writable or full, or the owner cannot be set.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 by its contract
    except OSError as error:
        raise _not_written(path, error) from None
    temporary = Path(name)
    try:
        _fill(handle, content, mode, owner)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _fill(handle: int, content: bytes, mode: int, owner: Owner | None) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        if owner is not None:
            os.fchown(file.fileno(), owner.uid, owner.gid)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames and deletions in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> Path:
    """Create a folder, and its parents, that only this user may enter; returns it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise _not_written(path, error) from None
    return path


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    # strerror only: str(error) would repeat the path of the temporary file.
    return ConfigurationError(
        f"{path} could not be written: {error.strerror or type(error).__name__}",
        remedy=f"check that {path.parent} exists, is writable for this user and has space, then run again",
    )

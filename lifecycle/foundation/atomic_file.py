"""Files that are either the old or the new one, whatever is killed whenever, and private from their first moment."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Numeric owner of a file; -1 leaves that half as it is."""

    uid: int = -1
    gid: int = -1


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, owner: Owner | None = None) -> None:
    """Replace a file in one step: a file without a name in the same folder, fsync, a name, rename, fsync of it.

    Args:
        path: target; its folder must exist.
        content: the whole new content.
        mode: permission bits; 0600 until it is complete.
        owner: who shall own it; needs the right to give files away.

    Raises:
        ConfigurationError: the folder is missing, not writable or full, or the owner cannot be set.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        handle, named = _open(temporary)
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        _fill(handle, content, mode, owner)
        if not named:
            _give_name(handle, temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _open(temporary: Path) -> tuple[int, bool]:
    """A new file, private, and whether it has its name already: without one, a kill leaves nothing behind."""
    with contextlib.suppress(OSError, AttributeError):  # not on every system, nor on every file system
        return os.open(temporary.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), False
    return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), True


def _give_name(handle: int, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:  # with a folder given, Python follows the link in /proc to the file itself (man 2 open, O_TMPFILE)
        os.link(f"/proc/self/fd/{handle}", path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _fill(handle: int, content: bytes, mode: int, owner: Owner | None) -> None:
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(content)
        file.flush()
    if owner is not None:
        os.fchown(handle, owner.uid, owner.gid)
    os.fchmod(handle, mode)
    os.fsync(handle)


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

"""Names the content of files and folders: what a manifest compares before an apply."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lifecycle.domain.audit import Digest, canonical, digest_bytes
from lifecycle.domain.errors import ConfigurationError, NotFoundError

_CHUNK = 1 << 20


def file_digest(path: Path) -> Digest:
    """SHA-256 of one file.

    Raises:
        NotFoundError: it is not there.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing", remedy="restore it, or plan again") from None
    return Digest(f"sha256:{digest.hexdigest()}")


def tree_digest(folder: Path, *, skip: Callable[[Path], bool] = lambda _path: False) -> Digest:
    """One digest over a folder: the sorted relative paths and the SHA-256 of each file.

    Args:
        folder: what is named.
        skip: true for a relative path (file or folder) that is not part of the content.

    Raises:
        ConfigurationError: nothing is there, or a symbolic link is (its target is not part of the tree).
    """
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in _files(folder, folder, skip)}
    if not files:
        raise ConfigurationError(
            f"the folder {folder.name}/ is missing or empty", remedy="restore it from version control"
        )
    return digest_bytes(canonical(files))


def _files(root: Path, folder: Path, skip: Callable[[Path], bool]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.relative_to(root)
        if skip(name):
            continue
        if path.is_symlink():
            raise ConfigurationError(
                f"{root.name}/{name.as_posix()} is a symbolic link: its target is not part of what is reviewed",
                remedy="put the file itself there",
            )
        if path.is_dir():
            yield from _files(root, path, skip)
        else:
            yield path

"""Reads the state lock as its backend stores it, so that a run can record the id of the lock it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from lifecycle.domain.spec import Chosen
from lifecycle.terraform_cli.locks import LockInfo, parse_lock_object

LockHolder = Callable[[], LockInfo | None]


def stored_lock(fetch: Callable[[], bytes | None]) -> LockHolder:
    """The lock that lies in some store.

    Args:
        fetch: gets the lock object, or None when there is none. With S3 that is `<bucket>/<key>.tflock`.
    """

    def holder() -> LockInfo | None:
        # Whatever goes wrong here must not stop an apply; without the id, a left-behind lock is reported, not released.
        with contextlib.suppress(Exception):
            content = fetch()
            return None if content is None else parse_lock_object(content)
        return None

    return holder


def lock_object_key(backend: Chosen) -> str | None:
    """Key of the lock object in an S3 backend's bucket; None for other backends, or without `use_lockfile`."""
    if backend.kind != "s3" or not backend.settings.use_lockfile:
        return None
    return f"{backend.settings.key}.tflock"


def local_lock(folder: Path, state: str) -> LockHolder:
    """The lock of a local state file.

    Args:
        folder: the generated root.
        state: path of the state file, as in the backend's settings.
    """
    path = folder / state
    lock = path.with_name(f".{path.name}.lock.info")
    return stored_lock(lambda: lock.read_bytes() if lock.exists() else None)

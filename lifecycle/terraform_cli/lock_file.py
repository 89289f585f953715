"""The dependency lock file, held to what it says also where the program has no way to do so.

OpenTofu refuses `-lockfile=readonly` for providers of another registry even when nothing would change, so it runs
without that flag, and here the file is compared: a run that would have changed which packages are accepted is refused,
and the file is put back in either case (OpenTofu also rewrites its first line).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.atomic_file import replace_file


@contextmanager
def lock_file_kept(path: Path) -> Iterator[None]:
    """Keep the lock file as it is while something runs that may write it.

    Raises:
        ConfigurationError: other packages would have been accepted than the file names.
    """
    before = path.read_bytes()
    try:
        yield
        after = path.read_bytes()
    finally:
        if not path.is_file() or path.read_bytes() != before:
            replace_file(path, before, mode=0o644)
    if _said(after) != _said(before):
        raise ConfigurationError(
            f"{path.name} does not name the providers that would be used",
            remedy="Check why, then write it anew: lifecycle plan --update-lock.",
        )


def _said(content: bytes) -> list[bytes]:
    """The file without comments and empty lines."""
    lines = (line.strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith(b"#")]

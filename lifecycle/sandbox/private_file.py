"""Files of the sandbox: 0600 from birth, replaced atomically, in folders of mode 0700."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def make_private_dir(path: Path) -> None:
    """Create a folder, and whatever is missing above it, that only this user may enter."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(exist_ok=True, mode=0o700)
    path.chmod(0o700)


def write_json(path: Path, document: Any, *, durable: bool = True) -> None:
    """Replace a JSON file in one step.

    Args:
        path: target; its folder must exist.
        document: what to write.
        durable: wait until the disk has it; a double's state need not survive a power cut.
    """
    text = json.dumps(document, indent=1, sort_keys=True)
    write_text(path, text, durable=durable)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a text file in one step; arguments as for `write_json`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None when the file is absent or is not one (a torn or foreign file counts as absent)."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return document if isinstance(document, dict) else None

"""Files of the sandbox: JSON, 0600, replaced in one step, in folders of mode 0700."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lifecycle.foundation.atomic_file import replace_file


def make_private_dir(path: Path) -> None:
    """Create a folder, and whatever is missing above it, that only this user may enter."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(exist_ok=True, mode=0o700)
    path.chmod(0o700)


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file.

    Args:
        path: target; its folder must exist.
        document: what to write.
    """
    replace_file(path, json.dumps(document, indent=1, sort_keys=True).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None when the file is absent or is not one (a torn or foreign file counts as absent)."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return document if isinstance(document, dict) else None

"""`lifecycle init`: the repository that the wheel carries, written into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError

_PACKAGED = "_repository"  # in a wheel
_TOP = ("environments", "policies", "terraform")
_ENVIRONMENTS = ("sandbox", "sandbox-vault")


def write_repository(folder: Path) -> tuple[str, ...]:
    """Write modules, policies, the sandbox environments, a Makefile and a CI file.

    Args:
        folder: made if absent.

    Returns:
        The files written, relative to it.

    Raises:
        ConfigurationError: the folder already holds one of them: nothing is overwritten, nothing was written.
    """
    source = dict(_template())
    present = sorted(name for name in source if (folder / name).exists())
    if present:
        raise ConfigurationError(
            f"{folder}/{present[0]} exists already; nothing was written", remedy="choose an empty folder"
        )
    for name, content in source.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(sorted(source))


def _template() -> Iterator[tuple[str, bytes]]:
    packaged = files("lifecycle") / _PACKAGED
    root: Traversable = packaged if packaged.is_dir() else Path(str(files("lifecycle"))).parent
    for top in _TOP:
        yield from _tree(root / top, top)
    own = files("lifecycle.bootstrap") / "repository"
    yield from _tree(own, "")


def _tree(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{name}/{item.name}" if name else item.name
        if _left_out(path):
            continue
        if item.is_dir():
            yield from _tree(item, path)
        else:
            yield path.removesuffix(".template"), item.read_bytes()


def _left_out(path: str) -> bool:
    parts = path.split("/")
    if any(part in ("__pycache__", ".terraform") for part in parts):
        return True
    own_environment = parts[0] == "environments" and len(parts) > 1
    generated = parts[:2] == ["terraform", "environments"] and len(parts) > 2
    name = parts[1] if own_environment else parts[2] if generated else ""
    return bool(name) and name not in _ENVIRONMENTS

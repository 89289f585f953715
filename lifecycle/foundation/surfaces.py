"""Places that a leak scan reads: folders, single files, and bytes that are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Whole files up to here, so that archives can be opened; larger ones in windows that overlap by more than any value.
_WHOLE = 64 << 20
_OVERLAP = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of a surface. `whole` says that it is a complete file."""

    where: str
    data: bytes
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSurface:
    """Every regular file under a folder; an absent folder holds nothing.

    Attributes:
        name: as it stands in the receipt, e.g. `logs`.
        folder: what is read.
        skip: true for a relative path, file or folder, that is not read; say in the receipt's `name` what is left out.
        pattern: of file names at any depth.
    """

    name: str
    folder: Path
    skip: Callable[[Path], bool] = lambda _path: False
    pattern: str = "*"

    def pieces(self) -> Iterator[Piece]:
        """The content, file by file. Symbolic links are not followed. Raises OSError when a file cannot be read."""
        for path in sorted(self.folder.rglob(self.pattern)) if self.folder.is_dir() else ():
            relative = path.relative_to(self.folder)
            if (
                path.is_symlink()
                or not path.is_file()
                or any(self.skip(part) for part in (relative, *relative.parents))
            ):
                continue
            yield from _file(str(relative), path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSurface:
    """Named files; those that do not exist hold nothing."""

    name: str
    paths: tuple[Path, ...]

    def pieces(self) -> Iterator[Piece]:
        """The content, file by file. Raises OSError when a file cannot be read."""
        for path in self.paths:
            if path.is_file():
                yield from _file(path.name, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedSurface:
    """Bytes that are fetched when the scan comes to them, e.g. the state from its backend."""

    name: str
    fetch: Callable[[], bytes]

    def pieces(self) -> Iterator[Piece]:
        """The bytes."""
        yield Piece(where=self.name, data=self.fetch())


def _file(where: str, path: Path) -> Iterator[Piece]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= _WHOLE:
                yield Piece(where=where, data=file.read())
                return
            tail = b""
            while chunk := file.read(_WHOLE):
                yield Piece(where=where, data=tail + chunk, whole=False)
                tail = chunk[-_OVERLAP:]
    except FileNotFoundError:
        return  # removed since it was listed, which is what temporary files are for

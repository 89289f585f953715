"""Where every key and list item was written, in eight bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from lifecycle.domain.errors import Place

# One mark is file (16 bits), line (24), column (24), all counted from 0. A file of 16 MiB cannot outgrow 24 bits.
LINE_SHIFT = 24
FILE_SHIFT = 48
_PART = (1 << 24) - 1
MAX_FILES = 1 << 16

Path = tuple[str | int, ...]


class Positions:
    """The side table of one load: container -> marks of its keys or items, in their order.

    Containers are known by identity, so every tree must outlive the table; whoever makes a new container from old
    ones records its marks again. Plain dicts and lists stay plain: no node wrapper is paid for.
    """

    __slots__ = ("_kept", "files", "marks", "starts")

    def __init__(self) -> None:
        self.files: list[str] = []
        self.marks = array("Q")
        self.starts: dict[int, int] = {}
        self._kept: list[object] = []

    def add_file(self, name: str) -> int:
        """Register a file and return the base that its marks are added to."""
        self.files.append(name)
        return (len(self.files) - 1) << FILE_SHIFT

    def keep(self, tree: object) -> None:
        """Hold a tree for as long as this table lives, so that no identity is used twice."""
        self._kept.append(tree)

    def forget_trees(self) -> None:
        """Give the trees back once every mark that matters was read; only `place` may be called afterwards."""
        self._kept.clear()
        self.starts.clear()
        self.marks = array("Q")

    def record(self, container: Any, marks: Iterable[int]) -> None:
        """Note the marks of a container that was made after parsing."""
        self.starts[id(container)] = len(self.marks)
        self.marks.extend(marks)
        self._kept.append(container)

    def marks_of(self, container: Any) -> Sequence[int]:
        """The marks of a container's keys or items, in their order; empty when it has none."""
        start = self.starts.get(id(container))
        return () if start is None else self.marks[start : start + len(container)]

    def mark(self, container: Any, step: str | int) -> int | None:
        """The mark of one key or item, or None when it is not there or was never written."""
        start = self.starts.get(id(container))
        if start is None:
            return None
        if isinstance(container, dict):
            index = next((number for number, key in enumerate(container) if key == step), None)
        else:
            index = step if isinstance(step, int) and 0 <= step < len(container) else None
        return None if index is None else self.marks[start + index]

    def by_key(self, container: dict[str, Any]) -> Iterator[tuple[str, Any, int]]:
        """Key, value and mark of every entry of a mapping."""
        start = self.starts.get(id(container))
        marks: Iterable[int] = () if start is None else islice(self.marks, start, start + len(container))
        for (key, value), mark in zip(container.items(), marks, strict=True):
            yield key, value, mark

    def place(self, mark: int) -> Place:
        """A mark as people read it."""
        return Place(
            file=self.files[mark >> FILE_SHIFT],
            line=(mark >> LINE_SHIFT & _PART) + 1,
            column=(mark & _PART) + 1,
        )

    def locate(self, tree: Any, path: Path, start: int) -> int:
        """The mark of the deepest step of a path that was written, from a container that stands at `start`."""
        found = start
        for step in path:
            mark = self.mark(tree, step) if isinstance(tree, dict | list) else None
            if mark is None:
                break
            found, tree = mark, tree[step]
        return found

"""Where every key and list item was written, in eight bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lifecycle.domain.errors import Place

# One mark is file (16 bits), line (24), column (24), all counted from 0. A file of 16 MiB cannot outgrow 24 bits.
LINE_SHIFT = 24
FILE_SHIFT = 48
_PART = (1 << 24) - 1
MAX_FILES = 1 << 16
# The node to give with the root of a tree: the nodes of roots are always noted.
ROOT = 0

Path = tuple[str | int, ...]


class Positions:
    """The side table of one load: a mark per key and item, in document order.

    A *node* is the number of a mark. The keys or items of a value follow the node of the value itself, each before
    what it holds; so whoever holds a value and its node can find the place of everything inside, and plain dicts and
    lists stay plain: no wrapper and no entry per container is paid for. A container that was put together later, or
    is so large that counting would be slow, has its nodes noted.
    """

    __slots__ = ("_kept", "_noted", "files", "marks")

    def __init__(self) -> None:
        self.files: list[str] = []
        self.marks = array("Q")
        self._noted: dict[int, Sequence[int]] = {}
        self._kept: dict[int, object] = {}

    def add_file(self, name: str) -> int:
        """Register a file and return the base that its marks are added to."""
        self.files.append(name)
        base = (len(self.files) - 1) << FILE_SHIFT
        # The document as a whole is a node too; node 0 is the beginning of the first file.
        self.marks.append(base)
        return base

    def note(self, container: Any, nodes: Iterable[int]) -> None:
        """Remember the nodes of a container whose keys or items do not simply follow its own node."""
        # Containers are known by identity: this one must not make room for another of the same identity.
        self._kept[id(container)] = container
        self._noted[id(container)] = array("Q", nodes)

    def forget(self, container: Any) -> None:
        """Give back what `note` took, once nobody asks any more."""
        self._noted.pop(id(container), None)
        self._kept.pop(id(container), None)

    def forget_trees(self) -> None:
        """Give all trees back; only `place` may be called afterwards."""
        self._noted.clear()
        self._kept.clear()

    def nodes_of(self, container: Any, node: int) -> Sequence[int]:
        """The node of each key or item.

        Args:
            container: a dict or list.
            node: its own node; without meaning when the container's nodes were noted.
        """
        noted = self._noted.get(id(container))
        if noted is not None:
            return noted
        nodes = []
        node += 1
        for value in container.values() if isinstance(container, dict) else container:
            nodes.append(node)
            node += 1 + _size(value)
        return nodes

    def by_key(self, container: dict[str, Any], node: int) -> Iterator[tuple[str, Any, int]]:
        """Key, value and node of every entry of a mapping (see `nodes_of`)."""
        for (key, value), at in zip(container.items(), self.nodes_of(container, node), strict=True):
            yield key, value, at

    def locate(self, container: Any, path: Path, node: int = ROOT) -> int:
        """The node of the deepest step of a path that was written, from a container and its node."""
        for step in path:
            if isinstance(container, dict) and step in container:
                index = list(container).index(step)
            elif isinstance(container, list) and isinstance(step, int) and step < len(container):
                index = step
            else:
                break
            node = self.nodes_of(container, node)[index]
            container = container[step]
        return node

    def place(self, node: int) -> Place:
        """Where a node stands, as people read it."""
        return self.unpack(self.marks[node])

    def unpack(self, mark: int) -> Place:
        """A mark as people read it."""
        return Place(
            file=self.files[mark >> FILE_SHIFT],
            line=(mark >> LINE_SHIFT & _PART) + 1,
            column=(mark & _PART) + 1,
        )


def _size(value: Any) -> int:
    """How many marks a value holds inside."""
    if isinstance(value, dict):
        return len(value) + sum(_size(item) for item in value.values() if isinstance(item, dict | list))
    if isinstance(value, list):
        return len(value) + sum(_size(item) for item in value if isinstance(item, dict | list))
    return 0

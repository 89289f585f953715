"""Where every key path of a resolved spec was written; worked out on first use, from the text that was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.documents.constructor import paused_collector
from lifecycle.documents.entries import KIND_KEYS
from lifecycle.documents.findings import Findings
from lifecycle.documents.inheritance import resolve
from lifecycle.documents.loader import Folder
from lifecycle.documents.positions import Positions
from lifecycle.domain.errors import Place
from lifecycle.domain.spec import SECTIONS


class Origins(Mapping[str, Place]):
    """Key path (`agents.eu-1.runtime.ecs_fargate.cpu`, list items by number) -> place.

    The text of a spec is its most compact position table: it is kept, and parsed a second time when somebody asks.

    Args:
        own: the environment's folder as read.
        base: what it extends, as read.
    """

    def __init__(self, own: Folder, base: Folder | None) -> None:
        self._own = own
        self._base = base
        self._marks: dict[str, int] | None = None
        self._positions = Positions()

    def __getitem__(self, key_path: str) -> Place:
        return self._positions.place(self._index()[key_path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index())

    def __len__(self) -> int:
        return len(self._index())

    def __contains__(self, key_path: object) -> bool:
        return key_path in self._index()

    def _index(self) -> dict[str, int]:
        if self._marks is None:
            with paused_collector():
                findings = Findings(Positions())
                values = resolve(self._own, lambda _written, _mark: self._base, findings).values
                self._positions = findings.positions
                self._marks = dict(self._walk(values, "", 0))
                self._marks = dict(self._inherited(values)) | self._marks
                self._positions.forget_trees()
        return self._marks

    def _inherited(self, values: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """What entries take from `defaults:` and from the top: the owner, and each key of their kind's defaults."""
        owner = self._positions.locate(values, ("owner",)) if "owner" in values else None
        defaults = values.get("defaults", {})
        for section in SECTIONS:
            for name, entry in values.get(section, {}).items():
                if owner is not None:
                    yield f"{section}.{name}.owner", owner
                kind = entry.get(KIND_KEYS.get(section, ""))
                fields = defaults.get(section, {}).get(kind, {})
                at = self._positions.locate(values, ("defaults", section, kind))
                for key, value, node in self._positions.by_key(fields, at):
                    if key not in entry:
                        yield f"{section}.{name}.{key}", node
                        yield from self._walk(value, f"{section}.{name}.{key}.", node)

    def _walk(self, value: Any, prefix: str, node: int) -> Iterator[tuple[str, int]]:
        if isinstance(value, dict):
            for key, item, at in self._positions.by_key(value, node):
                yield f"{prefix}{key}", at
                if isinstance(item, dict | list):
                    yield from self._walk(item, f"{prefix}{key}.", at)
        elif isinstance(value, list):
            for index, (item, at) in enumerate(zip(value, self._positions.nodes_of(value, node), strict=True)):
                yield f"{prefix}{index}", at
                if isinstance(item, dict | list):
                    yield from self._walk(item, f"{prefix}{index}.", at)

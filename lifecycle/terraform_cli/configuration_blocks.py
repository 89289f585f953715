"""Terraform configuration as blocks, from both of its syntaxes: what a static check needs and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class UnreadableError(Exception):
    """A file that cannot be read with certainty. A check that meets it must refuse.

    Args:
        line: where, counted from 1.
        reason: what is there.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An attribute's value: its text where it is one plain string, its entries where it is an object."""

    line: int
    text: str | None = None
    entries: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block: type, labels, attributes and inner blocks."""

    type: str
    line: int
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    def walk(self) -> Iterator[Block]:
        """The block and everything inside it."""
        yield self
        for inner in self.blocks:
            yield from inner.walk()


# How many labels a top-level block has in the JSON syntax, where nesting stands for labels.
LABELS: Mapping[str, int] = {
    "terraform": 0, "provider": 1, "resource": 2, "data": 2, "ephemeral": 2, "module": 1, "variable": 1, "output": 1,
    "locals": 0, "moved": 0, "import": 0, "removed": 0, "check": 1,
}  # fmt: skip
_INNER_LABELS: Mapping[str, int] = {"backend": 1, "provisioner": 1, "data": 2, "provider_meta": 1, "dynamic": 1}


def json_blocks(text: str) -> list[Block]:
    """The blocks of a `.tf.json` file. Repeated keys are kept: Terraform reads both.

    Raises:
        UnreadableError: it is no JSON object.
    """
    try:
        document = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise UnreadableError(error.lineno, "this is not JSON") from None
    if not isinstance(document, _Pairs):
        raise UnreadableError(1, "this is not a JSON object")
    finder = _Lines(text)
    found: list[Block] = []
    for name, content in document:
        if name != "//":
            found += _labelled(name, content, LABELS.get(name, 0), (), finder)
    return found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


class _Lines:
    """Finds the line of a key: JSON values carry no position. The first occurrence is near enough for a message."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def of(self, *keys: str) -> int:
        line = 0
        for key in keys:
            wanted = json.dumps(key)
            line = next((n for n in range(line, len(self._lines)) if wanted in self._lines[n]), line)
        return line + 1


def _labelled(name: str, content: Any, labels: int, given: tuple[str, ...], finder: _Lines) -> list[Block]:
    if isinstance(content, list) and not isinstance(content, _Pairs):
        return [block for item in content for block in _labelled(name, item, labels, given, finder)]
    if not isinstance(content, _Pairs):
        raise UnreadableError(finder.of(name, *given), f"{name} is not an object")
    if labels:
        inner = [_labelled(name, value, labels - 1, (*given, key), finder) for key, value in content if key != "//"]
        return [block for blocks in inner for block in blocks]
    line = finder.of(name, *given)
    attributes = {key: _json_value(value, finder) for key, value in content}
    # In JSON, an inner block cannot be told from an attribute: whatever could be a block is looked at as one, too.
    blocks = [
        block
        for key, value in content
        if isinstance(value, list)
        for block in _inner(key, value, (name, *given), finder)
    ]
    return [Block(type=name, labels=given, line=line, attributes=attributes, blocks=tuple(blocks))]


def _inner(key: str, value: Any, above: tuple[str, ...], finder: _Lines) -> list[Block]:
    try:
        return _labelled(key, value, _INNER_LABELS.get(key, 0), (), finder)
    except UnreadableError:
        return []  # a list of plain values, so no block


def _json_value(value: Any, finder: _Lines) -> Value:
    if isinstance(value, str):
        return Value(line=finder.of(value), text=value)
    if isinstance(value, _Pairs):
        entries = {key: _json_value(item, finder) for key, item in value}
        return Value(line=finder.of(*(key for key, _ in value[:1])), entries=entries)
    return Value(line=1)

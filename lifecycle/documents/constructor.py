"""One small constructor over libyaml's events: plain values, and the place of every key beside them.

PyYAML's own loader spends most of its time on node objects and Python-level resolvers. Specs need a small part of
YAML only, so this reads events and builds dicts, lists and scalars at once. What a spec may not hold (tags, merge
keys, duplicate keys, ambiguous scalars) is noted and reading goes on, so that one run shows everything.
"""

from __future__ import annotations

import gc
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from lifecycle.documents.findings import Findings, shown
from lifecycle.documents.positions import LINE_SHIFT, Path
from lifecycle.documents.scalars import RISKY_STARTS, AmbiguousScalarError, resolve_plain
from lifecycle.domain.errors import ConfigurationError

try:
    from yaml._yaml import CParser
except ImportError:  # pragma: no cover - the locked wheels always hold libyaml
    CParser = None  # type: ignore[assignment, misc] # the pure parser is 6x slower and has other columns

MAX_DEPTH = 40
MAX_ALIASES = 1_000
MAX_ALIASED_NODES = 100_000
_CACHED_SCALARS = 4_096
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_MISSING = object()
_PLAIN, _QUOTED, _TAGGED = (True, False), (False, True), (False, False)
# Roots and sections may hold very many keys: their nodes are noted, those of all else are counted when asked for.
_NOTED_DEPTH = 2


class _Abandoned(Exception):  # noqa: N818 - control flow inside this module, never an error anyone sees
    """The rest of a document is not worth reading."""


@contextmanager
def paused_collector() -> Iterator[None]:
    """Keep the garbage collector from walking a growing tree over and over: 40 % of a load otherwise."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Constructor:
    """Builds the tree of one document. The caches are shared by all documents of a load.

    Args:
        findings: where problems and positions go.
        strings: keys already seen, so that equal keys are one object.
    """

    def __init__(self, findings: Findings, strings: dict[str, str]) -> None:
        if CParser is None:  # pragma: no cover - see the import
            raise ConfigurationError(
                "PyYAML was installed without libyaml", remedy="install the locked requirements: make clean, then make"
            )
        self._findings = findings
        self._positions = findings.positions
        self._strings = strings
        self._plain: dict[str, Any] = {}
        self._shared: dict[str, str] = {}
        self._anchors: dict[str, tuple[Any, array[int]]] = {}
        self._aliases = 0
        self._aliased_nodes = 0
        self._base = 0
        self._next: Any = None

    def construct(self, text: str, file: str) -> dict[str, Any] | None:
        """Read one document; None when it could not be read to its end.

        Args:
            text: the content of the file.
            file: its name in messages.
        """
        self._base = self._positions.add_file(file)
        self._anchors, self._aliases, self._aliased_nodes = {}, 0, 0
        try:
            return self._document(CParser(text))
        except YAMLError as error:
            self._syntax_error(error, text)
        except _Abandoned:
            pass
        return None

    def _document(self, parser: Any) -> dict[str, Any] | None:
        self._next = parser.get_event
        self._next()
        event = self._next()
        if event.__class__ is StreamEndEvent:
            return {}
        event = self._next()
        if event.__class__ is ScalarEvent and event.value == "" and event.implicit[0]:
            tree: Any = {}
        else:
            tree = self._value(event, ())
        self._next()
        event = self._next()
        if event.__class__ is DocumentStartEvent:
            self._refuse(event, (), "a second document starts here", "one document per file: remove the `---`")
        if not isinstance(tree, dict):
            place = self._positions.unpack(self._base)
            remedy = "start with `key: value` lines such as `version: 1`"
            self._findings.add_at(place, (), "the document is not a mapping", remedy)
            return None
        return tree

    def _mapping(self, path: Path) -> dict[str, Any]:  # noqa: PLR0912 - the hot loop: a call per value costs 10 %
        """Read up to the end of a mapping. The common case is spelled out: it is where the time goes."""
        next_event, strings, base, plain = self._next, self._strings, self._base, self._plain
        marks, shared = self._positions.marks, self._shared
        result: dict[str, Any] = {}
        nodes: list[int] = []
        while True:
            event = next_event()
            if event.__class__ is not ScalarEvent:
                if event.__class__ is MappingEndEvent:
                    break
                self._bad_key(event, path)
                continue
            at: Any = event.start_mark
            node = len(marks)
            marks.append(base + (at.line << LINE_SHIFT) + at.column)
            key = strings.get(event.value)
            if key is None or event.implicit == _TAGGED:
                key = self._key(event, path)
            event = next_event()
            if event.__class__ is not ScalarEvent or event.anchor is not None:
                value = self._value(event, (*path, key))
            else:
                value = event.value
                is_plain, is_quoted = event.implicit
                if is_plain and value[:1] in RISKY_STARTS:
                    text, value = value, plain.get(value, _MISSING)
                    if value is _MISSING:
                        value = self._resolve(event, text, (*path, key))
                elif is_plain or is_quoted:
                    value = shared.get(value) or self._share(value)
                else:
                    self._tag(event, (*path, key))
            if key in result:
                self._duplicate(nodes[list(result).index(key)], node, (*path, key))
            else:
                result[key] = value
                nodes.append(node)
        if len(path) < _NOTED_DEPTH:
            self._positions.note(result, nodes)
        return result

    def _sequence(self, path: Path) -> list[Any]:
        next_event, base, marks, shared = self._next, self._base, self._positions.marks, self._shared
        result: list[Any] = []
        while True:
            event = next_event()
            if event.__class__ is SequenceEndEvent:
                break
            at: Any = event.start_mark
            marks.append(base + (at.line << LINE_SHIFT) + at.column)
            if event.__class__ is ScalarEvent and event.anchor is None:
                value = event.value
                if event.implicit == _QUOTED or (event.implicit == _PLAIN and value[:1] not in RISKY_STARTS):
                    result.append(shared.get(value) or self._share(value))
                    continue
            result.append(self._value(event, (*path, len(result))))
        return result

    def _value(self, event: Any, path: Path) -> Any:
        """Any value: the general case."""
        if event.__class__ is AliasEvent:
            return self._alias(event, path)
        start = len(self._positions.marks)
        if event.__class__ is ScalarEvent:
            value = self._scalar(event, path)
        else:
            if len(path) >= MAX_DEPTH:
                self._refuse(event, path, f"is nested deeper than {MAX_DEPTH} levels", "write it flatter")
            if event.tag is not None:
                self._tag(event, path)
            value = self._mapping(path) if event.__class__ is MappingStartEvent else self._sequence(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._positions.marks[start:])
        return value

    def _scalar(self, event: Any, path: Path) -> Any:
        text = event.value
        is_plain, is_quoted = event.implicit
        if is_plain:
            return self._resolve(event, text, path) if text[:1] in RISKY_STARTS else text
        if not is_quoted:
            self._tag(event, path)
        return text

    def _resolve(self, event: Any, text: str, path: Path) -> Any:
        if text in self._plain:
            return self._plain[text]
        try:
            value = resolve_plain(text)
        except AmbiguousScalarError as error:
            self._add(event, path, f"{shown(text)} {error}", error.remedy)
            return text
        if len(self._plain) < _CACHED_SCALARS:
            self._plain[text] = value
        return value

    def _key(self, event: Any, path: Path) -> str:
        """Check a key that was not seen before, and remember it if it is text however it is written."""
        text: str = event.value
        if event.implicit == _TAGGED:
            self._tag(event, (*path, text))
            return text
        trouble = _key_trouble(text)
        if trouble is None:
            return self._strings.setdefault(text, text)
        # Quoted it is a fine key, plain it is not: it is checked again each time.
        if event.implicit == _PLAIN:
            self._add(event, path, *trouble)
        return text

    def _share(self, text: str) -> str:
        """Make later equal texts this object, as long as there are few: large specs repeat themselves."""
        if len(self._shared) < _CACHED_SCALARS:
            self._shared[text] = text
        return text

    def _bad_key(self, event: Any, path: Path) -> None:
        self._add(
            event, path, "a key is not plain text", "write keys as text; lists, mappings and aliases cannot be keys"
        )
        node = len(self._positions.marks)
        self._value(event, path)
        self._value(self._next(), path)
        del self._positions.marks[node:]

    def _duplicate(self, first: int, second: int, path: Path) -> None:
        place = self._positions.place(first)
        self._findings.add(second, path, f"the key is written twice; the first is at {place}", "keep one of the two")
        # The second value is dropped, and so are the marks of what it holds.
        del self._positions.marks[second:]

    def _alias(self, event: Any, path: Path) -> Any:
        if event.anchor not in self._anchors:
            self._add(
                event, path, "an alias has no anchor before it", "define the anchor first, or write the value out"
            )
            return None
        value, marks = self._anchors[event.anchor]
        self._aliases += 1
        self._aliased_nodes += len(marks)
        if self._aliases > MAX_ALIASES or self._aliased_nodes > MAX_ALIASED_NODES:
            self._refuse(
                event,
                path,
                f"aliases stand for more than {MAX_ALIASES} uses or {MAX_ALIASED_NODES} values",
                "write the values out, or use `defaults:`",
            )
        # What an alias holds has its marks again here, so that the marks follow the tree.
        self._positions.marks.extend(marks)
        return value

    def _tag(self, event: NodeEvent, path: Path) -> None:
        self._add(
            event, path, "tags (`!!type`, `!name`) are not allowed", "remove the tag; quote text, leave numbers bare"
        )

    def _add(self, event: Any, path: Path, message: str, remedy: str) -> None:
        at = event.start_mark
        place = self._positions.unpack(self._base + (at.line << LINE_SHIFT) + at.column)
        self._findings.add_at(place, path, message, remedy)

    def _refuse(self, event: Any, path: Path, message: str, remedy: str) -> None:
        self._add(event, path, message, remedy)
        raise _Abandoned

    def _syntax_error(self, error: YAMLError, text: str) -> None:
        """Tell a parser's error in our words where the cause is a known one."""
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", "") or "the document is not YAML")
        remedy = "correct the syntax at this place"
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        control = _CONTROL.search(text) if mark is None else None
        lines = text.split("\n")
        if control is not None:
            before = text[: control.start()]
            line, column = before.count("\n"), control.start() - (before.rfind("\n") + 1)
            problem, remedy = "a control character is not allowed in YAML", "remove it; a binary file is not a spec"
        elif line < len(lines) and "\t" in lines[line][: column + 1]:
            problem, remedy = "a tab is not allowed as indentation", "indent with spaces"
        place = self._positions.unpack(self._base + (line << LINE_SHIFT) + column)
        self._findings.add_at(place, (), problem, remedy)


def _key_trouble(text: str) -> tuple[str, str] | None:
    """What is wrong with an unquoted key, and the remedy; None when nothing is."""
    if text == "<<":
        return "merge keys are not allowed", "write the keys out, or use `defaults:` or `extends:`"
    if text[:1] not in RISKY_STARTS:
        return None
    try:
        return None if isinstance(resolve_plain(text), str) else (f"the key {shown(text)} is not text", "quote it")
    except AmbiguousScalarError as error:
        return f"the key {shown(text)} {error}", error.remedy

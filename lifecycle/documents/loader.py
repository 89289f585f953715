"""Reads the files of a folder into one tree, merged by top-level key."""

from __future__ import annotations

import stat
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lifecycle.documents.constructor import Constructor
from lifecycle.documents.findings import Findings
from lifecycle.documents.positions import FILE_SHIFT, MAX_FILES, ROOT
from lifecycle.documents.secret_shapes import is_telling
from lifecycle.documents.secrets import refuse_secrets
from lifecycle.domain.errors import ConfigurationError, Place
from lifecycle.domain.spec import SECTIONS

MAX_BYTES = 16 * 1024 * 1024

# Top-level keys that hold named things: several files may add names to them, none may add the same name.
NAMED = (*SECTIONS, "datarobot", "secret_stores", "vars", "defaults", "override")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file as read: its name in messages and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files of one folder. `complete` is False when a file was left out for a problem already noted."""

    name: str
    sources: tuple[Source, ...]
    complete: bool


@dataclass(slots=True, kw_only=True)
class Tree:
    """What the files of one folder say together, with the mark of every top-level key."""

    values: dict[str, Any]
    complete: bool


def read_folder(folder: Path, root: Path, findings: Findings) -> Folder:
    """Read every `*.yaml` of a folder, by name.

    Args:
        folder: an environment, or what it extends.
        root: the checkout; names in messages are relative to it.
        findings: where problems of single files go.

    Raises:
        ConfigurationError: when the folder is not there or holds no spec file.
    """
    name = relative(folder, root)
    if not folder.is_dir():
        raise ConfigurationError(
            f"the folder {name} does not exist", remedy="name an environment that has a folder, or run `lifecycle init`"
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.name[0] != ".")
    if not paths or len(paths) > MAX_FILES // 2:
        raise ConfigurationError(
            f"the folder {name} holds {len(paths)} spec files", remedy="write the spec into *.yaml files in this folder"
        )
    sources = [_read(path, f"{name}/{path.name}", findings) for path in paths]
    known = tuple(source for source in sources if source is not None)
    return Folder(name=name, sources=known, complete=len(known) == len(sources))


def relative(path: Path, root: Path) -> str:
    """A path as messages show it: relative to the checkout where it lies inside."""
    absolute = path.resolve()
    return absolute.relative_to(root.resolve()).as_posix() if absolute.is_relative_to(root.resolve()) else path.name


def merge(folder: Folder, findings: Findings, strings: dict[str, str]) -> Tree:
    """Construct every file of a folder and put their top-level keys together."""
    trees: list[dict[str, Any]] = []
    constructor = Constructor(findings, strings)
    telling, seen = any(map(is_telling, strings)), len(strings)
    for source in folder.sources:
        base = len(findings.positions.files) << FILE_SHIFT
        tree = constructor.construct(source.text, source.name)
        # Keys are remembered across files: one that tells of a secret may come again in any later file.
        telling = telling or any(map(is_telling, islice(strings, seen, None)))
        seen = len(strings)
        refuse_secrets(tree, source.text, base, findings, telling=telling)
        if tree is not None:
            trees.append(tree)
    complete = folder.complete and len(trees) == len(folder.sources)
    if len(trees) == 1:
        return Tree(values=trees[0], complete=complete)
    return Tree(values=_join(trees, findings), complete=complete)


def _join(trees: Sequence[dict[str, Any]], findings: Findings) -> dict[str, Any]:
    """Join the top-level keys of several files; what holds named things is joined by name."""
    positions = findings.positions
    gathered: dict[str, list[tuple[Any, int]]] = {}
    for tree in trees:
        for key, value, node in positions.by_key(tree, ROOT):
            parts = gathered.setdefault(key, [])
            if not parts or (key in NAMED and all(isinstance(part, dict) for part in (parts[0][0], value))):
                parts.append((value, node))
            else:
                _refuse_second(node, (key,), parts[0][1], findings)
    joined = {
        key: parts[0][0] if len(parts) == 1 else _join_names(parts, key, findings) for key, parts in gathered.items()
    }
    positions.note(joined, (parts[0][1] for parts in gathered.values()))
    # Nothing of the single files is needed any more: what is held twice is held for nothing.
    for tree in trees:
        positions.forget(tree)
    return joined


def _join_names(parts: Sequence[tuple[dict[str, Any], int]], section: str, findings: Findings) -> dict[str, Any]:
    positions = findings.positions
    joined: dict[str, Any] = {}
    nodes = array("Q")
    for part, at in parts:
        for name, value, node in positions.by_key(part, at):
            if name in joined:
                _refuse_second(node, (section, name), nodes[list(joined).index(name)], findings)
            else:
                joined[name] = value
                nodes.append(node)
        positions.forget(part)
    positions.note(joined, nodes)
    return joined


def _refuse_second(node: int, path: tuple[str, ...], first: int, findings: Findings) -> None:
    """A name that two files define is a problem that shows both places."""
    place = findings.positions.place(first)
    findings.add(node, path, f"is defined twice; the first is at {place}", "keep one of the two, or rename one")


def _read(path: Path, name: str, findings: Findings) -> Source | None:
    """One file's text, or None and a problem at its start (or at the byte that is wrong)."""
    problem, remedy = "", ""
    place = Place(file=name, line=1, column=1)
    if path.suffix == ".yml":
        problem, remedy = "a spec file ends in .yaml", "rename it, so that no file has two spellings"
    elif path.is_symlink() or not stat.S_ISREG(path.stat().st_mode):
        problem, remedy = "a spec file is a plain file, never a link", "copy the content here, or use `extends:`"
    elif path.stat().st_size > MAX_BYTES:
        problem, remedy = "the file is larger than 16 MiB", "split it: files of a folder are merged by top-level key"
    else:
        try:
            content = path.read_bytes()
            return Source(name=name, text=content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line_start = content.rfind(b"\n", 0, error.start) + 1
            place = Place(file=name, line=content.count(b"\n", 0, error.start) + 1, column=error.start - line_start + 1)
            problem, remedy = "the file is not UTF-8 from this byte on", "save it as UTF-8"
        except OSError as error:
            problem, remedy = f"the file cannot be read: {error.strerror}", "check its permissions"
    findings.add_at(place, (), problem, remedy)
    return None

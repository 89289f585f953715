"""`extends:` (one level) and `override:`: what an environment inherits and how it changes it, positions kept.

An environment adds names; what it inherits it changes only under `override:`, where mappings merge key by key, lists
and scalars replace, and `null` removes. Nothing else overrides anything: a reader finds every change in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lifecycle.documents.findings import Findings, suggestion
from lifecycle.documents.loader import NAMED, Folder, Tree, merge
from lifecycle.documents.positions import ROOT, Path
from lifecycle.documents.variables import substitute

# A mapping and its node.
Mapping = tuple[dict[str, Any], int]

_NOT_INHERITED = frozenset(["extends", "environment", "override"])


@dataclass(slots=True, kw_only=True)
class Resolved:
    """One environment's tree after inheritance, overrides and variables, and the folders it came from."""

    values: dict[str, Any]
    complete: bool
    own: Folder
    base: Folder | None


def resolve(own: Folder, find_base: Callable[[str, int], Folder | None], findings: Findings) -> Resolved:
    """Parse, inherit, override and substitute.

    Args:
        own: the environment's folder.
        find_base: gives the folder that `extends:` names, written at a node; None when there is none, the reason noted.
        findings: where problems and positions go.
    """
    strings: dict[str, str] = {}
    tree = merge(own, findings, strings)
    base = find_extended(tree, find_base, findings)
    if "extends" in tree.values:
        tree = _inherit(merge(base, findings, strings) if base else Tree(values={}, complete=False), tree, findings)
    elif "override" in tree.values:
        findings.add(
            _node(tree.values, "override", findings),
            ("override",),
            "there is nothing to override: this environment extends none",
            "write the change where the entry is, or add `extends:`",
        )
    folders = [own, base] if base else [own]
    values = tree.values
    if "vars" in values or any("${var." in source.text for folder in folders for source in folder.sources):
        values = substitute(values, findings)
    return Resolved(values=values, complete=tree.complete, own=own, base=base)


def find_extended(tree: Tree, find_base: Callable[[str, int], Folder | None], findings: Findings) -> Folder | None:
    """The folder that a tree extends, if any."""
    if "extends" not in tree.values:
        return None
    written, node = tree.values["extends"], _node(tree.values, "extends", findings)
    if isinstance(written, str):
        return find_base(written, node)
    findings.add(node, ("extends",), "is not text", "write `extends: ../_base`")
    return None


def _inherit(base: Tree, own: Tree, findings: Findings) -> Tree:
    values, nodes = _inherited(base.values, findings)
    for key, value, node in findings.positions.by_key(own.values, ROOT):
        if key == "override":
            continue
        if key not in values or (key == "version" and values[key] == value):
            values[key], nodes[key] = value, node
        elif key in NAMED and isinstance(value, dict) and isinstance(values[key], dict):
            values[key] = _add_names((values[key], nodes[key]), (value, node), (key,), findings)
        else:
            _refuse_second(node, (key,), nodes[key], findings)
    findings.positions.note(values, (nodes[key] for key in values))
    if isinstance(own.values.get("override"), dict):
        changes = own.values["override"], _node(own.values, "override", findings)
        values = _override(values, base.values, changes, findings)
    elif "override" in own.values:
        findings.add(_node(own.values, "override", findings), ("override",), "is not a mapping", "write keys under it")
    return Tree(values=values, complete=base.complete and own.complete)


def _inherited(base: dict[str, Any], findings: Findings) -> tuple[dict[str, Any], dict[str, int]]:
    """What may be inherited of a base, with the nodes."""
    values: dict[str, Any] = {}
    nodes: dict[str, int] = {}
    for key, value, node in findings.positions.by_key(base, ROOT):
        if key in _NOT_INHERITED:
            remedy = "bases have one level: move this into the environment"
            findings.add(node, (key,), "cannot stand in a folder that is extended", remedy)
        else:
            values[key], nodes[key] = value, node
    return values, nodes


def _add_names(inherited: Mapping, added: Mapping, path: Path, findings: Findings) -> dict[str, Any]:
    positions = findings.positions
    joined = dict(inherited[0])
    nodes = {key: node for key, _, node in positions.by_key(*inherited)}
    for name, value, node in positions.by_key(*added):
        if name in joined:
            _refuse_second(node, (*path, name), nodes[name], findings)
        else:
            joined[name], nodes[name] = value, node
    positions.note(joined, (nodes[name] for name in joined))
    return joined


def _refuse_second(node: int, path: Path, first: int, findings: Findings) -> None:
    findings.add(
        node,
        path,
        f"is inherited already, from {findings.positions.place(first)}",
        f"change it under `override: {{{path[0]}: ...}}`, or choose another name",
    )


def _override(values: dict[str, Any], base: dict[str, Any], changes: Mapping, findings: Findings) -> dict[str, Any]:
    """Apply the overrides whose target is inherited; refuse the others."""
    fitting: dict[str, Any] = {}
    nodes: dict[str, int] = {}
    for key, change, node in findings.positions.by_key(*changes):
        if key not in base or key in _NOT_INHERITED or key == "version":
            _refuse_stranger(node, ("override", key), key, base.keys() - _NOT_INHERITED - {"version"}, findings)
            continue
        if key in NAMED and isinstance(change, dict) and isinstance(base[key], dict):
            strangers = [(name, at) for name, _, at in findings.positions.by_key(change, node) if name not in base[key]]
            for name, at in strangers:
                _refuse_stranger(at, ("override", key, name), name, base[key], findings)
            if strangers:
                continue
        fitting[key], nodes[key] = change, node
    findings.positions.note(fitting, nodes.values())
    return _overlay((values, ROOT), (fitting, ROOT), ("override",), findings)


def _refuse_stranger(node: int, path: Path, word: str, allowed: Any, findings: Findings) -> None:
    findings.add(node, path, "is not inherited, so there is nothing to override", suggestion(word, allowed))


def _overlay(inherited: Mapping, change: Mapping, path: Path, findings: Findings) -> dict[str, Any]:
    """Merge a change into a mapping, each given with its node."""
    positions = findings.positions
    result = dict(inherited[0])
    nodes = {key: node for key, _, node in positions.by_key(*inherited)}
    for key, value, node in positions.by_key(*change):
        if value is None:
            if key not in result:
                _refuse_stranger(node, (*path, key), key, inherited[0], findings)
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            # The mapping stays where it was written; only what is replaced inside it has a new place.
            result[key] = _overlay((result[key], nodes[key]), (value, node), (*path, key), findings)
        else:
            result[key], nodes[key] = value, node
    positions.note(result, (nodes[key] for key in result))
    return result


def _node(values: dict[str, Any], key: str, findings: Findings) -> int:
    return findings.positions.locate(values, (key,))

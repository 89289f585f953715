"""Typed variables: declared under `vars:`, used as `${var.NAME}`; no expressions.

As a whole scalar a variable keeps its type; inside a text only text and whole numbers fit. Other `${...}` is left
alone: AWS policies have variables of their own.
"""

from __future__ import annotations

import re
from typing import Any

from lifecycle.documents.findings import Findings, shown, suggestion
from lifecycle.documents.positions import ROOT, Path

_USE = re.compile(r"\$\{var\.([^}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
}
_FIELDS = ("type", "value", "description")
# These decide what is read and for what; a variable could not be resolved before them.
_CONSTANT = frozenset(["version", "environment", "extends", "vars", "override"])


def substitute(values: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Replace every use of a variable in a tree. Containers without one stay the same objects."""
    known = declared(values, findings)
    positions = findings.positions
    result: dict[str, Any] = {}
    nodes: list[int] = []
    for key, value, node in positions.by_key(values, ROOT):
        result[key] = value if key in _CONSTANT else _replace(value, known, (key,), node, findings)
        nodes.append(node)
    positions.note(result, nodes)
    return result


def declared(values: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The value of every variable that is declared correctly; problems with the others are noted."""
    known: dict[str, Any] = {}
    positions = findings.positions
    variables = values.get("vars", {})
    if not isinstance(variables, dict):
        node = positions.locate(values, ("vars",))
        findings.add(node, ("vars",), "is not a mapping", "write `vars: {NAME: {type: string, value: ...}}`")
        variables = {}
    for name, declaration, node in positions.by_key(variables, positions.locate(values, ("vars",))):
        path = ("vars", name)
        if not _NAME.fullmatch(name):
            findings.add(node, path, "is not a name for a variable", "use small letters, digits and `_`")
        elif not isinstance(declaration, dict):
            findings.add(node, path, "is not a declaration", "write `{type: string, value: ...}`")
        elif _declaration_fits(declaration, path, node, findings):
            value = known[name] = declaration["value"]
            if isinstance(value, list):
                # It may come to stand anywhere: its items do not follow the node of the place of use.
                positions.note(value, positions.nodes_of(value, positions.locate(declaration, ("value",), node)))
    return known


def _declaration_fits(declaration: dict[str, Any], path: Path, node: int, findings: Findings) -> bool:
    before = len(findings.problems)
    for key, _, at in findings.positions.by_key(declaration, node):
        if key not in _FIELDS:
            findings.add(at, (*path, key), "unknown key", suggestion(key, _FIELDS))
    types = _TYPES.get(str(declaration.get("type")))
    if types is None:
        at = findings.positions.locate(declaration, ("type",), node)
        findings.add(at, (*path, "type"), "is not a type of variables", suggestion(declaration.get("type"), _TYPES))
    elif declaration.get("value") is None:
        remedy = f"write `value:` here, or `override: {{vars: {{{path[-1]}: {{value: ...}}}}}}` in the environment"
        findings.add(node, path, "has no value", remedy)
    elif not isinstance(declaration["value"], types) or (bool not in types and isinstance(declaration["value"], bool)):
        at = findings.positions.locate(declaration, ("value",), node)
        message = f"{shown(declaration['value'])} is not of type {declaration['type']}"
        findings.add(at, (*path, "value"), message, "change the value or its `type:`")
    return len(findings.problems) == before


def _replace(value: Any, known: dict[str, Any], path: Path, node: int, findings: Findings) -> Any:
    if isinstance(value, str):
        return _replace_in_text(value, known, path, node, findings) if "${var." in value else value
    positions = findings.positions
    if isinstance(value, dict):
        changed = {
            key: _replace(item, known, (*path, key), at, findings) for key, item, at in positions.by_key(value, node)
        }
        if all(new is old for new, old in zip(changed.values(), value.values(), strict=True)):
            return value
        positions.note(changed, positions.nodes_of(value, node))
        return changed
    if isinstance(value, list):
        nodes = positions.nodes_of(value, node)
        items = [
            _replace(item, known, (*path, index), at, findings)
            for index, (item, at) in enumerate(zip(value, nodes, strict=True))
        ]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        positions.note(items, nodes)
        return items
    return value


def _replace_in_text(text: str, known: dict[str, Any], path: Path, node: int, findings: Findings) -> Any:
    def problem(message: str, remedy: str) -> str:
        findings.add(node, path, message, remedy)
        return ""

    whole = _USE.fullmatch(text)
    if whole is not None and whole[1] in known:
        return known[whole[1]]

    def one(use: re.Match[str]) -> str:
        name = use[1]
        if name not in known:
            return problem(f"the variable {shown(name)} has no value here", suggestion(name, known))
        value = known[name]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return problem(f"the variable `{name}` cannot stand inside a text", "use it as the whole value")
        return str(value)

    replaced = _USE.sub(one, text)
    if "${var." in _USE.sub("", text):
        problem("a use of a variable is not closed", "write `${var.NAME}`")
    return replaced

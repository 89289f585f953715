"""Finds literals that look like secrets and refuses them without showing them."""

from __future__ import annotations

from typing import Any

from lifecycle.documents.findings import Findings
from lifecycle.documents.positions import LINE_SHIFT, Path
from lifecycle.documents.secret_shapes import is_random, is_telling, known_format, known_formats

_REMEDY = (
    "take it out of the file and out of the Git history, rotate it, and name the entry of the secret store instead; "
    "a spec never holds a value"
)


def refuse_secrets(tree: Any, text: str, base: int, findings: Findings, *, telling: bool) -> None:
    """Note every literal of a document that looks like a secret.

    The text is scanned for known formats first, comments included; the tree is walked only when that, an escape or a
    telling key asks for it.

    Args:
        tree: what the document holds; None when it could not be read.
        text: its content.
        base: what its marks are added to.
        findings: where problems go.
        telling: whether any key of the document may tell of a secret.
    """
    hits = known_formats(text)
    before = len(findings.problems)
    if tree is not None and (hits or telling or "\\" in text):
        _walk(tree, (), 0, findings, telling=False)
    if len(findings.problems) - before >= len(hits):
        return
    told = {problem.place.line for problem in findings.problems[before:]}
    for label, offset in hits:
        line = text.count("\n", 0, offset)
        if line + 1 not in told:
            column = offset - (text.rfind("\n", 0, offset) + 1)
            place = findings.positions.unpack(base + (line << LINE_SHIFT) + column)
            findings.add_at(place, (), f"the text here looks like {label}", _REMEDY)


def _walk(value: Any, path: Path, node: int, findings: Findings, *, telling: bool) -> None:
    if isinstance(value, str):
        label = known_format(value) or ("a secret" if telling and is_random(value, prompted=True) else None)
        if label is not None:
            findings.add(node, path, f"the value looks like {label}", _REMEDY)
    elif isinstance(value, dict):
        for key, item, at in findings.positions.by_key(value, node):
            label = known_format(key)
            if label is not None:
                findings.add(at, path, f"a key looks like {label}", _REMEDY)
            # `vars: {db_password: {value: ...}}`: the name of the variable tells.
            tells = is_telling(key) or (telling and key in {"value", "default"})
            _walk(item, (*path, key), at, findings, telling=tells)
    elif isinstance(value, list):
        for index, (item, at) in enumerate(zip(value, findings.positions.nodes_of(value, node), strict=True)):
            _walk(item, (*path, index), at, findings, telling=telling)

"""`defaults:` per section and kind: `defaults: {credentials: {snowflake_key_pair: {rotation_period: 90d}}}`."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from lifecycle.documents.choices import Context
from lifecycle.documents.entries import FAMILIES, HIDDEN, KIND_KEYS, MODELS
from lifecycle.documents.findings import suggestion
from lifecycle.documents.translation import allowed_keys


def defaults_of(values: dict[str, Any], context: Context) -> dict[str, tuple[dict[str, Any], int]]:
    """Section -> (kind -> fields, the node of it). Unknown sections, kinds and fields are noted here, used or not.

    Args:
        values: the resolved tree.
        context: registry and findings.
    """
    findings = context.findings
    written = values.get("defaults", {})
    if not isinstance(written, dict):
        node = findings.positions.locate(values, ("defaults",))
        findings.add(node, ("defaults",), "is not a mapping", "write `defaults: {credentials: {KIND: {...}}}`")
        return {}
    known: dict[str, tuple[dict[str, Any], int]] = {}
    for section, kinds, node in findings.positions.by_key(written, findings.positions.locate(values, ("defaults",))):
        if section not in KIND_KEYS:
            findings.add(node, ("defaults", section), "has no defaults", suggestion(section, KIND_KEYS))
        elif not isinstance(kinds, dict):
            remedy = f"write a {KIND_KEYS[section]}, and the fields under it"
            findings.add(node, ("defaults", section), "is not a mapping", remedy)
        else:
            known[section] = kinds, node
            for kind, fields, at in findings.positions.by_key(kinds, node):
                _check(section, kind, fields, at, context)
    return known


def kinds_of(section: str, context: Context) -> list[str]:
    """What the kind key of a section may be."""
    if section in FAMILIES:
        return list(context.registry.names(FAMILIES[section]))
    annotation = MODELS[section].model_fields[KIND_KEYS[section]].annotation
    return [str(value) for value in get_args(annotation)] if get_origin(annotation) is Literal else []


def _check(section: str, kind: str, fields: Any, node: int, context: Context) -> None:
    path, findings = ("defaults", section, kind), context.findings
    if kind not in kinds_of(section, context):
        findings.add(node, path, "is not a known kind", suggestion(kind, kinds_of(section, context)))
        return
    if not isinstance(fields, dict):
        findings.add(node, path, "is not a mapping", "write the fields and their defaults under it")
        return
    allowed = allowed_keys(MODELS[section], HIDDEN)
    product = context.registry.find(FAMILIES[section], kind) if section in FAMILIES else None
    if product is not None:
        allowed += allowed_keys(product.settings)
    for key, _, at in findings.positions.by_key(fields, node):
        if key == KIND_KEYS[section] or key not in allowed:
            findings.add(at, (*path, key), "unknown key", suggestion(key, set(allowed) - {KIND_KEYS[section]}))

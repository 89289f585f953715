"""A choice among kinds, `{kind: {settings}}` or a bare `kind`, validated by the settings model of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from lifecycle.documents.findings import Findings, shown, suggestion
from lifecycle.documents.positions import Path
from lifecycle.documents.translation import translate
from lifecycle.domain.kinds import Family, Kind, KindRegistry
from lifecycle.domain.spec import Chosen

_QUOTABLE = (int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every part of a build needs."""

    registry: KindRegistry
    findings: Findings


def choose(raw: Any, family: Family, path: Path, node: int, context: Context) -> Chosen:
    """Validate a choice. What is wrong is noted; the result is then a stand-in, so that reading can go on."""
    name, at = raw, node
    settings: Any = {}
    if isinstance(raw, dict):
        if len(raw) != 1:
            message = f"is {len(raw)} choices, but exactly one is expected"
            remedy = "keep one; an `override:` removes an inherited choice with `name: null`"
            context.findings.add(node, path, message, remedy)
            return _stand_in(node, context)
        name, settings, at = next(iter(context.findings.positions.by_key(raw, node)))
    kind = context.registry.find(family, name) if isinstance(name, str) else None
    if kind is None:
        known = context.registry.names(family)
        at_path = (*path, name) if isinstance(raw, dict) else path
        context.findings.add(at, at_path, f"{shown(name)} is not known here", suggestion(name, known))
        return _stand_in(at, context)
    here = (*path, name) if isinstance(raw, dict) else path
    if settings is not None and not isinstance(settings, dict):
        if family is not Family.DESTINATION or "name" not in kind.settings.model_fields:
            context.findings.add(at, here, "its settings are not a mapping", f"write `{{{kind.name}: {{key: value}}}}`")
            return _stand_in(at, context)
        settings = {"name": settings}
        context.findings.positions.note(settings, [at])
    validated = validate_settings(kind, settings or {}, here, at, context)
    return Chosen.model_construct(kind=kind.name, settings=validated, place=context.findings.positions.place(at))


def validate_settings(
    kind: Kind,
    raw: Mapping[str, Any],
    path: Path,
    node: int,
    context: Context,
    *,
    written: Mapping[str, Any] | None = None,
    common: tuple[str, ...] = (),
) -> BaseModel | None:
    """The settings of a kind, or None and a problem for each thing that is wrong.

    Args:
        kind: gives the model.
        raw: the keys that belong to the kind.
        path: the key path of the mapping.
        node: where it stands.
        context: registry and findings.
        written: the mapping as it stands in the file, where it holds keys of others too.
        common: keys that the same mapping may have besides, for "did you mean".
    """
    place_in = raw if written is None else written
    try:
        validated = kind.settings.model_validate(raw)
    except ValidationError as error:
        translate(error, kind.settings, place_in, path=path, node=node, findings=context.findings, extra=common)
        return None
    for key, value in raw.items():
        # Pydantic reads "256" as a number; a spec has one spelling for a number.
        if isinstance(value, str) and isinstance(getattr(validated, key, None), _QUOTABLE):
            at = context.findings.positions.locate(place_in, (key,), node)
            context.findings.add(at, (*path, key), f"{shown(value)} is text", "write it without quotes")
    return validated


def _stand_in(node: int, context: Context) -> Chosen:
    return Chosen.model_construct(kind="", settings=None, place=context.findings.positions.place(node))

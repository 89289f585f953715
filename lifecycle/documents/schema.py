"""The JSON Schema of a spec file, from the domain models and the registry: for editors, and for people.

An editor sees one file, while required keys may stand in another or in a base: the schema therefore requires nothing
at the top. Inside an entry, what `defaults:` may supply is not required either.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lifecycle.documents.entries import FAMILIES, HIDDEN, KIND_KEYS, MODELS
from lifecycle.domain.kinds import Family, Kind, KindRegistry
from lifecycle.domain.spec import SECTIONS, Spec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_VARIABLE: Schema = {"type": "string", "pattern": r"^\$\{var\.[a-z][a-z0-9_]*\}$"}
_CHOICES = {
    ("agents", "runtime"): Family.AGENT_RUNTIME,
    ("agents", "spooler"): Family.SPOOLER,
}
_TYPES = ["string", "integer", "number", "boolean", "list"]


def json_schema(registry: KindRegistry) -> Schema:
    """The schema of one spec file.

    Args:
        registry: every kind that an entry can be.
    """
    definitions: Schema = {"variable": _VARIABLE}
    top = _model_schema(Spec, definitions)
    properties = {name: schema for name, schema in top["properties"].items() if name not in {"origins", *SECTIONS}}
    properties["backend"] = _choice(Family.BACKEND, registry, definitions)
    properties["journal"] = _choice(Family.JOURNAL, registry, definitions)
    properties["secret_stores"] = _named(_choice(Family.SECRET_STORE, registry, definitions))
    for section in SECTIONS:
        properties[section] = _named(_entry(section, registry, definitions))
    for unused in ("Chosen", "Place", *(model.__name__ for model in MODELS.values())):
        definitions.pop(unused, None)
    changes: Schema = {name: {} for name in properties if name not in {"version", "environment"}}
    properties |= {
        "extends": {"type": "string", "description": "the folder this environment inherits from, as ../_base"},
        "vars": _named(_variable_declaration(), r"^[a-z][a-z0-9_]*$"),
        "defaults": _defaults(registry),
        "override": {
            "type": "object",
            "description": "changes to what is inherited: mappings merge, lists and scalars replace, null removes",
            "properties": {**changes, "vars": {}, "defaults": {}},
            "additionalProperties": False,
        },
    }
    return {
        "$schema": DIALECT,
        "title": "A spec file of lifecycle",
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _named(schema: Schema, pattern: str = _NAME) -> Schema:
    """A mapping of names to one kind of thing."""
    return {"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": schema}


def _variable_declaration() -> Schema:
    properties = {"type": {"enum": _TYPES}, "value": {}, "description": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["type"], "additionalProperties": False}


def _defaults(registry: KindRegistry) -> Schema:
    sections = {}
    for section, key in KIND_KEYS.items():
        kinds = registry.names(FAMILIES[section]) if section in FAMILIES else None
        names = {"enum": list(kinds)} if kinds is not None else {"type": "string"}
        what = f"{key} -> fields that every entry of it has unless it says otherwise"
        sections[section] = {
            "type": "object",
            "description": what,
            "propertyNames": names,
            "additionalProperties": {"type": "object"},
        }
    return {"type": "object", "properties": sections, "additionalProperties": False}


def _entry(section: str, registry: KindRegistry, definitions: Schema) -> Schema:
    """An entry; where its kind brings settings of its own, one branch per kind."""
    common = _model_schema(MODELS[section], definitions)
    properties = {name: schema for name, schema in common["properties"].items() if name not in HIDDEN}
    for (owner, field), family in _CHOICES.items():
        if owner == section:
            properties[field] = _choice(family, registry, definitions)
    if section == "allowlists":
        properties["targets"]["items"] = {"enum": list(registry.names(Family.ALLOWLIST_TARGET))}
    if section == "credentials":
        properties["deliver_to"]["items"] = _choice(Family.DESTINATION, registry, definitions)
    if section not in FAMILIES:
        return _closed(properties, [KIND_KEYS[section]] if section in KIND_KEYS else [], common.get("description"))
    kinds = [kind for kind in registry.all() if kind.family is FAMILIES[section]]
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": [kind.name for kind in kinds]}},
        "oneOf": [_kind_branch(kind, properties, definitions) for kind in kinds],
    }


def _kind_branch(kind: Kind, common: Schema, definitions: Schema) -> Schema:
    settings = _model_schema(kind.settings, definitions)
    properties = {**settings.get("properties", {}), **common, "kind": {"const": kind.name}}
    return _closed(properties, ["kind"], kind.summary)


def _choice(family: Family, registry: KindRegistry, definitions: Schema) -> Schema:
    """`{kind: {settings}}`, or the bare kind where it needs none."""
    branches: list[Schema] = []
    bare = []
    for kind in registry.all():
        if kind.family is not family:
            continue
        settings = _model_schema(kind.settings, definitions)
        required = settings.get("required", [])
        if not required:
            bare.append(kind.name)
        inner = _closed(settings.get("properties", {}), required, kind.summary)
        if family is Family.DESTINATION and "name" in kind.settings.model_fields:
            inner = {"anyOf": [inner, {"type": "string"}]}
        branches.append(_closed({kind.name: inner}, [kind.name], None))
    return {"anyOf": [*branches, *([{"enum": bare}] if bare else [])]}


def _closed(properties: Schema, required: list[str], description: str | None) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if description:
        schema["description"] = description
    return schema


def _model_schema(model: type[BaseModel], definitions: Schema) -> Schema:
    """A model's schema, its definitions moved to the shared ones, and variables allowed where they fit."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    for name, definition in schema.pop("$defs", {}).items():
        definitions.setdefault(name, _with_variables(definition))
    return _with_variables(schema)


def _with_variables(schema: Schema) -> Schema:
    """Let `${var.NAME}` stand where a property is anything but plain text."""
    for name, value in schema.get("properties", {}).items():
        plain_text = value.get("type") == "string" and not value.keys() & {"pattern", "enum", "const", "format"}
        if not plain_text and name not in {"version", "environment", "kind", "platform", "targets", "deliver_to"}:
            described = {key: value[key] for key in ("description", "default") if key in value}
            schema["properties"][name] = {**described, "anyOf": [value, {"$ref": "#/$defs/variable"}]}
    return schema

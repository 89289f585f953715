"""Keeps a very large spec small: what entries have in common is held once.

Pydantic gives each model a set of the fields that were written, 200 to 700 bytes each and equal for nearly all
entries of a large spec; many also hold equal parts (the same trust, the same grace). Models are frozen, so equal
ones can be one object: together that is 40 % of a spec of 100,000 accounts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

_MOST_PARTS = 4_096


@dataclass(slots=True)
class Seen:
    """What was seen so far and can be shared."""

    field_sets: dict[frozenset[str], set[str]] = field(default_factory=dict)
    parts: dict[tuple[Any, ...], BaseModel] = field(default_factory=dict)


def share_parts(model: BaseModel, seen: Seen) -> None:
    """Replace what a model just validated holds by equal objects seen before.

    Args:
        model: an entry; it stays equal to what it was.
        seen: grows.
    """
    fields = model.__pydantic_fields_set__
    object.__setattr__(model, "__pydantic_fields_set__", seen.field_sets.setdefault(frozenset(fields), fields))
    for name, value in model.__dict__.items():
        if isinstance(value, BaseModel):
            share_parts(value, seen)
            model.__dict__[name] = _shared(value, seen)
        elif value.__class__ is tuple and value and isinstance(value[0], BaseModel):
            for item in value:
                share_parts(item, seen)


def _shared(part: BaseModel, seen: Seen) -> BaseModel:
    """An equal part of the same class, or this one."""
    key = (part.__class__, *part.__dict__.values())
    try:
        known = seen.parts.get(key)
    except TypeError:  # it holds a mapping
        return part
    if known is None:
        if len(seen.parts) < _MOST_PARTS:
            seen.parts[key] = part
        return part
    # Pydantic tells models apart by what was written, too; 1 and true are equal keys, but never of the same field.
    return known if known.__pydantic_fields_set__ == part.__pydantic_fields_set__ else part

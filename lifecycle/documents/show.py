"""Every resolved value of a spec with the place it comes from: what `lifecycle spec show --origin` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from lifecycle.documents.findings import shown
from lifecycle.domain.errors import Place
from lifecycle.domain.secret import SecretText
from lifecycle.domain.spec import Chosen, Spec

# Fields that are no part of what is written: the name is in the key path, the place is the origin.
_LEFT_OUT = frozenset(["place", "origins"])
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownValue:
    """One value of the resolved spec. `origin` is None for what the product itself defaults to."""

    key_path: str
    value: str
    origin: Place | None

    def line(self, *, origins: bool) -> str:
        """As one line of text."""
        text = f"{self.key_path}: {self.value}"
        return f"{text}  # {self.origin or 'built-in default'}" if origins else text


def show(spec: Spec) -> tuple[ShownValue, ...]:
    """Every value of a spec, in the order of the spec; entries by name.

    Args:
        spec: from `load_spec`.
    """
    origins: Mapping[str, Place] = spec.origins if spec.origins is not None else {}
    return tuple(
        ShownValue(key_path=path, value=text, origin=_origin(path, origins)) for path, text in _values(spec, "")
    )


def _origin(path: str, origins: Mapping[str, Place]) -> Place | None:
    """Where a value was written; a name may be written as the whole of its kind's settings."""
    if path not in origins and ".deliver_to." in path and path.endswith(".name"):
        path = path.removesuffix(".name")
    return origins.get(path)


def _values(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Chosen):
        yield from (
            _values(value.settings, f"{path}.{value.kind}") if _has_fields(value.settings) else ((path, value.kind),)
        )
    elif isinstance(value, BaseModel):
        yield from _fields(value, path)
    elif isinstance(value, Mapping):
        if not value and path:
            yield path, "{}"
        for key, item in value.items():
            yield from _values(item, _below(path, str(key)))
    elif isinstance(value, tuple | list):
        if not value:
            yield path, "[]"
        for index, item in enumerate(value):
            yield from _values(item, _below(path, str(index)))
    elif value is not None:
        yield path, _text(value)


def _has_fields(settings: Any) -> bool:
    return isinstance(settings, BaseModel) and bool(type(settings).model_fields)


def _fields(model: BaseModel, path: str) -> Iterator[tuple[str, str]]:
    fields = type(model).model_fields
    if not fields and path:
        yield path, "{}"
    for name, field in fields.items():
        if name in _LEFT_OUT or (name == "name" and "place" in fields):
            continue
        # The settings of a kind are written beside the common fields.
        here = path if name == "settings" and "place" in fields else _below(path, field.alias or name)
        yield from _values(getattr(model, name), here)


def _below(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def _text(value: object) -> str:
    """A scalar in the spelling of the spec."""
    if isinstance(value, SecretText):
        return "(not shown)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, date):
        return value.isoformat()
    # The loader refuses secrets; a last look costs little where values are printed.
    return "(not shown)" if isinstance(value, str) and "not shown" in shown(value) and len(value) <= 80 else str(value)


def duration(value: timedelta) -> str:
    """A duration as the spec writes it: `30d`, `1h30m`."""
    rest, text = int(value.total_seconds()), ""
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"

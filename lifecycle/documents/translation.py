"""Tells a validation error in the words of the spec: place, key path, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lifecycle.documents.findings import Findings, shown, suggestion
from lifecycle.documents.positions import Path
from lifecycle.documents.secret_shapes import looks_secret

_EXPECTED = re.compile(r"'([^']*)'")
_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

# The beginning of pydantic's error type -> what is wrong (after the value) and how to write it.
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("string_type", "is not text", "quote it"),
    ("string_too_short", "must not be empty", "write a text"),
    ("too_short", "must not be empty", "name at least one"),
    ("int", "is not a whole number", "write it without quotes, as 443"),
    ("float", "is not a number", "write it without quotes, as 0.5"),
    ("bool", "is not a boolean", "write true or false"),
    ("date", "is not a date", "write it as 2027-03-01"),
    ("tuple_type", "is not a list", "write it as `[a, b]` or as lines that start with `- `"),
    ("list_type", "is not a list", "write it as `[a, b]` or as lines that start with `- `"),
    ("set_type", "is not a list", "write it as `[a, b]` or as lines that start with `- `"),
    ("model", "is not a mapping", "write it as `{key: value}` or as indented lines"),
    ("dict_type", "is not a mapping", "write it as `{key: value}` or as indented lines"),
    ("mapping_type", "is not a mapping", "write it as `{key: value}` or as indented lines"),
)


def translate(
    error: ValidationError,
    model: type[BaseModel],
    raw: Any,
    *,
    path: Path,
    node: int,
    findings: Findings,
    extra: Sequence[str] = (),
    hidden: frozenset[str] = frozenset(),
    partial: bool = False,
) -> None:
    """Note each error of a model at the place of the value that caused it.

    Args:
        error: what pydantic found.
        model: the model that was validated.
        raw: the value as written.
        path: its key path.
        node: where its key stands.
        findings: where problems go.
        extra: further keys that are allowed beside the model's own (of another model that shares the mapping).
        hidden: fields of the model that are not written by people.
        partial: not everything could be read, so that a missing key means nothing.
    """
    for item in error.errors(include_url=False, include_input=False):
        if len(item["loc"]) == 1 and (item["loc"][0] in hidden or (partial and item["type"] == "missing")):
            continue
        written, value = _follow(raw, item["loc"])
        message, remedy, step = _words(item, model, written, value, extra=extra, hidden=hidden)
        at = findings.positions.locate(raw, written, node)
        findings.add(at, (*path, *written, *step), message, remedy)


def allowed_keys(model: type[BaseModel], hidden: frozenset[str] = frozenset()) -> list[str]:
    """The keys a mapping of this model may have, as written."""
    return [field.alias or name for name, field in model.model_fields.items() if name not in hidden]


def _follow(raw: Any, loc: tuple[int | str, ...]) -> tuple[Path, Any]:
    """The steps of a location that were written (unions and validators add others), and the value there."""
    path: list[str | int] = []
    for step in loc:
        if isinstance(raw, dict) and step in raw:
            raw = raw[step]
        elif isinstance(raw, list) and isinstance(step, int) and step < len(raw):
            raw = raw[step]
        else:
            continue
        path.append(step)
    return tuple(path), raw


def _words(
    item: Any, model: type[BaseModel], written: Path, value: Any, *, extra: Sequence[str], hidden: frozenset[str]
) -> tuple[str, str, Path]:
    """Message, remedy, and the step that is missing from the path as written."""
    kind = str(item["type"])
    if kind == "missing":
        key = str(item["loc"][-1])
        return "is required", f"add `{key}:`", (key,)
    if kind == "extra_forbidden":
        owner = _model_at(model, written[:-1])
        names = allowed_keys(owner, hidden) if owner else []
        return "unknown key", suggestion(written[-1], [*names, *(extra if len(written) == 1 else ())]), ()
    message, remedy = _value_words(item, kind, value)
    return message, remedy, ()


def _value_words(item: Any, kind: str, value: Any) -> tuple[str, str]:
    context = item.get("ctx", {})
    if value is None:
        return "has no value", "write one, or remove the key"
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", ""))
        return f"{shown(value)} is not one of the choices", suggestion(value, _EXPECTED.findall(expected) or [expected])
    if kind == "string_pattern_mismatch":
        return _pattern_words(str(context.get("pattern", "")), value)
    for start, words, remedy in _WORDS:
        if kind.startswith(start):
            return f"{shown(value)} {words}", remedy
    return _other_words(str(item["msg"]), kind, value, context)


def _pattern_words(pattern: str, value: Any) -> tuple[str, str]:
    if pattern == _NAME_PATTERN:
        return f"{shown(value)} is not a name", "use up to 63 small letters, digits and inner hyphens"
    if pattern.startswith("^arn"):
        return f"{shown(value)} is not an ARN", "write it as arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"
    if pattern == r"^\d{12}$":
        return f"{shown(value)} is not an AWS account id", "write its 12 digits in quotes"
    return f"{shown(value)} does not have the right form", f"it must match {pattern}"


def _other_words(text: str, kind: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    limit = next((context[key] for key in ("ge", "gt", "le", "lt", "max_length") if key in context), None)
    if kind.startswith(("greater", "less")):
        side = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}
        return f"{shown(value)} is out of range", f"it must be {side.get(kind, 'less than')} {limit}"
    text = text.removeprefix("Value error, ")
    if any(looks_secret(word) for word in text.split()):
        text = "is not valid"
    text = text[:1].lower() + text[1:]
    message, colon, remedy = text.partition(": ")
    what = f"{shown(value)} {message}" if message.startswith(("is ", "must ", "has ")) else message
    return what, remedy if colon else "see `lifecycle schema` for what is allowed here"


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the mapping at a path inside another model."""
    annotation: Any = model
    for step in path:
        found = next(_models(annotation), None)
        if found is not None and isinstance(step, str):
            fields = {field.alias or name: field for name, field in found.model_fields.items()}
            annotation = fields[step].annotation if step in fields else None
        # A list item or a named thing has the type that its container was declared with: _models looks inside.
    return next(_models(annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model named in an annotation, outermost first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, Annotated} or get_origin(annotation) is not None:
        if get_origin(annotation) is not Literal:
            for argument in get_args(annotation):
                yield from _models(argument)


def choices_of(annotation: Any) -> list[str]:
    """The values of a Literal or an enumeration, as text; empty for anything else."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []

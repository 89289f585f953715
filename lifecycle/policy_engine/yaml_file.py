"""Reads one YAML file of the policy bundle strictly: duplicate keys and anything but plain data are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lifecycle.domain.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)

_REMEDY = "correct the file, then run `lifecycle policy test`"


def read_yaml(path: Path) -> Any:
    """Plain data of one file.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML, or a key stands twice; names file, line and column.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=loader)
        if node is None:
            return None
        _refuse_duplicates(path, node)
        return yaml.load(text, Loader=loader)  # noqa: S506 - the loader is one of the two safe ones
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else path.name
        raise ConfigurationError(f"policy file {where}: {error.problem}", remedy=_REMEDY) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"policy file {path.name} cannot be read: {error}", remedy=_REMEDY) from error


def record_lines(path: Path) -> tuple[int, ...]:
    """The line on which each record of a list of records begins; for a file that `read_yaml` could read."""
    import yaml

    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    return tuple(item.start_mark.line + 1 for item in items)


def validated(path: Path, model: type[Model], items: Any) -> tuple[Model, ...]:
    """A list of records as models.

    Raises:
        ConfigurationError: it is not a list, or a record has an unknown, missing or wrong field.
    """
    if not isinstance(items, list):
        raise ConfigurationError(f"policy file {path.name}: expected a list of records", remedy=_REMEDY)
    found: list[Model] = []
    for number, item in enumerate(items, start=1):
        try:
            found.append(model.model_validate(item))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            label = item.get("id", f"record {number}") if isinstance(item, dict) else f"record {number}"
            line = record_lines(path)[number - 1]
            message = f"policy file {path.name}:{line}: {label}: {field}: {first['msg']}"
            raise ConfigurationError(message, remedy=_REMEDY) from error
    return tuple(found)


def _refuse_duplicates(path: Path, node: Any) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                where = f"{path.name}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                raise ConfigurationError(f"policy file {where}: {key.value!r} stands twice", remedy=_REMEDY)
            seen.add(key.value)
            _refuse_duplicates(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(path, value)

"""The spec of one environment: read, inherit, validate, cross-check; every problem of every file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lifecycle.documents.choices import Context, choose
from lifecycle.documents.constructor import paused_collector
from lifecycle.documents.defaults import defaults_of
from lifecycle.documents.entries import EntryBuilder
from lifecycle.documents.findings import Findings, suggestion
from lifecycle.documents.inheritance import Resolved, resolve
from lifecycle.documents.loader import Folder, read_folder
from lifecycle.documents.origins import Origins
from lifecycle.documents.positions import ROOT, Positions
from lifecycle.documents.references import ReferenceChecker
from lifecycle.documents.translation import translate
from lifecycle.domain.kinds import Family, KindRegistry
from lifecycle.domain.spec import SECTIONS, Spec

# Keys of the files that are used up here and are no part of the resolved spec.
_CONSUMED = frozenset(["extends", "override", "vars", "defaults"])
_HIDDEN = frozenset(["origins"])
_TOP_LEVEL = (*(name for name in Spec.model_fields if name not in _HIDDEN), *sorted(_CONSUMED))


def load_spec(folder: Path, registry: KindRegistry, *, root: Path) -> Spec:
    """Read one environment.

    Args:
        folder: `environments/NAME`.
        registry: every kind that an entry can be.
        root: the checkout; places are relative to it.

    Raises:
        ConfigurationError: with all problems of all files, sorted by place.
    """
    with paused_collector():
        findings = Findings(Positions())
        own = read_folder(folder, root, findings)
        resolved = resolve(own, lambda written, node: base_folder(folder, written, node, root, findings), findings)
        spec = _Builder(resolved, Context(registry=registry, findings=findings)).build(folder.resolve().name)
        findings.raise_if_any(own.name)
    assert spec is not None, "a spec that could not be built left no problem"  # noqa: S101 - an invariant of _Builder
    return spec


def base_folder(folder: Path, written: str, node: int, root: Path, findings: Findings) -> Folder | None:
    """The folder that `extends:` names, which must lie inside the checkout; None and a problem otherwise."""
    target = (folder / written).resolve()
    if Path(written).is_absolute() or not target.is_relative_to(root.resolve()) or target == folder.resolve():
        findings.add(node, ("extends",), "does not name another folder of this checkout", "write `extends: ../_base`")
    elif not target.is_dir():
        findings.add(node, ("extends",), "names a folder that does not exist", "correct the path or create the folder")
    else:
        return read_folder(target, root, findings)
    return None


class _Builder:
    def __init__(self, resolved: Resolved, context: Context) -> None:
        self._resolved = resolved
        self._values = resolved.values
        self._context = context
        self._findings = context.findings

    def build(self, folder_name: str) -> Spec | None:
        """The spec, or None when problems were noted."""
        fields = self._top_level()
        owner = fields["owner"] if isinstance(fields.get("owner"), str) else ""
        checker = ReferenceChecker(self._values, self._context) if self._resolved.complete else None
        defaults = defaults_of(self._values, self._context)
        for section in SECTIONS:
            entries = self._mapping(section)
            builder = EntryBuilder(section, defaults.get(section, ({}, 0)), owner, checker, self._context)
            fields[section] = builder.build(entries, self._findings.positions.locate(self._values, (section,)))
        if self._resolved.complete:
            self._check_whole(fields, folder_name)
        if self._findings.problems:
            self._validate({**fields, **{section: {} for section in SECTIONS}})
            return None
        fields["origins"] = Origins(self._resolved.own, self._resolved.base)
        return self._validate(fields)

    def _top_level(self) -> dict[str, Any]:
        """Every field outside the sections; unknown keys are noted."""
        fields: dict[str, Any] = {}
        for key, value, node in self._findings.positions.by_key(self._values, ROOT):
            if key in SECTIONS or key in _CONSUMED:
                continue
            if key not in _TOP_LEVEL:
                self._findings.add(node, (key,), "unknown key", suggestion(key, _TOP_LEVEL))
            elif key == "backend":
                fields[key] = choose(value, Family.BACKEND, (key,), node, self._context)
            elif key == "journal":
                fields[key] = choose(value, Family.JOURNAL, (key,), node, self._context)
            elif key == "secret_stores":
                fields[key] = {
                    name: choose(item, Family.SECRET_STORE, (key, name), at, self._context)
                    for name, item, at in self._findings.positions.by_key(self._mapping(key), node)
                }
            else:
                fields[key] = value
        return fields

    def _mapping(self, key: str) -> dict[str, Any]:
        """A top-level mapping of named things; empty, with a problem, when it is something else."""
        value = self._values.get(key, {})
        if isinstance(value, dict):
            return value
        node = self._findings.positions.locate(self._values, (key,))
        self._findings.add(node, (key,), "is not a mapping", "write a name for each entry, or remove the key")
        return {}

    def _check_whole(self, fields: dict[str, Any], folder_name: str) -> None:
        """What can only be said when every file could be read."""
        environment = fields.get("environment")
        if isinstance(environment, str) and environment != folder_name:
            self._add("environment", f"is not the name of its folder, `{folder_name}`", "make the two the same")
        if fields.get("sandbox") is None and "journal" not in fields:
            self._add("journal", "is required outside the sandbox", "add `journal: {dynamodb: {table: ...}}`")

    def _add(self, key: str, message: str, remedy: str) -> None:
        # What is missing has no place of its own: it stands at the beginning of the first file.
        node = self._findings.positions.locate(self._values, (key,))
        self._findings.add(node, (key,), message, remedy)

    def _validate(self, fields: dict[str, Any]) -> Spec | None:
        try:
            return Spec.model_validate(fields)
        except ValidationError as error:
            partial = not self._resolved.complete
            translate(
                error, Spec, self._values, path=(), node=0, findings=self._findings, hidden=_HIDDEN, partial=partial
            )
        return None

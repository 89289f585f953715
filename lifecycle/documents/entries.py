"""Named entries: defaults of their kind, the owner they inherit, their kind's settings; each one becomes a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from lifecycle.documents.choices import Context, choose, validate_settings
from lifecycle.documents.compaction import Seen, share_parts
from lifecycle.documents.findings import suggestion
from lifecycle.documents.positions import Path
from lifecycle.documents.references import ReferenceChecker
from lifecycle.documents.translation import allowed_keys, translate
from lifecycle.domain.kinds import Family
from lifecycle.domain.spec import Agent, Allowlist, Connector, Credential, Entry, Manage, ServiceAccount
from lifecycle.domain.value_life import LIFE, LIFE_REMEDY, too_short_a_life

MODELS: dict[str, type[Entry]] = {
    "service_accounts": ServiceAccount,
    "allowlists": Allowlist,
    "agents": Agent,
    "credentials": Credential,
    "connectors": Connector,
}
# The key that says what an entry is: `defaults:` are per value of it.
KIND_KEYS = {"service_accounts": "platform", "agents": "kind", "credentials": "kind", "connectors": "kind"}
FAMILIES = {"credentials": Family.ISSUER, "connectors": Family.CONNECTOR}
# Fields that are not written by people.
HIDDEN = frozenset(["name", "place", "settings"])

_COMMON = {section: tuple(allowed_keys(model, HIDDEN)) for section, model in MODELS.items()}
_CHOICES = {"runtime": Family.AGENT_RUNTIME, "spooler": Family.SPOOLER}


class EntryBuilder:
    """Builds the entries of one section.

    Args:
        section: its key in the spec.
        defaults: what `defaults:` says about this section, by kind, and its node.
        owner: the owner of entries that name none; empty when the spec has none either.
        checker: checks references; None when a file is missing, as every reference to it would be wrong.
        context: registry and findings.
    """

    def __init__(
        self,
        section: str,
        defaults: tuple[dict[str, Any], int],
        owner: str,
        checker: ReferenceChecker | None,
        context: Context,
    ) -> None:
        self._section = section
        self._model = MODELS[section]
        self._kind_key = KIND_KEYS.get(section)
        self._defaults = {
            kind: (fields, node)
            for kind, fields, node in context.findings.positions.by_key(*defaults)
            if isinstance(fields, dict)
        }
        self._seen = Seen()
        self._owner = owner
        self._checker = checker
        self._context = context
        self._findings = context.findings
        self._common = _COMMON[section]

    def build(self, entries: dict[str, Any], section_node: int) -> dict[str, Entry]:
        """Every entry that is valid; the others leave problems."""
        built: dict[str, Entry] = {}
        for name, raw, node in self._findings.positions.by_key(entries, section_node):
            entry = self._one(name, raw, node)
            # The model has taken over: a large spec is not held twice.
            entries[name] = None
            if entry is not None:
                share_parts(entry, self._seen)
                built[name] = entry
        return built

    def _one(self, name: str, raw: Any, node: int) -> Entry | None:
        path = (self._section, name)
        if not isinstance(raw, dict):
            self._findings.add(node, path, "is not a mapping", "write the fields of the entry under its name")
            return None
        if not self._defaults:
            return self._validated(raw, path, node)
        whole = self._with_default(raw, node)
        try:
            return self._validated(whole, path, node)
        finally:
            if whole is not raw:
                self._findings.positions.forget(whole)

    def _validated(self, raw: dict[str, Any], path: tuple[str, str], node: int) -> Entry | None:
        name = path[1]
        if self._checker is not None:
            self._checker.check(self._section, name, raw, node)
        fields = self._fields(raw, path, node) if self._section in FAMILIES or self._section == "agents" else dict(raw)
        if self._section not in FAMILIES and not HIDDEN.isdisjoint(raw):
            self._refuse_hidden(raw, path, node)
        fields["name"] = name
        fields["place"] = self._findings.positions.place(node)
        if "owner" not in fields:
            fields["owner"] = self._owner
            if not self._owner:
                self._findings.add(node, path, "names no owner", "add `owner:` here or at the top of the spec")
        try:
            entry = self._model.model_validate(fields)
        except ValidationError as error:
            self._translate(error, raw, path, node)
            return None
        if entry.manage is not Manage.OWN or entry.existing is not None:
            self._check_manage(entry, raw, path, node)
        if self._section == "allowlists":
            self._check_targets(raw, path, node)
        if isinstance(entry, Credential):
            self._check_life(entry, raw, path, node)
        return entry

    def _check_life(self, entry: Credential, raw: dict[str, Any], path: Path, node: int) -> None:
        why = too_short_a_life(entry)
        if why:
            at = self._findings.positions.locate(raw, (LIFE,), node)
            self._findings.add(at, (*path, LIFE), why, LIFE_REMEDY)

    def _with_default(self, raw: dict[str, Any], node: int) -> dict[str, Any]:
        """The entry with what its kind's defaults add; a key of the entry replaces that of the defaults as a whole."""
        kind = raw.get(self._kind_key or "")
        default, default_node = self._defaults.get(kind, ({}, 0)) if isinstance(kind, str) else ({}, 0)
        if default.keys() <= raw.keys():
            return raw
        positions = self._findings.positions
        nodes = {key: at for key, _, at in positions.by_key(default, default_node)}
        nodes.update((key, at) for key, _, at in positions.by_key(raw, node))
        merged = {**default, **raw}
        positions.note(merged, (nodes[key] for key in merged))
        return merged

    def _fields(self, raw: dict[str, Any], path: Path, node: int) -> dict[str, Any]:
        """The model's input for sections whose entries hold settings of kinds."""
        if self._section == "agents":
            return {key: self._chosen(key, value, raw, path, node) for key, value in raw.items()}
        common = self._common
        fields = {key: value for key, value in raw.items() if key in common}
        fields["settings"] = self._settings(raw, path, node)
        if "deliver_to" in fields and isinstance(fields["deliver_to"], list):
            at = self._findings.positions.locate(raw, ("deliver_to",), node)
            fields["deliver_to"] = list(self._destinations(fields["deliver_to"], path, at))
        return fields

    def _chosen(self, key: str, value: Any, raw: dict[str, Any], path: Path, node: int) -> Any:
        if key not in _CHOICES:
            return value
        at = self._findings.positions.locate(raw, (key,), node)
        return choose(value, _CHOICES[key], (*path, key), at, self._context)

    def _destinations(self, items: list[Any], path: Path, node: int) -> Iterator[Any]:
        nodes = self._findings.positions.nodes_of(items, node)
        for index, (item, at) in enumerate(zip(items, nodes, strict=True)):
            yield choose(item, Family.DESTINATION, (*path, "deliver_to", index), at, self._context)

    def _settings(self, raw: dict[str, Any], path: Path, node: int) -> BaseModel | None:
        family, name = FAMILIES[self._section], raw.get("kind")
        if not isinstance(name, str):
            return None  # the model says that `kind` is missing or not text
        kind = self._context.registry.find(family, name)
        if kind is None:
            at = self._findings.positions.locate(raw, ("kind",), node)
            known = self._context.registry.names(family)
            self._findings.add(at, (*path, "kind"), "is not a known kind", suggestion(name, known))
            return None
        own = {key: value for key, value in raw.items() if key not in self._common}
        return validate_settings(kind, own, path, node, self._context, written=raw, common=self._common)

    def _translate(self, error: ValidationError, raw: Any, path: Path, node: int) -> None:
        """Errors about the entry's own name, which is no field of what is written, stand at the name."""
        if any(item["loc"] == ("name",) for item in error.errors(include_url=False, include_input=False)):
            remedy = "use up to 63 small letters, digits and inner hyphens"
            self._findings.add(node, path, "is not a name", remedy)
        translate(error, self._model, raw, path=path, node=node, findings=self._findings, hidden=HIDDEN)

    def _refuse_hidden(self, raw: dict[str, Any], path: Path, node: int) -> None:
        for key in sorted(HIDDEN & raw.keys()):
            at = self._findings.positions.locate(raw, (key,), node)
            self._findings.add(at, (*path, key), "unknown key", suggestion(key, self._common))

    def _check_manage(self, entry: Entry, raw: dict[str, Any], path: Path, node: int) -> None:
        """What exists already is not created: `existing` and `manage: own` exclude each other."""
        if entry.existing is not None and entry.manage is Manage.OWN:
            at = self._findings.positions.locate(raw, ("existing",), node)
            remedy = "add `manage: observe`, `verify` or `rotate`, or remove `existing:`"
            self._findings.add(at, (*path, "existing"), "we would create this entry although it exists", remedy)
        elif entry.existing is None and self._section == "service_accounts":
            at = self._findings.positions.locate(raw, ("manage",), node)
            remedy = "add `existing: {role_arn: ...}` (or whatever identifies it), or remove `manage:`"
            self._findings.add(
                at, (*path, "manage"), "we do not create this entry, and it says not what exists", remedy
            )

    def _check_targets(self, raw: dict[str, Any], path: Path, node: int) -> None:
        known = self._context.registry.names(Family.ALLOWLIST_TARGET)
        for index, target in enumerate(raw["targets"]):
            if target not in known:
                at = self._findings.positions.locate(raw, ("targets", index), node)
                self._findings.add(at, (*path, "targets", index), "is not a known target", suggestion(target, known))

"""Cross references: every name that an entry gives for another must be defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.documents.choices import Context
from lifecycle.documents.findings import shown, suggestion
from lifecycle.documents.positions import Path
from lifecycle.domain.kinds import Family
from lifecycle.domain.spec import SECTIONS

NO_PROXY = "direct"
TARGETS = (*SECTIONS, "datarobot", "secret_stores")

# Section -> field -> (what it names, what it means when it is not written).
_FIELDS: dict[str, dict[str, tuple[str, str | None]]] = {
    "agents": {
        "service_account": ("service_accounts", None),
        "egress": ("allowlists", None),
        "api_token": ("credentials", None),
        "datarobot": ("datarobot", "default"),
    },
    "credentials": {"store": ("secret_stores", "default")},
    "connectors": {"credential": ("credentials", None), "through": ("allowlists", None)},
}
_CHOICES = {"runtime": Family.AGENT_RUNTIME, "spooler": Family.SPOOLER}

Reference = tuple[Path, object, str]


class ReferenceChecker:
    """Checks what entries name, as written: an entry that is wrong in another way is checked all the same.

    Args:
        values: the resolved tree.
        context: registry and findings.
    """

    def __init__(self, values: Mapping[str, Any], context: Context) -> None:
        written = {name: values.get(name) for name in TARGETS}
        self._defined: dict[str, Mapping[str, Any]] = {
            name: names if isinstance(names, dict) else {} for name, names in written.items()
        }
        self._context = context

    def check(self, section: str, name: str, raw: Mapping[str, Any], node: int) -> None:
        """Note each reference of one entry that leads nowhere."""
        findings = self._context.findings
        for path, target, wanted in self._references(section, raw):
            if isinstance(target, str) and target not in self._defined[wanted]:
                at = findings.positions.locate(raw, path, node)
                message = f"{shown(target)} is not defined in `{wanted}`"
                findings.add(at, (section, name, *path), message, suggestion(target, self._defined[wanted]))
        old = raw.get("renamed_from")
        if isinstance(old, str) and old in self._defined[section]:
            at = findings.positions.locate(raw, ("renamed_from",), node)
            message = f"{shown(old)} still is an entry of its own"
            findings.add(at, (section, name, "renamed_from"), message, "remove the old entry, or `renamed_from:`")

    def _references(self, section: str, raw: Mapping[str, Any]) -> Iterator[Reference]:
        for field, (wanted, default) in _FIELDS.get(section, {}).items():
            target = raw.get(field, default)
            if not (field == "through" and target == NO_PROXY):
                yield (field,), target, wanted
        if section == "agents":
            for field, family in _CHOICES.items():
                yield from self._of_choice((field,), raw.get(field), family)
        elif section == "credentials":
            yield from self._of_kind((), raw, Family.ISSUER, raw.get("kind"))
            yield from self._of_lists(raw)
        elif section == "connectors":
            yield from self._of_kind((), raw, Family.CONNECTOR, raw.get("kind"))

    def _of_lists(self, raw: Mapping[str, Any]) -> Iterator[Reference]:
        consumers, destinations = raw.get("consumers"), raw.get("deliver_to")
        for index, consumer in enumerate(consumers if isinstance(consumers, list) else ()):
            if isinstance(consumer, dict):
                yield ("consumers", index, "agent"), consumer.get("agent"), "agents"
        for index, chosen in enumerate(destinations if isinstance(destinations, list) else ()):
            yield from self._of_choice(("deliver_to", index), chosen, Family.DESTINATION)

    def _of_choice(self, path: Path, chosen: Any, family: Family) -> Iterator[Reference]:
        if isinstance(chosen, dict):
            for name, settings in chosen.items():
                fields = {"name": settings} if isinstance(settings, str) else settings
                if isinstance(fields, dict):
                    yield from self._of_kind((*path, name), fields, family, name)

    def _of_kind(self, path: Path, raw: Mapping[str, Any], family: Family, name: Any) -> Iterator[Reference]:
        kind = self._context.registry.find(family, name) if isinstance(name, str) else None
        if kind is None or not kind.references:
            return
        for field, wanted in kind.references.items():
            value = raw.get(field)
            if value is None and field in kind.settings.model_fields:
                value = kind.settings.model_fields[field].default
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield (*path, field, index), item, wanted
            else:
                yield (*path, field), value, wanted

"""Rules that a reviewer writes himself: `when` and `must` in CEL, in the same catalogue as the coded ones.

    - id: LC-ORG-001
      ...
      over: change                     # change, service_account, allowlist_entry, credential, agent, connector, spec
      types: [aws_sqs_queue]           # of changes only
      when: change.action != "delete"  # left out: always
      must: has(change.after.tags)
      message: "{address} has no tags"

An expression sees the object under the name of `over`, and `environment`, `sandbox`, `today` and `parameters`. It fails
closed: an attribute that is known only after apply is "not passed"; a missing field, a wrong type or a result that is
not true or false is an engine error. The engine bounds nothing, so what could run long is refused when the rule is
loaded: one list function inside another, and expressions beyond 2,000 characters. What remains is linear; and since a
long list is long all the same, it runs in a process that is killed when it stands still (see `killable`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.plan import ResourceChange
from lifecycle.policy_engine.catalogue import CatalogueEntry, Subject
from lifecycle.policy_engine.hosts import malformed, network, open_to_all
from lifecycle.policy_engine.rule import (
    ChangeRule,
    Observation,
    Rule,
    RuleContext,
    SpecRule,
    UnknownValueError,
    unknown,
)

LONGEST = 2000
_COMMON = frozenset({"environment", "sandbox", "today", "parameters"})
_STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_LISTING = re.compile(r"\.(?:all|exists_one|exists|map|filter)\s*\(")
_LOCAL = re.compile(r"\.(?:all|exists_one|exists|map|filter)\s*\(\s*(\w+)\s*,")
_AFTER = re.compile(r"\bafter\b(?:\.(\w+)\b(?!\s*\()|\[\s*[\"'](\w+)[\"']\s*\])?")
_BEFORE = re.compile(_AFTER.pattern.replace("after", "before"))
# The change under another name than its own: as a whole, or by a key that is not written out.
_WHOLE = re.compile(r"\bchange\b(?!\s*\.\s*\w)")
_CHANGE_FIELDS = frozenset({"address", "type", "action", "entry", "provider"})
_STANDARD = frozenset(
    "size contains startsWith endsWith matches int uint double string bytes bool duration timestamp has type dyn"
    " getFullYear getMonth getDate getDayOfMonth getDayOfWeek getHours getMinutes getSeconds".split()
)


def _prefix_length(text: str) -> int:
    found = network(text)
    if found is None:
        raise ValueError("no address range")
    return int(found.prefixlen)


_FUNCTIONS: Mapping[str, Any] = {
    "cidr_open": open_to_all,
    "prefix_length": _prefix_length,
    "host_problem": malformed,
    "matches_any": lambda text, patterns: any(fnmatchcase(text, pattern) for pattern in patterns),
    "days": lambda span: int(span.total_seconds() // 86400),
}


class _Expression:
    """One compiled expression of one rule."""

    def __init__(self, entry: CatalogueEntry, field: str, source: str, subject: str) -> None:
        self._label = f"policy file {entry.place}: rule {entry.id}: {field}"
        self._check_bounds(source)
        self._program = self._compiled(source, subject)

    def holds(self, context: Any) -> bool:
        """Evaluate. Raises ValueError when the result is neither true nor false."""
        result = self._program.execute(context)
        if not isinstance(result, bool):
            raise ValueError(f"it gives {type(result).__name__}, neither true nor false")
        return result

    def _check_bounds(self, source: str) -> None:
        if len(source) > LONGEST:
            raise self._wrong(f"is longer than {LONGEST} characters")
        bare = _STRINGS.sub('""', source)
        depths: list[bool] = []
        position = 0
        while position < len(bare):
            listing = _LISTING.match(bare, position)
            if listing:
                if any(depths):
                    raise self._wrong("has one list function inside another, which could run for hours")
                depths.append(True)
                position = listing.end()
                continue
            if bare[position] == "(":
                depths.append(False)
            elif bare[position] == ")" and depths:
                depths.pop()
            position += 1

    def _compiled(self, source: str, subject: str) -> Any:
        import cel

        try:
            program = cel.compile(source)
        except ValueError as error:
            raise self._wrong(f"cannot be read: {str(error).splitlines()[0]}") from None
        local = set(_LOCAL.findall(_STRINGS.sub('""', source)))
        strange = set(program.variables()) - _COMMON - {subject} - local
        if strange:
            raise self._wrong(f"uses {', '.join(sorted(strange))}; known are {subject}, {', '.join(sorted(_COMMON))}")
        named = {name for name in program.functions() if name.isidentifier() and not name.startswith("_")}
        missing = named - _STANDARD - _FUNCTIONS.keys()
        if missing:
            raise self._wrong(f"uses the unknown function {', '.join(sorted(missing))}")
        return program

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._label} {what}", remedy="see docs/policies.md, then `lifecycle policy test`")


def cel_rule(entry: CatalogueEntry) -> Rule:
    """The rule of one catalogue record with a `must`.

    Raises:
        ConfigurationError: an expression cannot be read, is unbounded, or uses what does not exist.
    """
    over = entry.over or "spec"
    when = _Expression(entry, "when", entry.when, over) if entry.when else None
    must = _Expression(entry, "must", entry.must, over)
    _check_message(entry, ("address", "type", "entry") if over == "change" else ("entry",))
    text = f"{entry.when} {entry.must}"
    read = tuple(_AFTER.findall(text))
    after, before, fields = _shown(text, _AFTER), _shown(text, _BEFORE), _fields(text, over)
    kinds = {name: type(value) for name, value in entry.parameters.items()}

    bind = _Binder(over)

    def over_change(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
        _refuse_unknown(change, read)
        seen = bind(context, _change_document(change, fields, before=before, after=after))
        if (when is None or when.holds(seen)) and not must.holds(seen):
            names = {"address": change.address, "type": change.type, "entry": change.entry}
            yield Observation(message=entry.message.format(**names), change=change)

    def over_spec(context: RuleContext) -> Iterator[Observation]:
        for path, document in _objects(context, over, fields):
            seen = bind(context, document)
            if (when is None or when.holds(seen)) and not must.holds(seen):
                yield Observation(message=entry.message.format(entry=path or "the spec"), key_path=path)

    if over == "change":
        return ChangeRule(id=entry.id, check=over_change, types=entry.types or ("*",), parameters=kinds)
    return SpecRule(id=entry.id, check=over_spec, parameters=kinds)


def cel_rules(entries: Iterable[CatalogueEntry]) -> tuple[Rule, ...]:
    """Every record that brings its own expression."""
    return tuple(cel_rule(entry) for entry in entries if entry.must)


def _check_message(entry: CatalogueEntry, names: tuple[str, ...]) -> None:
    try:
        entry.message.format(**dict.fromkeys(names, ""))
    except (KeyError, IndexError, ValueError, AttributeError):
        known = ", ".join(f"{{{name}}}" for name in names)
        message = f"policy file {entry.place}: rule {entry.id}: message may use {known}, nothing else"
        raise ConfigurationError(message, remedy="correct the message of the rule") from None


def _refuse_unknown(change: ResourceChange, read: tuple[tuple[str, str], ...]) -> None:
    """`has()` would take an unknown attribute for an absent one, so unknown ones are refused before evaluating."""
    for dotted, quoted in read:
        name = dotted or quoted
        if name and unknown(change, name):
            raise UnknownValueError(change, name)
        if not name and any(unknown(change, attribute) for attribute in change.unknown):
            raise UnknownValueError(change, "after")


class _Binder:
    """Binds what an expression sees. All but the subject is the same for one pass of a rule, so it is bound once.

    Args:
        subject: name of the variable that changes.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._context: RuleContext | None = None
        self._seen: Any = None

    def __call__(self, context: RuleContext, document: Any) -> Any:
        """The variables, with this document as the subject."""
        if context is not self._context:
            self._context, self._seen = context, _common(context)
        context.tick()
        self._seen.add_variable(self._subject, document)
        return self._seen


def _common(context: RuleContext) -> Any:
    import cel

    seen = cel.Context()
    for function, code in _FUNCTIONS.items():
        seen.add_function(function, code)
    seen.add_variable("environment", context.spec.environment)
    seen.add_variable("sandbox", context.spec.sandbox is not None)
    seen.add_variable("today", datetime.combine(context.today, time(), tzinfo=UTC))
    seen.add_variable("parameters", dict(context.parameters))
    return seen


def _fields(text: str, over: str) -> set[str] | None:
    """The fields of a spec entry that an expression reads; None when it may read any. Only they are copied for it."""
    names = re.findall(rf"\b{over}\b(?:\s*\.\s*(\w+))?", text)
    return None if "" in names else set(names)


def _objects(context: RuleContext, over: Subject, fields: set[str] | None) -> Iterator[tuple[str, Any]]:
    if over == "spec":
        yield "", plain(context.spec.model_dump())
        return
    section = "allowlists" if over == "allowlist_entry" else f"{over}s"
    for name, entry in getattr(context.spec, section).items():
        shown = None if over == "allowlist_entry" else fields
        document = plain(entry.model_dump(include=shown))
        if over != "allowlist_entry":
            yield f"{section}.{name}", document
            continue
        for number, item in enumerate(document["entries"]):
            yield f"{section}.{name}.entries.{number}", item


def _shown(text: str, naming: re.Pattern[str]) -> frozenset[str] | None:
    """The attributes of `before` or `after` that an expression reads; None when it may read any.

    Only they are copied for it: copying whole changes would cost ten times what evaluating does.
    """
    names = {dotted or quoted for dotted, quoted in naming.findall(text)}
    return None if "" in names or _WHOLE.search(text) else frozenset(names)


def _some(values: Mapping[str, Any], names: frozenset[str] | None) -> dict[str, Any]:
    return dict(values) if names is None else {name: values[name] for name in names if name in values}


def _change_document(
    change: ResourceChange, fields: set[str] | None, *, before: frozenset[str] | None, after: frozenset[str] | None
) -> dict[str, Any]:
    names = _CHANGE_FIELDS if fields is None else fields & _CHANGE_FIELDS
    document: dict[str, Any] = {name: str(getattr(change, name)) for name in names}
    if fields is None or "before" in fields:
        document["before"] = _some(change.before, before)
    if fields is None or "after" in fields:
        document["after"] = _some(change.after, after)
    return document


def plain(value: Any) -> Any:
    """What expressions know: text, numbers, lists, mappings, durations, timestamps."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), tzinfo=UTC)
    if value is None or isinstance(value, bool | int | float | timedelta | datetime):
        return value
    return str(value)

"""Whom a change reaches: who depends on what is changed, which credentials get a new value. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lifecycle.domain.errors import Place
from lifecycle.domain.spec import SECTIONS, Agent, Connector, Credential, Entry, Spec

# Fields of kinds that name other entries, by what they name.
_NAMED = {
    "service_account": "service_accounts",
    "admin": "credentials",
    "client": "credentials",
    "can_read": "credentials",
    "can_describe": "credentials",
}
_COUNTED = {"agents": "agent", "connectors": "connector", "credentials": "credential"}
_MOST_NAMES = 12
_NOT_COMPARED = (*SECTIONS, "origins", "version", "environment", "owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """What a change touches, and what hangs on it.

    Attributes:
        touched: entries that are changed, replaced or taken away, `section.name`.
        dependants: entries that depend on them, directly or through others; none that is touched itself.
        replaced: credential -> who depends on it, where the value itself is made anew elsewhere or ends.
        settings: parts of the spec outside the entries that changed.
    """

    touched: tuple[str, ...] = ()
    dependants: tuple[str, ...] = ()
    replaced: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """One sentence each; none when nothing is reached."""
        told = [f"{name} gets a new value or ends; {_on_it(who)}" for name, who in sorted(self.replaced.items())]
        told += [f"outside the entries changes: {listed(self.settings)}"] if self.settings else []
        reached = (*self.touched, *self.dependants)
        if reached:
            counts = Counter(name.partition(".")[0] for name in reached)
            words = ", ".join(_count(counts[part], word) for part, word in _COUNTED.items() if counts[part])
            words = words or "no agent, connector or credential"
            depending = f"; on that depend: {listed(self.dependants)}" if self.dependants else ""
            told.append(f"reaches {words}; changed: {listed(self.touched)}{depending}")
        return tuple(told)

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "touched": list(self.touched),
            "dependants": list(self.dependants),
            "replaced": {name: list(who) for name, who in sorted(self.replaced.items())},
            "settings": list(self.settings),
        }


def listed(names: Sequence[str]) -> str:
    """Names in one line, the first few and how many more."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _on_it(who: Sequence[str]) -> str:
    return f"on it depend: {listed(who)}" if who else "nothing declared depends on it"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def joined(first: BlastRadius, second: BlastRadius) -> BlastRadius:
    """Whom two views of one change reach together, e.g. that of its spec and that of its plan."""
    touched = {*first.touched, *second.touched}
    return BlastRadius(
        touched=tuple(sorted(touched)),
        dependants=tuple(sorted({*first.dependants, *second.dependants} - touched)),
        replaced={**second.replaced, **first.replaced},
        settings=tuple(sorted({*first.settings, *second.settings})),
    )


def radius_of(spec: Spec, touched: Iterable[str], replaced: Iterable[str] = ()) -> BlastRadius:
    """What depends on some entries of one spec.

    Args:
        spec: the spec that they stand in.
        touched: entries, `section.name`; those the spec does not have are kept, nothing can depend on them.
        replaced: those of them whose object goes, or is made anew.
    """
    return _radius(_needs(spec), frozenset(touched), frozenset(replaced), ())


def change_radius(before: Spec | None, after: Spec) -> BlastRadius:
    """Whom the change from one spec to another reaches. What is new reaches nobody who was there before.

    Args:
        before: None when the environment is new.
        after: the spec under review.
    """
    if before is None:
        return BlastRadius(replaced={})
    old, new = _named_entries(before), _named_entries(after)
    renamed = {f"{section}.{entry.renamed_from}": entry for section, entry in after.entries() if entry.renamed_from}
    pairs = {name: (entry, new.get(name, renamed.get(name))) for name, entry in old.items()}
    touched = {name for name, (was, now) in pairs.items() if _written(was) != _written(now)}
    replaced = {name for name in touched if _origin(pairs[name][0]) != _origin(pairs[name][1])}
    other = [name for name in Spec.model_fields if name not in _NOT_COMPARED]
    settings = sorted(name for name in other if _written(getattr(before, name)) != _written(getattr(after, name)))
    needs = _needs(before)
    for name, wanted in _needs(after).items():
        needs[name] = needs.get(name, frozenset()) | wanted
    return _radius(needs, frozenset(touched), frozenset(replaced), tuple(settings))


def _radius(
    needs: Mapping[str, frozenset[str]], touched: frozenset[str], replaced: frozenset[str], settings: tuple[str, ...]
) -> BlastRadius:
    return BlastRadius(
        touched=tuple(sorted(touched)),
        dependants=tuple(sorted(_dependants(needs, touched) - touched)),
        replaced={
            name: tuple(sorted(_dependants(needs, frozenset({name}))))
            for name in replaced
            if name.startswith("credentials.")
        },
        settings=settings,
    )


def _dependants(needs: Mapping[str, frozenset[str]], start: frozenset[str]) -> frozenset[str]:
    """Everything that needs one of these, or needs what needs it."""
    found, fresh = frozenset[str](), start
    while fresh:
        fresh = frozenset(name for name, wanted in needs.items() if wanted & fresh) - found
        found |= fresh
    return found - start


def _needs(spec: Spec) -> dict[str, frozenset[str]]:
    """What each entry, and each receiver outside the spec, depends on."""
    found: dict[str, set[str]] = {}
    for name, entry in _named_entries(spec).items():
        found.setdefault(name, set()).update(_wanted(entry))
        if isinstance(entry, Credential):
            for holder in _holders(entry):
                found.setdefault(holder, set()).add(name)
    return {name: frozenset(wanted) for name, wanted in found.items()}


def _wanted(entry: Entry) -> Iterator[str]:
    if isinstance(entry, Agent):
        yield f"service_accounts.{entry.service_account}"
        yield f"allowlists.{entry.egress}"
        yield f"credentials.{entry.api_token}"
    if isinstance(entry, Connector):
        if entry.credential is not None:
            yield f"credentials.{entry.credential}"
        if entry.through != "direct":
            yield f"allowlists.{entry.through}"
    if isinstance(entry, Connector | Credential):
        for field, value in _fields(entry.settings):
            names = value if isinstance(value, list | tuple) else (value,)
            yield from (f"{_NAMED[field]}.{name}" for name in names if field in _NAMED and isinstance(name, str))


def _holders(credential: Credential) -> Iterator[str]:
    """Who takes a copy: agents, and whatever stands outside the spec."""
    for consumer in credential.consumers:
        if consumer.agent is not None:
            yield f"agents.{consumer.agent}"
        if consumer.unobservable is not None:
            yield f"{consumer.unobservable.name} (unobserved)"
    for chosen in credential.deliver_to:
        words = dict(_fields(chosen.settings))
        named = next((str(words[key]) for key in ("name", "path", "service", "id") if words.get(key)), "")
        yield f"{chosen.kind} {named}".strip()


def _fields(settings: object) -> Iterator[tuple[str, Any]]:
    if isinstance(settings, BaseModel):
        yield from ((name, getattr(settings, name)) for name in type(settings).model_fields)
    elif isinstance(settings, Mapping):
        yield from settings.items()


def _named_entries(spec: Spec) -> dict[str, Entry]:
    return {f"{section}.{entry.name}": entry for section, entry in spec.entries()}


def _origin(entry: object) -> object:
    """Who makes a value and where it is kept: when that changes, the value is another."""
    return (entry.kind, _written(entry.settings), entry.store) if isinstance(entry, Credential) else None


def _written(value: object) -> object:
    """What is declared, wherever it stands in a file."""
    if isinstance(value, Place):
        return None
    if isinstance(value, BaseModel):
        return {name: _written(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list | tuple) else value

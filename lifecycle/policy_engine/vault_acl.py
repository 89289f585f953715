"""Vault and OpenBao ACL policies as typed stanzas, each with its place.

Source: OpenBao vault/policy.go (keys, legacy `policy`, wildcards, wrapping TTLs); Vault documentation, Policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from lifecycle.domain.errors import Place
from lifecycle.policy_engine.vault_acl_syntax import Member, Members, Node, Scalar, parse_tree, refuse

DENY = "deny"
SUDO = "sudo"
# `scan` is OpenBao's; `subscribe` and `recover` are Vault's.
CAPABILITIES = frozenset(
    {DENY, "create", "read", "update", "delete", "list", SUDO, "patch", "scan", "subscribe", "recover"}
)
_WRITE = frozenset({"create", "read", "update", "delete", "list"})
_LEGACY = {
    "deny": frozenset({DENY}),
    "read": frozenset({"read", "list"}),
    "write": _WRITE,
    "sudo": _WRITE | {SUDO},
}
_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """One `path` of a policy.

    Attributes:
        path: as Vault sees it: without a leading slash, with its `+` and trailing `*`.
        capabilities: what it grants; only `deny` when it denies.
        place: where it stands.
        legacy: the word of `policy = "…"` when it is written that way.
        allowed_parameters, denied_parameters: parameter in lower case -> values; none listed means every value.
        required_parameters: parameters without which a request is refused.
        min_wrapping_ttl, max_wrapping_ttl: the answer must be wrapped for so long.
        expiration: when the server stops counting it (OpenBao).
        others: further limits that are carried but not judged, by their key.
    """

    path: str
    capabilities: frozenset[str]
    place: Place
    legacy: str = ""
    allowed_parameters: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    denied_parameters: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    required_parameters: tuple[str, ...] = ()
    min_wrapping_ttl: timedelta | None = None
    max_wrapping_ttl: timedelta | None = None
    expiration: datetime | None = None
    others: tuple[str, ...] = ()

    @property
    def has_segment_wildcards(self) -> bool:
        """Whether Vault treats it by the rules for `+`. A `+` inside a segment, as in `a+b`, is an ordinary sign."""
        return self.path == "+" or "/+" in self.path or self.path.startswith("+/")

    @property
    def is_glob(self) -> bool:
        """Whether it ends in `*`; anywhere else `*` is an ordinary sign."""
        return self.path.endswith("*")

    @property
    def denies(self) -> bool:
        """Whether it denies explicitly."""
        return DENY in self.capabilities

    @property
    def templates(self) -> tuple[str, ...]:
        """The identity templates in its path, without braces."""
        return tuple(_TEMPLATE.findall(self.path))

    @property
    def limits(self) -> tuple[str, ...]:
        """What narrows its capabilities, in words."""
        return tuple(text for text in _limits(self) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class AclPolicy:
    """A named policy."""

    name: str
    stanzas: tuple[Stanza, ...]


def parse_acl_policy(text: str, *, name: str, file: str) -> AclPolicy:
    """Read a policy.

    Args:
        text: HCL or JSON.
        name: the policy's name at the server; case does not count there.
        file: how messages name it.

    Raises:
        ConfigurationError: Vault would refuse it, or a reviewer could not tell what Vault makes of it; names file,
            line and column.
    """
    stanzas: list[Stanza] = []
    for member in parse_tree(text, file).items:
        if member.keys == ("name",):
            continue
        if member.keys[0] != "path":
            refuse(member.place, f"{member.keys[0]!r} is no part of a policy", "write `path` stanzas")
        stanzas += [_stanza(*found) for found in _paths(member)]
    return AclPolicy(name=name.lower(), stanzas=tuple(stanzas))


def in_force(policy: AclPolicy, at: datetime) -> AclPolicy:
    """The policy without the stanzas that have expired."""
    kept = tuple(item for item in policy.stanzas if item.expiration is None or item.expiration >= at)
    return AclPolicy(name=policy.name, stanzas=kept)


def resolved(path: str, identity: Mapping[str, str]) -> str | None:
    """A path with its templates filled in; None when the identity lacks one, as the server then skips the stanza."""
    needed = _TEMPLATE.findall(path)
    if any(name not in identity for name in needed):
        return None
    return _TEMPLATE.sub(lambda match: identity[match.group(1)], path)


_Found = tuple[str, Members, Place]


def _paths(member: Member) -> list[_Found]:
    """The stanzas of one `path` member: one in HCL, any number in JSON, where a list may stand around them."""
    if len(member.keys) > 2:
        refuse(member.place, "a stanza has one path", f'write one stanza for "{member.keys[1]}"')
    if len(member.keys) == 2:
        return [(member.keys[1], _object(member.value), member.place)]
    found: list[_Found] = []
    for outer in _each(member.value):
        for inner in _object(outer).items:
            if len(inner.keys) != 1:
                refuse(inner.place, "the stanza has no path", 'write `path "kv/data/x" {…}`')
            bodies = _each(inner.value)
            if not bodies:
                refuse(inner.value.place, "expected an object in braces", 'write `path "kv/data/x" {…}`')
            found += [(inner.keys[0], _object(body), inner.place) for body in bodies]
    return found


def _each(node: Node) -> tuple[Node, ...]:
    return node.value if isinstance(node.value, tuple) else (node,)


def _object(node: Node) -> Members:
    if not isinstance(node.value, Members):
        refuse(node.place, "expected an object in braces", 'write `path "kv/data/x" { capabilities = ["read"] }`')
    return node.value


def _stanza(written: str, body: Members, place: Place) -> Stanza:
    path = _TEMPLATE.sub(r"{{\1}}", written.removeprefix("/"))
    _check_path(path, place)
    fields: dict[str, Any] = {}
    others: list[str] = []
    seen: set[str] = set()
    for member in body.items:
        key = member.keys[0]
        if key in seen:
            refuse(
                member.place, f"{key} stands twice for path {path!r}", "keep one; Vault versions differ on which counts"
            )
        seen.add(key)
        if key not in _FIELDS:
            refuse(member.place, f"{key!r} is no key of a path stanza", f"use one of {', '.join(sorted(_FIELDS))}")
        value = _FIELDS[key](member)
        if key in _CARRIED:
            others.append(key)
        elif value is not None:
            fields[key] = value
    legacy = fields.pop("policy", "")
    granted = fields.pop("capabilities", frozenset()) | _LEGACY.get(legacy, frozenset())
    fields["capabilities"] = frozenset({DENY}) if DENY in granted else granted
    stanza = Stanza(path=path, place=place, legacy=legacy, others=tuple(others), **fields)
    _check_wrapping(stanza)
    return stanza


def _check_path(path: str, place: Place) -> None:
    if "+*" in path:
        refuse(place, f"path {path!r}: '+*' is forbidden", "write `+/*`, or `*` alone")
    if path.count("{{") != path.count("}}") or len(_TEMPLATE.findall(path)) != path.count("{{"):
        refuse(place, f"path {path!r}: braces of templates do not match", "write {{identity.entity.id}}")
    for name in _TEMPLATE.findall(path):
        if not re.fullmatch(r"identity\.(entity|groups)\..+", name):
            refuse(place, f"path {path!r}: {name!r} is no identity template", "write {{identity.entity.id}}")


def _check_wrapping(stanza: Stanza) -> None:
    low, high = stanza.min_wrapping_ttl, stanza.max_wrapping_ttl
    if low and high and high < low and not stanza.denies:
        refuse(stanza.place, "max_wrapping_ttl is less than min_wrapping_ttl", "raise one or lower the other")


def _texts(member: Member) -> tuple[str, ...]:
    if not isinstance(member.value.value, tuple):
        refuse(member.value.place, f"{member.keys[0]} must be a list", f'write {member.keys[0]} = ["…"]')
    return tuple(_text(member.keys[0], item) for item in member.value.value)


def _text(key: str, node: Node) -> str:
    if not isinstance(node.value, str):
        refuse(node.place, f"{key} must hold texts in quotes", f'write {key} = "…"')
    return node.value


def _capabilities(member: Member) -> frozenset[str]:
    found = _texts(member)
    for text in found:
        if text not in CAPABILITIES:
            choices = ", ".join(sorted(CAPABILITIES))
            refuse(member.value.place, f"{text!r} is no capability", f"use one of {choices}")
    return frozenset(found)


def _legacy(member: Member) -> str:
    text = _text("policy", member.value)
    if text and text not in _LEGACY:
        refuse(member.value.place, f"{text!r} is no legacy policy", "write `capabilities` instead of `policy`")
    return text


def _parameters(member: Member) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for item in _object(member.value).items:
        if not isinstance(item.value.value, tuple):
            refuse(item.value.place, f"the values of {item.keys[0]} must be a list", f'write "{item.keys[0]}" = []')
        found[item.keys[0].lower()] = tuple(_plain(value) for value in item.value.value)
    return found


def _plain(node: Node) -> Scalar | str:
    """A value as it stands in a list of parameter values; objects in it are only ever shown."""
    return node.value if isinstance(node.value, str | int | float | bool) else "an object"


def _duration(member: Member) -> timedelta | None:
    value = member.value.value
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value) or None
        if isinstance(value, str) and value.isdecimal():
            return timedelta(seconds=int(value)) or None
        if isinstance(value, str) and re.fullmatch(rf"(?:{_DURATION.pattern})+", value):
            return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(value))) or None
    except (OverflowError, ValueError):
        refuse(member.value.place, f"{member.keys[0]} is longer than any time", 'write seconds, or "10m"')
    refuse(member.value.place, f"{member.keys[0]} is no duration", 'write seconds, or "10m"')


def _expiration(member: Member) -> datetime | None:
    text = _text("expiration", member.value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        refuse(member.value.place, "expiration is no moment with a time zone", 'write "2027-03-01T00:00:00Z"')
    return moment


def _carried(member: Member) -> None:
    del member


_CARRIED = frozenset(
    {"mfa_methods", "pagination_limit", "list_scan_response_keys_filter_path", "control_group", "subscribe_event_types"}
)
_FIELDS: Mapping[str, Callable[[Member], Any]] = {
    "capabilities": _capabilities,
    "policy": _legacy,
    "allowed_parameters": _parameters,
    "denied_parameters": _parameters,
    "required_parameters": _texts,
    "min_wrapping_ttl": _duration,
    "max_wrapping_ttl": _duration,
    "expiration": _expiration,
    "comment": _carried,
    **dict.fromkeys(_CARRIED, _carried),
}


def _limits(stanza: Stanza) -> tuple[str, ...]:
    listed = partial(", ".join)
    allowed = sorted(name for name in stanza.allowed_parameters if name != "*")
    return (
        f"only with the parameters {listed(allowed)}" if allowed and "*" not in stanza.allowed_parameters else "",
        f"not with the parameters {listed(sorted(stanza.denied_parameters))}" if stanza.denied_parameters else "",
        f"never without the parameters {listed(stanza.required_parameters)}" if stanza.required_parameters else "",
        "only wrapped" if stanza.min_wrapping_ttl or stanza.max_wrapping_ttl else "",
        f"until {stanza.expiration.isoformat()}" if stanza.expiration else "",
        *(f"under {key}" for key in stanza.others),
    )

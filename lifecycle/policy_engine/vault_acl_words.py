"""Vault policies in words: who can do something on a path, what a token can do, and what a change alters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lifecycle.domain.grants import GrantChange, compare
from lifecycle.policy_engine.vault_acl import DENY, AclPolicy
from lifecycle.policy_engine.vault_acl_match import ROOT, Acl, Grant, compile_acl
from lifecycle.policy_engine.vault_acl_reach import compile_as_written, deciders

_TEMPLATE = re.compile(r"\{\{.*?\}\}")
Tokens = Mapping[str, tuple[AclPolicy, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who can do what was asked about.

    Attributes:
        token: as the caller names tokens, e.g. `approle lifecycle-rotate`.
        because: the stanzas that decide, as `policy "path" (place)`.
        only_if: what narrows it; empty when nothing does.
    """

    token: str
    because: tuple[str, ...]
    only_if: tuple[str, ...]


def who_can(tokens: Tokens, capability: str, path: str) -> tuple[Reader, ...]:
    """Every token that has a capability on a path, sorted by name.

    Args:
        tokens: name -> the policies of that token.
        capability: e.g. `read`.
        path: without `/v1/`, for KV version 2 with `data/`.
    """
    found = (_reader(name, tokens[name], capability, path) for name in sorted(tokens))
    return tuple(reader for reader in found if reader is not None)


def _reader(name: str, policies: tuple[AclPolicy, ...], capability: str, path: str) -> Reader | None:
    acl = compile_acl(policies)
    if acl.root:
        return Reader(token=name, because=("policy root",), only_if=())
    grant = acl.deciding(path)
    if grant is not None and capability in grant.capabilities:
        return Reader(token=name, because=_sources(grant), only_if=grant.limits)
    return _possible_reader(name, policies, capability, path)


def _possible_reader(name: str, policies: tuple[AclPolicy, ...], capability: str, path: str) -> Reader | None:
    """Whether some identity could: a template is taken for any one segment or part of it."""
    for policy in policies:
        for stanza in policy.stanzas:
            if stanza.templates and capability in stanza.capabilities and _could_match(stanza.path, path):
                fits = f"the identity's {' and '.join(stanza.templates)} fits"
                because = f'{policy.name} "{stanza.path}" ({stanza.place})'
                return Reader(token=name, because=(because,), only_if=(fits, *stanza.limits))
    return None


def _could_match(pattern: str, path: str) -> bool:
    glob = pattern.endswith("*")
    parts = [
        ".*" if _TEMPLATE.fullmatch(part) else re.escape(part).replace(r"\+", "[^/]*")
        for part in _pieces(pattern.removesuffix("*"))
    ]
    return re.fullmatch("".join(parts) + (".*" if glob else ""), path) is not None


def _pieces(pattern: str) -> Iterator[str]:
    at = 0
    for match in _TEMPLATE.finditer(pattern):
        yield pattern[at : match.start()]
        yield match.group()
        at = match.end()
    yield pattern[at:]


def _sources(grant: Grant) -> tuple[str, ...]:
    return tuple(f'{policy} "{stanza.path}" ({stanza.place})' for policy, stanza in grant.sources)


def what_can(policies: Iterable[AclPolicy]) -> tuple[str, ...]:
    """Everything a token with these policies can do, one sentence per path, without stanzas that never decide."""
    acl = compile_as_written(tuple(policies))
    if acl.root:
        return ("may do everything (root)",)
    return tuple(sorted(_sentence(grant) for grant in acl.grants() if _counts(acl, grant)))


def _counts(acl: Acl, grant: Grant) -> bool:
    if not grant.capabilities:
        return False
    return any(found is grant for _, stanza in grant.sources for found in deciders(acl, stanza))


def _sentence(grant: Grant) -> str:
    path = grant.sources[0][1].path
    if grant.capabilities == {DENY}:
        return f"may do nothing on {path}, whatever wider paths say"
    limits = f" ({'; '.join(grant.limits)})" if grant.limits else ""
    return f"may {', '.join(sorted(grant.capabilities))} on {path}{limits}"


def difference(before: Tokens, after: Tokens, paths: Iterable[str]) -> GrantChange:
    """What changes for each token, in words.

    Args:
        before: name -> policies of that token.
        after: the same, later.
        paths: secrets (or other paths) for which the effect is told as well, whatever stanzas were rewritten.
    """
    asked = tuple(paths)
    return compare(_told(before, asked), _told(after, asked))


def _told(tokens: Tokens, paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        sentence
        for name, policies in tokens.items()
        for sentence in (*_rights(name, policies), *_effects(name, policies, paths))
    )


def _rights(name: str, policies: tuple[AclPolicy, ...]) -> Iterator[str]:
    for sentence in what_can(policies):
        yield f"{name} {sentence}"


def _effects(name: str, policies: tuple[AclPolicy, ...], paths: tuple[str, ...]) -> Iterator[str]:
    acl = compile_acl(policies)
    for path in paths:
        granted = acl.capabilities(path)
        if ROOT in granted:
            yield f"{name} may do everything to {path}"
        elif DENY not in granted:
            grant = acl.deciding(path)
            limits = f" ({'; '.join(grant.limits)})" if grant is not None and grant.limits else ""
            yield f"{name} may {', '.join(sorted(granted))} {path}{limits}"

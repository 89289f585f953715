"""What a set of Vault policies allows on a path, by the server's own rules.

1. Stanzas with the same path are merged, across policies: capabilities add up, one `deny` leaves only `deny`.
2. A path that stands exactly in a stanza is decided by it.
3. For LIST the path without its trailing slash is tried before the path itself.
4. Else the longest prefix stanza (`*`) and all stanzas with `+` that match compete. First wins whose first `+` or `*`
   stands furthest right; then one that does not end in `*`; then the one with fewer `+`; then the longer; then the
   greater text. Only the winner counts: a `deny` elsewhere has no effect, however near it looks.

Proved against a real server by `tests/integration/policy_engine/test_vault_acl_agreement.py`.

Source: OpenBao vault/acl.go, NewACL, AllowOperation and CheckAllowedFromNonExactPaths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lifecycle.policy_engine.vault_acl import DENY, AclPolicy, Stanza, resolved

ROOT = "root"
_NOBODY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The merged stanzas of one path.

    Attributes:
        path: with templates filled in.
        capabilities: what they grant together; only `deny` when one denies; may be empty.
        sources: policy name and stanza, in the order of merging.
    """

    path: str
    capabilities: frozenset[str]
    sources: tuple[tuple[str, Stanza], ...]

    @property
    def limits(self) -> tuple[str, ...]:
        """What narrows the capabilities, in words."""
        return tuple(dict.fromkeys(text for _, stanza in self.sources for text in stanza.limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """Policies of one token, ready to be asked."""

    root: bool = False
    exact: Mapping[str, Grant] = field(default_factory=dict)
    prefixes: Mapping[str, Grant] = field(default_factory=dict)
    wildcards: Mapping[str, Grant] = field(default_factory=dict)

    def grants(self) -> Iterator[Grant]:
        """Every merged path."""
        yield from (*self.exact.values(), *self.prefixes.values(), *self.wildcards.values())

    def deciding(self, path: str) -> Grant | None:
        """The grant that decides about a path; None when no stanza matches, which denies."""
        path = path.lstrip("/")
        exact = self.exact.get(path) or self.exact.get(path.removesuffix("/"))
        if exact is not None:
            return exact
        return (self._inexact(path[:-1]) if path.endswith("/") else None) or self._inexact(path)

    def capabilities(self, path: str) -> frozenset[str]:
        """As the server's capabilities endpoint answers: `root`, the granted ones, or only `deny`."""
        if self.root:
            return frozenset({ROOT})
        grant = self.deciding(path)
        return grant.capabilities if grant is not None and grant.capabilities else frozenset({DENY})

    def _inexact(self, path: str) -> Grant | None:
        matching = list(self._matching_wildcards(path))
        # Only the longest prefix competes, even where a shorter one would win: it never does.
        prefix = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.prefixes), None)
        if prefix is not None:
            matching.append((_rank(prefix, first=len(prefix.encode()), glob=True, pluses=0), self.prefixes[prefix]))
        return max(matching, key=lambda found: found[0])[1] if matching else None

    def _matching_wildcards(self, path: str) -> Iterator[tuple[Rank, Grant]]:
        parts = path.split("/")
        for pattern, grant in self.wildcards.items():
            if wildcard_matches(pattern, parts):
                glob = pattern.endswith("*")
                body = pattern[:-1] if glob else pattern
                first = len(pattern.partition("+")[0].encode())
                yield _rank(body, first=first, glob=glob, pluses=body.split("/").count("+")), grant


Rank = tuple[int, bool, int, int, bytes]


def _rank(body: str, *, first: int, glob: bool, pluses: int) -> Rank:
    """Greater wins. Lengths and order are of bytes, as the server's are."""
    return first, not glob, -pluses, len(body.encode()), body.encode()


def wildcard_matches(pattern: str, parts: list[str]) -> bool:
    """Whether a pattern with `+`, perhaps ending in `*`, matches a path that is split at its slashes."""
    glob = pattern.endswith("*")
    wanted = (pattern[:-1] if glob else pattern).split("/")
    if len(parts) < len(wanted) or (not glob and len(parts) != len(wanted)):
        return False
    for number, segment in enumerate(wanted):
        if segment in ("+", parts[number]):
            continue
        if not (glob and number == len(wanted) - 1 and parts[number].startswith(segment)):
            return False
    return True


def compile_acl(policies: Iterable[AclPolicy], identity: Mapping[str, str] = _NOBODY) -> Acl:
    """Merge policies as the server does for a token.

    Args:
        policies: the token's policies. A policy named `root` makes it a root token, whatever stands in it.
        identity: template -> value for the token's entity; stanzas with a template that is missing do not count.
    """
    exact: dict[str, Grant] = {}
    prefixes: dict[str, Grant] = {}
    wildcards: dict[str, Grant] = {}
    root = False
    for policy in policies:
        root = root or policy.name == ROOT
        for stanza in policy.stanzas:
            path = resolved(stanza.path, identity)
            if path is None:
                continue
            if replace(stanza, path=path).has_segment_wildcards:  # the server looks after filling in, too
                _merge(wildcards, path, policy.name, stanza)
            elif path.endswith("*"):
                _merge(prefixes, path[:-1], policy.name, stanza)
            else:
                _merge(exact, path, policy.name, stanza)
    return Acl(root=root, exact=exact, prefixes=prefixes, wildcards=wildcards)


def capabilities(policies: Iterable[AclPolicy], path: str, identity: Mapping[str, str] = _NOBODY) -> frozenset[str]:
    """What a token with these policies may do on a path; only `deny` when nothing.

    Args:
        policies: see `compile_acl`; compile once when asking about many paths.
        path: without `/v1/`.
        identity: see `compile_acl`.
    """
    return compile_acl(policies, identity).capabilities(path)


def _merge(into: dict[str, Grant], path: str, policy: str, stanza: Stanza) -> None:
    before = into.get(path)
    sources = (*(before.sources if before else ()), (policy, stanza))
    granted = (before.capabilities if before else frozenset()) | stanza.capabilities
    merged = frozenset({DENY}) if DENY in granted else granted
    into[path] = Grant(path=path, capabilities=merged, sources=sources)

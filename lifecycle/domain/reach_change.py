"""What a change of reach widens and what it narrows: destinations that cover each other are told once. Pure.

An entry that was `acme.example` and becomes `this and every subdomain of acme.example` takes nothing away, and its new
sentence says what it was before. Only sentences of `grants` about allowlists are read; all others pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

_SUBDOMAINS, _BOTH = "every subdomain of ", "this and every subdomain of "
_SENTENCE = re.compile(
    rf"(?P<match>{_BOTH}|{_SUBDOMAINS}|)(?P<place>\S+) on port (?P<port>\d+) is reachable through"
    r" (?P<list>allowlists\.\S+)(?: until (?P<until>\d{4}-\d\d-\d\d))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    match: str
    place: str
    port: str
    allowlist: str
    until: str

    def __str__(self) -> str:
        return f"{self.match}{self.place}{f' until {self.until}' if self.until else ''}"

    def covers(self, other: _Reach) -> bool:
        """Whether everything that the other admits is admitted here, for at least as long."""
        if (self.allowlist, self.port) != (other.allowlist, other.port):
            return False
        if self.until and not (other.until and other.until <= self.until):
            return False
        return self._covers_network(other) if "/" in self.place else self._covers_host(other)

    def _covers_host(self, other: _Reach) -> bool:
        below = other.place.endswith(f".{self.place}")
        same = other.place == self.place
        if not self.match:
            return same and not other.match
        if self.match == _SUBDOMAINS:
            return below or (same and other.match == _SUBDOMAINS)
        return below or same

    def _covers_network(self, other: _Reach) -> bool:
        try:
            wide, narrow = ip_network(self.place, strict=False), ip_network(other.place, strict=False)
        except ValueError:
            return False
        return wide.version == narrow.version and (
            wide.network_address <= narrow.network_address  # type: ignore[operator]  # of one version, just compared
            and narrow.broadcast_address <= wide.broadcast_address  # type: ignore[operator]  # of one version
        )


def told_once(
    old: frozenset[str], new: frozenset[str], added: Iterable[str], removed: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences added and removed, without those that tell a widening or a narrowing for a second time.

    Args:
        old: everything allowed before.
        new: everything allowed after.
        added: in new only.
        removed: in old only.
    """
    gained, lost = _read(added), _read(removed)
    before = _covered_by(lost, _read(new))
    after = _covered_by(gained, _read(old))
    return (
        tuple(_with(text, "before", before) for text in added if text not in after),
        tuple(_with(text, "still", after) for text in removed if text not in before),
    )


def _covered_by(inner: dict[str, _Reach], outer: dict[str, _Reach]) -> dict[str, tuple[str, _Reach]]:
    """Per covered sentence: the sentence that covers it, and what is covered."""
    found = {}
    for text, reach in inner.items():
        wider = next((name for name, item in sorted(outer.items()) if name != text and item.covers(reach)), None)
        if wider is not None:
            found[text] = (wider, reach)
    return found


def _with(text: str, word: str, covered: dict[str, tuple[str, _Reach]]) -> str:
    inner = sorted(str(reach) for wider, reach in covered.values() if wider == text)
    return f"{text} ({word}: {', '.join(inner)})" if inner else text


def _read(sentences: Iterable[str]) -> dict[str, _Reach]:
    found = {}
    for text in sentences:
        told = _SENTENCE.fullmatch(text)
        if told:
            found[text] = _Reach(
                match=told["match"],
                place=told["place"],
                port=told["port"],
                allowlist=told["list"],
                until=told["until"] or "",
            )
    return found

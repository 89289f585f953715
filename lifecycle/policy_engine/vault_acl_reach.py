"""Where path patterns of Vault policies meet, lie inside each other, or never decide anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lifecycle.policy_engine.vault_acl import AclPolicy, Stanza
from lifecycle.policy_engine.vault_acl_match import Acl, Grant, compile_acl

# A segment that no policy writes: what matches it matches by a wildcard, so it would match any other segment too.
_ANY = "\x00any"


class _Itself(Mapping[str, str]):
    """An identity whose templates stay as they are written: a templated segment then is a name of its own."""

    def __getitem__(self, name: str) -> str:
        return f"{{{{{name}}}}}"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def compile_as_written(policies: tuple[AclPolicy, ...]) -> Acl:
    """Policies as somebody reads them, templates unfilled."""
    return compile_acl(policies, _Itself())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    segments: tuple[str, ...]
    glob: bool

    @classmethod
    def of(cls, path: str) -> _Pattern:
        glob = path.endswith("*")
        return cls(segments=tuple((path[:-1] if glob else path).split("/")), glob=glob)

    def is_open(self, number: int) -> bool:
        """Whether a segment is the one that the trailing `*` continues."""
        return self.glob and number == len(self.segments) - 1


def meeting_path(first: str, second: str) -> str | None:
    """A path that both patterns match, as unspecific as they allow; None when there is none."""
    a, b = _Pattern.of(first), _Pattern.of(second)
    found: list[str] = []
    for number in range(max(len(a.segments), len(b.segments))):
        if number >= len(a.segments) or number >= len(b.segments):
            return None
        if a.is_open(number) or b.is_open(number):
            rest = _open_rest(a, b, number) if a.is_open(number) else _open_rest(b, a, number)
            return None if rest is None else "/".join((*found, *rest))
        segment = _common(a.segments[number], b.segments[number])
        if segment is None:
            return None
        found.append(segment)
    return "/".join(found)


def _open_rest(a: _Pattern, b: _Pattern, number: int) -> list[str] | None:
    """What stands from the open segment of `a` on."""
    start, other = a.segments[number], b.segments[number]
    if other == "+":
        return [f"{start}{_ANY}", *_generic(b, number + 1)]
    if b.is_open(number):
        longer, shorter = (start, other) if len(start) > len(other) else (other, start)
        return [f"{longer}{_ANY}"] if longer.startswith(shorter) else None
    return [other, *_generic(b, number + 1)] if other.startswith(start) else None


def _generic(pattern: _Pattern, start: int) -> list[str]:
    segments = [_ANY if segment == "+" else segment for segment in pattern.segments[start:]]
    if pattern.glob and segments:
        segments[-1] = f"{segments[-1]}{_ANY}"
    return segments


def _common(one: str, other: str) -> str | None:
    if one == "+":
        return _ANY if other == "+" else other
    return one if other in ("+", one) else None


def shown(path: str) -> str:
    """A generic path as people read it."""
    return path.replace(_ANY, "…")


def deciders(acl: Acl, stanza: Stanza) -> tuple[Grant, ...]:
    """The grants that decide about what a stanza matches, its own among them unless it never decides anything.

    The most generic paths that it matches are asked about, one for each depth that any pattern tells apart. Whatever
    decides there does so by wildcards, so it decides for every other path of that depth, or something narrower does.
    """
    depth = max((grant.path.count("/") for grant in acl.grants()), default=0) + 2
    found: list[Grant] = []
    for path in _generic_paths(stanza.path, depth):
        grant = acl.deciding(path)
        if grant is not None and grant not in found:
            found.append(grant)
    return tuple(found)


def _generic_paths(path: str, depth: int) -> Iterator[str]:
    pattern = _Pattern.of(path)
    body = "/".join(_ANY if segment == "+" else segment for segment in pattern.segments)
    yield body
    if pattern.glob:
        for more in range(depth):
            tail = "/".join([_ANY] * more)
            yield f"{body}{_ANY}{'/' if tail else ''}{tail}"
            yield f"{body}/{tail}"


def inside(path: str, mount: str, prefix: str) -> bool:
    """Whether everything that a pattern matches lies below a prefix of a KV version 2 mount: `MOUNT/VERB/PREFIX/`."""
    pattern = _Pattern.of(path)
    home, below = mount.strip("/").split("/"), prefix.strip("/").split("/")
    needed = len(home) + 1 + len(below)
    segments = pattern.segments
    if len(segments) <= needed:
        return False
    return list(segments[: len(home)]) == home and list(segments[len(home) + 1 : needed]) == below


def on_mount(path: str, mount: str) -> bool:
    """Whether a pattern matches something on a mount."""
    return meeting_path(path, f"{mount.strip('/')}/*") is not None

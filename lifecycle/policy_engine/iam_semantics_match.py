"""How IAM compares: actions and ARNs with wildcards, patterns with patterns, and actions with the dated table.

Source: IAM user guide, "IAM JSON policy elements: Action, Resource, NotAction, NotResource, policy variables".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

VARIABLE = re.compile(r"\$\{([^}]*)\}")
# Stands for a wildcard of the inner pattern when one pattern is held against another; `?` never matches it.
_INNER = "\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What an action pattern stands for.

    Attributes:
        actions: in lower case; the pattern itself where the table does not know its service.
        complete: whether the table knew everything that it could stand for.
    """

    actions: frozenset[str]
    complete: bool


def expand(pattern: str, table: Mapping[str, Any]) -> Expansion:
    """Every action of the table that a pattern includes.

    Args:
        pattern: e.g. `s3:Get*`, `*`; in any case.
        table: `policies/data/iam_actions.json`.
    """
    pattern = pattern.lower()
    service, _, name = pattern.partition(":")
    known = [item for item in table["services"] if matches(service, item)]
    if not known or (pattern != "*" and not name):
        return Expansion(actions=frozenset({pattern}), complete="*" not in pattern and "?" not in pattern)
    found = frozenset(action for action in _actions(known, table) if matches(pattern, action))
    wide = "*" in service or "?" in service
    return Expansion(actions=found or frozenset({pattern}), complete=bool(found) and not wide)


def every_action(table: Mapping[str, Any]) -> frozenset[str]:
    """Every action of the table."""
    return frozenset(_actions(table["services"], table))


def _actions(services: Iterable[str], table: Mapping[str, Any]) -> Iterator[str]:
    for service in services:
        for names in table["services"][service].values():
            for name in names:
                yield f"{service}:{name}"


def takes_resource(action: str, table: Mapping[str, Any]) -> bool:
    """Whether AWS takes a narrower resource than `*` for an action; actions that the table does not know do."""
    service, _, name = action.lower().partition(":")
    return name not in table["services"].get(service, {}).get("only_star", ())


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern with `*` and `?` matches a text; case counts, brackets are ordinary signs."""
    return _compiled(pattern).fullmatch(text) is not None


def covers(wide: str, narrow: str) -> bool:
    """Whether everything that the second pattern matches is matched by the first. Never says yes wrongly."""
    return _compiled(wide).fullmatch(narrow.replace("*", _INNER)) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = {"*": ".*", "?": f"[^{_INNER}]"}
    return re.compile("".join(pieces.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


@lru_cache(maxsize=4096)
def meet(one: str, other: str) -> bool:
    """Whether some text is matched by both patterns."""
    # Row by row over `one`: at which signs of `other` both can stand after matching the same text.
    row = [True, *([False] * len(other))]
    for at in range(1, len(other) + 1):
        row[at] = row[at - 1] and other[at - 1] == "*"
    for sign in one:
        above = row
        row = [above[0] and sign == "*"]
        for at, against in enumerate(other, start=1):
            if "*" in (sign, against):
                row.append(above[at] or row[at - 1])
            else:
                row.append(above[at - 1] and (sign == against or "?" in (sign, against)))
    return row[-1]


def filled(pattern: str, variables: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """A resource pattern with its policy variables filled in, and those nobody can know, for which `*` stands.

    Args:
        pattern: e.g. `arn:aws:iam::*:user/${aws:username}`.
        variables: name in lower case -> value.
    """
    unknown: list[str] = []

    def one(match: re.Match[str]) -> str:
        name = match.group(1).partition(",")[0].strip()
        if name in ("*", "?", "$"):
            return name  # the literal sign; kept as a wildcard, which is the wider reading
        if name.lower() in variables:
            return variables[name.lower()]
        unknown.append(name)
        return "*"

    return VARIABLE.sub(one, pattern), tuple(unknown)

"""Collects everything that is wrong, so that one run shows it all."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lifecycle.documents.positions import Path, Positions
from lifecycle.documents.secret_shapes import looks_secret
from lifecycle.domain.errors import ConfigurationError, Place, Problem

_MOST_NAMES = 12
_LONGEST_SHOWN = 80
# Comparing a word with every one of 10,000 names, once per problem, would take minutes.
_COMPARED = 200


class Findings:
    """The problems of one load, each with its place."""

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.problems: list[Problem] = []

    def add(self, node: int, path: Path, message: str, remedy: str) -> None:
        """Note a problem at a node."""
        self.add_at(self.positions.place(node), path, message, remedy)

    def add_at(self, place: Place, path: Path, message: str, remedy: str) -> None:
        """Note a problem at a place."""
        self.problems.append(Problem(place=place, key_path=dotted(path), message=message, remedy=remedy))

    def raise_if_any(self, folder: str) -> None:
        """Raise one error that holds them all, sorted by place.

        Raises:
            ConfigurationError: when there is at least one.
        """
        if not self.problems:
            return
        problems = tuple(sorted(set(self.problems), key=lambda found: (found.place, found.key_path, found.message)))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigurationError(
            f"the spec in {folder} has {count}",
            remedy="correct each place below, then run `lifecycle check`",
            problems=problems,
        )


def dotted(path: Path) -> str:
    """A key path as written in messages; a step that may be a secret is not shown."""
    return ".".join(str(step) if isinstance(step, int) or not looks_secret(step) else "(not shown)" for step in path)


def shown(value: object) -> str:
    """A value for a message: short, quoted, and not shown at all when it may be a secret."""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if value is None:
        return "nothing"
    text = str(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if len(text) > _LONGEST_SHOWN or not text.isprintable() or looks_secret(text):
        return "the value (not shown)"
    return f"`{text}`"


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """What is allowed, the closest first: `did you mean `x`? allowed: a, b`."""
    names = sorted(allowed)
    if not names:
        return "none is defined"
    near = names if len(names) <= _COMPARED else [name for name in names if name[:1] == str(word)[:1]][:_COMPARED]
    close = get_close_matches(str(word), near, n=1, cutoff=0.6)
    listed = ", ".join(names[:_MOST_NAMES]) + (
        f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    )
    return f"did you mean `{close[0]}`? allowed: {listed}" if close else f"allowed: {listed}"

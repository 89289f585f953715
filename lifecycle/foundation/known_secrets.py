"""The values this process has seen, so that none of them leaves it in a message, in whatever spelling."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

STARS = "**********"
# Shorter texts ("on", "5432") would blank out ordinary words; they are no secrets anybody could keep.
MIN_LENGTH = 6
_DEPTH = 4


class KnownSecrets:
    """A registry of values; `scrub` removes them from text. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spellings: frozenset[str] = frozenset()
        self._ordered: tuple[str, ...] = ()

    def register(self, *values: SecretStr) -> None:
        """Remember values in every spelling in which they could appear. Second call: nothing."""
        spellings = {form for value in values for form in _forms(value.get_secret_value())}
        with self._lock:
            if spellings <= self._spellings:
                return
            self._spellings |= spellings
            # Longest first, so that no part of a longer value survives the removal of a shorter one.
            self._ordered = tuple(sorted(self._spellings, key=len, reverse=True))

    def register_within(self, thing: Any) -> None:
        """Remember every secret inside mappings, sequences and dataclasses."""
        found = tuple(_secrets_in(thing, _DEPTH))
        if found:
            self.register(*found)

    def scrub(self, text: str) -> str:
        """The text with every known value replaced by stars."""
        for spelling in self._ordered:
            if spelling in text:
                text = text.replace(spelling, STARS)
        return text


def _forms(plain: str) -> Iterable[str]:
    if len(plain) < MIN_LENGTH:
        return ()
    raw = plain.encode()
    return (
        plain,
        quote(plain, safe=""),
        quote_plus(plain),
        json.dumps(plain)[1:-1],
        json.dumps(plain, ensure_ascii=False)[1:-1],
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        repr(plain)[1:-1],
    )


def _secrets_in(thing: Any, depth: int) -> Iterable[SecretStr]:
    if isinstance(thing, SecretStr):
        yield thing
        return
    if depth == 0 or isinstance(thing, str | bytes):
        return
    inner: Iterable[Any] = ()
    if isinstance(thing, Mapping):
        inner = thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        inner = thing
    elif is_dataclass(thing) and not isinstance(thing, type):
        inner = (getattr(thing, item.name) for item in fields(thing))
    for item in inner:
        yield from _secrets_in(item, depth - 1)

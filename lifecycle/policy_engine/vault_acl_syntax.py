"""Reads the text of a Vault policy, HCL 1 or JSON, as a tree in which everything knows its place.

It accepts what Vault's own parser (HCL 1) accepts in a policy, and is stricter where that parser guesses: a key that
stands twice, heredocs, and lists without commas are errors here, because a reviewer cannot see what becomes of them.

Source: hashicorp/hcl 1.0.1 (scanner.go, parser.go); OpenBao vault/policy.go.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from lifecycle.domain.errors import ConfigurationError, Place, Problem

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value: a scalar, a list of nodes, or an object's members."""

    value: Scalar | tuple[Node, ...] | Members
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One `key value` of an object; HCL writes several keys for nested objects: `path "x" {…}`."""

    keys: tuple[str, ...]
    value: Node
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What stands in an object, in the order of the text."""

    items: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    place: Place


_TOKENS = re.compile(
    r"""(?P<space>[ \t\r\n\ufeff]+)
    |(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<heredoc><<)
    |(?P<string>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<number>-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
    |(?P<word>[^\W\d][\w.\-]*)
    |(?P<mark>[{}\[\]=,:])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}
_MESSAGES = {
    '"': ("the text that begins here does not end on this line", 'close it with "'),
    "/": ("the comment that begins here does not end", "close it with */"),
}
_END = "end"
# Deeper than any policy, shallower than Python's stack.
_DEEPEST = 32


def parse_tree(text: str, file: str) -> Members:
    """The members of a policy document.

    Args:
        text: HCL, or JSON when its first character that counts is `{`.
        file: how messages name it.

    Raises:
        ConfigurationError: a syntax error, with file, line and column.
    """
    cursor = _Cursor(_tokens(text, file))
    if text.lstrip().startswith("{"):
        members = _json_object(cursor, 0)
        cursor.take(_END)
        return members
    return _hcl_members(cursor, _END, 0)


def refuse(place: Place, message: str, remedy: str) -> NoReturn:
    """Raise the one kind of error that a policy file can cause.

    Raises:
        ConfigurationError: always.
    """
    problem = Problem(place=place, key_path="", message=message, remedy=remedy)
    raise ConfigurationError(f"Vault policy {place}: {message}", remedy=remedy, problems=(problem,))


class _Cursor:
    """A position in the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, *kinds: str) -> _Token:
        """The next token, which must be one of some kinds; a mark is its own kind."""
        token = self.next
        if token.kind not in kinds:
            found = "the end of the file" if token.kind == _END else repr(token.text)
            wanted = " or ".join(kind if kind.isalpha() else repr(kind) for kind in kinds)
            refuse(token.place, f"expected {wanted}, found {found}", "correct the syntax")
        self._at += 1
        return token

    def skip(self, kind: str) -> bool:
        """Take the next token if it is of a kind."""
        if self.next.kind != kind:
            return False
        self._at += 1
        return True


def _tokens(text: str, file: str) -> list[_Token]:
    found: list[_Token] = []
    at, line, start = 0, 1, 0
    while at < len(text):
        place = Place(file=file, line=line, column=at - start + 1)
        match = _TOKENS.match(text, at)
        if match is None:
            message, remedy = _MESSAGES.get(text[at], (f"{text[at]!r} means nothing here", "remove it"))
            refuse(place, message, remedy)
        kind, piece = str(match.lastgroup), match.group()
        if kind == "heredoc":
            refuse(place, "a heredoc (<<) has no place in a policy", "write the value as a quoted text")
        if kind not in ("space", "comment"):
            found.append(_Token(kind=piece if kind == "mark" else kind, text=piece, place=place))
        if "\n" in piece:
            line += piece.count("\n")
            start = at + piece.rindex("\n") + 1
        at = match.end()
    found.append(_Token(kind=_END, text="", place=Place(file=file, line=line, column=at - start + 1)))
    return found


def _hcl_members(cursor: _Cursor, end: str, depth: int) -> Members:
    items: list[Member] = []
    while not cursor.skip(end):
        items.append(_hcl_member(cursor, depth))
        cursor.skip(",")
    return Members(items=tuple(items))


def _hcl_member(cursor: _Cursor, depth: int) -> Member:
    first = cursor.take("word", "string")
    keys = [_text(first)]
    while cursor.next.kind in ("word", "string"):
        keys.append(_text(cursor.take("word", "string")))
    if cursor.next.kind == "{":
        return Member(keys=tuple(keys), value=_hcl_value(cursor, depth), place=first.place)
    if len(keys) > 1:
        cursor.take("{")
    cursor.take("=")
    return Member(keys=tuple(keys), value=_hcl_value(cursor, depth), place=first.place)


def _hcl_value(cursor: _Cursor, depth: int) -> Node:
    token = cursor.take("string", "number", "word", "{", "[")
    _bounded(token, depth)
    if token.kind == "{":
        return Node(value=_hcl_members(cursor, "}", depth + 1), place=token.place)
    if token.kind != "[":
        return _scalar(token)
    items: list[Node] = []
    while not cursor.skip("]"):
        items.append(_hcl_value(cursor, depth + 1))
        if cursor.next.kind != "]":
            cursor.take(",")
    return Node(value=tuple(items), place=token.place)


def _json_object(cursor: _Cursor, depth: int) -> Members:
    cursor.take("{")
    items: list[Member] = []
    if cursor.skip("}"):
        return Members(items=())
    while True:
        key = cursor.take("string")
        cursor.take(":")
        items.append(Member(keys=(_json_text(key),), value=_json_value(cursor, depth), place=key.place))
        if cursor.take(",", "}").kind == "}":
            return Members(items=tuple(items))


def _json_value(cursor: _Cursor, depth: int) -> Node:
    token = cursor.next
    _bounded(token, depth)
    if token.kind == "{":
        return Node(value=_json_object(cursor, depth + 1), place=token.place)
    if token.kind == "string":
        return Node(value=_json_text(cursor.take("string")), place=token.place)
    if token.kind != "[":
        return _scalar(cursor.take("number", "word", "{", "["))
    return Node(value=_json_list(cursor, depth), place=token.place)


def _json_list(cursor: _Cursor, depth: int) -> tuple[Node, ...]:
    cursor.take("[")
    items: list[Node] = []
    if cursor.skip("]"):
        return ()
    while True:
        items.append(_json_value(cursor, depth + 1))
        if cursor.take(",", "]").kind == "]":
            return tuple(items)


def _bounded(token: _Token, depth: int) -> None:
    if depth > _DEEPEST:
        refuse(token.place, f"objects and lists stand more than {_DEEPEST} levels deep", "remove levels")


def _scalar(token: _Token) -> Node:
    if token.kind == "string":
        return Node(value=_text(token), place=token.place)
    if token.kind == "number":
        return Node(value=_number(token), place=token.place)
    if token.text not in ("true", "false"):
        refuse(token.place, f"{token.text} is not a value", f'write it in quotes: "{token.text}"')
    return Node(value=token.text == "true", place=token.place)


def _number(token: _Token) -> int | float:
    text = token.text
    try:
        if "x" in text.lower():
            return int(text, 16)
        return float(text) if any(mark in text for mark in ".eE") else int(text)
    except ValueError:  # more digits than Python converts
        refuse(token.place, "the number is too long", "write a shorter one")


def _json_text(token: _Token) -> str:
    try:
        return _whole(str(json.loads(token.text)))
    except ValueError:
        refuse(token.place, f"{token.text} is no JSON text", "correct its escapes")


def _whole(text: str) -> str:
    """The text, if it can be written: half of a surrogate pair cannot. Raises UnicodeEncodeError, a ValueError."""
    text.encode()
    return text


def _text(token: _Token) -> str:
    if token.kind == "word":
        return token.text

    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code in _PLAIN_ESCAPES:
            return _PLAIN_ESCAPES[code]
        try:
            return _whole(chr(int(code[1:], 16) if code[0] in "uUx" else int(code, 8)))
        except (ValueError, OverflowError):
            refuse(token.place, f"\\{code} is no escape", "write the character itself")

    return _ESCAPE.sub(one, token.text[1:-1])

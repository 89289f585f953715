"""A conservative reader of HCL: block structure, plain strings and the entries of objects; expressions are skipped.

It refuses what it cannot delimit with certainty, so that nothing can hide from it inside a string, comment or heredoc.
No evaluation, no functions, no dependency; the grammar is that of HCL's native syntax.

Source: github.com/hashicorp/hcl, hclsyntax/spec.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lifecycle.terraform_cli.configuration_blocks import Block, UnreadableError, Value

_SPACE = re.compile(r"[ \t\r]+|(?:#|//)[^\n]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HEREDOC = re.compile(r"<<-?([A-Za-z_][A-Za-z0-9_-]*)[ \t\r]*\n")
_NUMBER = re.compile(r"[0-9][0-9.eE+]*")
_OPEN, _CLOSE = "([{", ")]}"
_STRING_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # identifier, string, template, heredoc, newline, number, end, or the character itself
    text: str
    line: int


def hcl_blocks(text: str) -> list[Block]:
    """The blocks of a `.tf` file.

    Raises:
        UnreadableError: something cannot be delimited with certainty.
    """
    parser = _Parser(list(_tokens(text)))
    attributes, blocks = parser.body(closing="end")
    if attributes:
        raise UnreadableError(next(iter(attributes.values())).line, "an attribute stands outside any block")
    return blocks


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        character = text[position]
        if blank := _SPACE.match(text, position):
            end, token = blank.end(), None
        elif text.startswith("/*", position):
            end = text.find("*/", position)
            if end < 0:
                raise UnreadableError(line, "a comment has no end")
            end, token = end + 2, None
        elif character == "\n":
            end, token = position + 1, _Token("newline", "", line)
        elif character == '"':
            end = _string_end(text, position, line)
            token = _string(text[position + 1 : end - 1], line)
        elif heredoc := _HEREDOC.match(text, position):
            end = _heredoc_end(text, heredoc, line)
            token = _Token("heredoc", text[position:end], line)
        elif text.startswith("<<", position):
            raise UnreadableError(line, "a heredoc has no marker")
        elif word := _IDENTIFIER.match(text, position) or _NUMBER.match(text, position):
            end = word.end()
            token = _Token("identifier" if _IDENTIFIER.match(text, position) else "number", word[0], line)
        else:
            end, token = position + 1, _Token(character, character, line)
        if token is not None:
            yield token
        line += text.count("\n", position, end)
        position = end
    yield _Token("end", "", line)


def _string_end(text: str, start: int, line: int) -> int:
    """Position after the closing quote; strings inside interpolations are followed."""
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
        elif character == "\n":
            break
        elif character == '"':
            return position + 1
        elif text.startswith(("$${", "%%{"), position):
            position += 3
        elif text.startswith(("${", "%{"), position):
            position = _interpolation_end(text, position + 2, line)
        else:
            position += 1
    raise UnreadableError(line, "a string does not end on its line")


def _interpolation_end(text: str, start: int, line: int) -> int:
    position, depth = start, 1
    while position < len(text) and text[position] != "\n":
        character = text[position]
        if character == '"':
            position = _string_end(text, position, line)
            continue
        if character == "#" or text.startswith(("//", "/*", "<<"), position):
            raise UnreadableError(line, "an interpolation holds a comment or heredoc")
        depth += (character == "{") - (character == "}")
        position += 1
        if depth == 0:
            return position
    raise UnreadableError(line, "an interpolation does not end on its line")


def _string(raw: str, line: int) -> _Token:
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", raw):
        return _Token("template", raw, line)
    plain = _STRING_ESCAPE.sub(r"\1", raw.replace("$${", "${").replace("%%{", "%{"))
    return _Token("string", plain, line)


def _heredoc_end(text: str, start: re.Match[str], line: int) -> int:
    """Position after the marker's line. An interpolation must end on its line, or the marker might not be one."""
    position = start.end()
    while position < len(text):
        line += 1
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        content = text[position:end]
        if content.strip() == start[1]:
            return end
        inside = 0
        while inside < len(content):
            if content.startswith(("$${", "%%{"), inside):
                inside += 3
            elif content.startswith(("${", "%{"), inside):
                inside = _interpolation_end(content, inside + 2, line)
            else:
                inside += 1
        position = end + 1
    raise UnreadableError(line, "a heredoc has no end")


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def body(self, *, closing: str) -> tuple[dict[str, Value], list[Block]]:
        attributes: dict[str, Value] = {}
        blocks: list[Block] = []
        while True:
            token = self._take()
            if token.kind == closing:
                return attributes, blocks
            if token.kind == "newline":
                continue
            if token.kind != "identifier":
                raise UnreadableError(
                    token.line, f"{token.text or token.kind!r} stands where a name or brace is expected"
                )
            if self._peek().kind == "=":
                self._take()
                attributes[token.text] = self._expression(token.line)
            else:
                blocks.append(self._block(token))

    def _block(self, name: _Token) -> Block:
        labels = []
        while (token := self._take()).kind in {"string", "identifier"}:
            labels.append(token.text)
        if token.kind != "{":
            raise UnreadableError(token.line, f"block {name.text} does not begin with a brace")
        attributes, blocks = self.body(closing="}")
        return Block(type=name.text, labels=tuple(labels), line=name.line, attributes=attributes, blocks=tuple(blocks))

    def _expression(self, line: int) -> Value:
        """Skip to the end of an expression; keep a plain string, and the entries of an object."""
        tokens: list[_Token] = []
        depth = 0
        while True:
            token = self._peek()
            if token.kind == "end" or (depth == 0 and token.kind in {"newline", "}"}):
                break
            depth += (token.kind in tuple(_OPEN)) - (token.kind in tuple(_CLOSE))
            if depth < 0:
                raise UnreadableError(token.line, "brackets do not match")
            tokens.append(self._take())
        if depth:
            raise UnreadableError(line, "a bracket is not closed")
        if not tokens:
            raise UnreadableError(line, "an attribute has no value")
        return _value(tokens, line)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":  # which stays, so that nobody reads beyond it
            self._next += 1
        return token


def _value(tokens: list[_Token], line: int) -> Value:
    if len(tokens) == 1 and tokens[0].kind == "string":
        return Value(line=line, text=tokens[0].text)
    if tokens[0].kind == "{" and tokens[-1].kind == "}":
        return Value(line=line, entries=dict(_entries(tokens[1:-1])))
    return Value(line=line)


def _entries(tokens: list[_Token]) -> Iterator[tuple[str, Value]]:
    """`key = value` and `key : value` of an object, separated by commas or line ends."""
    start, depth = 0, 0
    for position, token in enumerate([*tokens, _Token("newline", "", 0)]):
        if depth == 0 and token.kind in {"newline", ","}:
            part = tokens[start:position]
            if len(part) > 2 and part[0].kind in {"identifier", "string"} and part[1].kind in {"=", ":"}:
                yield part[0].text, _value(part[2:], part[0].line)
            start = position + 1
        depth += (token.kind in tuple(_OPEN)) - (token.kind in tuple(_CLOSE))

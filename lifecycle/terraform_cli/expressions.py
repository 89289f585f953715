"""Strings of Terraform's JSON syntax: there every string is a template, so literal text must be escaped."""

from __future__ import annotations

from typing import Any

import orjson


class Expression(str):
    """A string that is meant to be evaluated: `${...}`. Everything else is literal text."""

    __slots__ = ()


def expression(text: str) -> Expression:
    """A reference or other expression, e.g. `expression("module.agent_a.arn")`."""
    return Expression("${" + text + "}")


def escaped(arguments: dict[str, Any]) -> dict[str, Any]:
    """`literal` for the arguments of one module call; quick for the many that hold no template character."""
    text = orjson.dumps(arguments)
    return literal(arguments) if b"${" in text or b"%{" in text else arguments


def literal(value: Any) -> Any:
    """The same tree with `${` and `%{` escaped in every plain string and key, so that Terraform reads it as it is.

    An IAM resource such as `home/${aws:username}/*` would otherwise be evaluated, and a spec could inject expressions.

    Args:
        value: dicts, lists, tuples, strings, numbers, booleans, None; an `Expression` passes untouched.
    """
    kind = type(value)
    if kind is str:
        return value.replace("${", "$${").replace("%{", "%%{") if "{" in value else value
    if kind is dict:
        return {literal(key): literal(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [literal(item) for item in value]
    return value

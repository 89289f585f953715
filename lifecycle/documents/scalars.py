"""What an unquoted YAML scalar means: YAML 1.2, and a refusal of everything YAML 1.1 reads otherwise.

Decided: `true`, `false`, `null` (also `~` and nothing), decimal integers and JSON numbers are typed; dates stay text,
because the models parse them; the rest is text. What two YAML versions read differently is refused, so that no reader
of a spec, human or machine, sees another value than this one does.
"""

from __future__ import annotations

import re

# First characters of every scalar that may be anything but text; the empty string stands for an empty scalar.
RISKY_STARTS = frozenset(["", *"0123456789+-.~=<nNtTfFyYoO"])

_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?")
_BOOLEAN_LIKE = re.compile(r"(?:y|n|yes|no|on|off|true|false)", re.IGNORECASE)
_NULL_LIKE = re.compile(r"null", re.IGNORECASE)
_OCTAL_LIKE = re.compile(r"[-+]?0[0-7_]+|0o[0-7]+")
_HEX_LIKE = re.compile(r"[-+]?0[xXbB][0-9a-fA-F_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)", re.IGNORECASE
)

_REFUSALS = (
    (_BOOLEAN_LIKE, "is a boolean in some YAML versions and text in others", "write true or false, or quote the text"),
    (_NULL_LIKE, "is empty in some YAML versions and text in others", "write null, or quote the text"),
    (_OCTAL_LIKE, "is an octal number in some YAML versions", "quote it if it is text; write numbers in decimal"),
    (_HEX_LIKE, "is a hexadecimal or binary number in YAML", "quote it if it is text; write numbers in decimal"),
    (_SEXAGESIMAL, "is a number to base 60 in some YAML versions", "quote it"),
    (_OTHER_NUMBER, "is a number in a spelling that is not allowed", "write 1000, -3 or 0.5, or quote the text"),
    (re.compile(r"[=]|<<"), "has a special meaning in some YAML versions", "quote it"),
)


class AmbiguousScalarError(ValueError):
    """An unquoted scalar that YAML versions read differently.

    Args:
        message: what is ambiguous, without the text.
        remedy: how to write it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def resolve_plain(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar.

    Raises:
        AmbiguousScalarError: when YAML 1.1 and 1.2 disagree about it.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    for pattern, message, remedy in _REFUSALS:
        if pattern.fullmatch(text):
            raise AmbiguousScalarError(message, remedy)
    return text

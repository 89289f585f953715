"""What every parser shares. Whatever stands here, or is imported here, every `--help` pays for."""

from __future__ import annotations

import argparse
import os

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

_NARROWEST, _WIDEST = 40, 200


def folder(text: str) -> Path:
    """A folder, as `type=` of an argument."""
    from pathlib import Path

    return Path(text)


class Parser(argparse.ArgumentParser):
    """Makes sub-parsers of its own kind, whose help is as wide as the terminal."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, **given})


def shared_options(*more_forms: str) -> Parser:
    """The options that every command takes, as a parent of its parser.

    Args:
        more_forms: what `--output` takes beside text and JSON, for a command that has more.
    """
    shared = Parser(add_help=False)
    forms = ("text", "json", *more_forms)
    shared.add_argument("--env", default=argparse.SUPPRESS, metavar="NAME", help="environment (or LIFECYCLE_ENV)")
    shared.add_argument("--root", default=argparse.SUPPRESS, metavar="DIR", help="repository (default: this folder)")
    shared.add_argument("--output", choices=forms, default=argparse.SUPPRESS, help="form of the result")
    shared.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress")
    return shared


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Asks for the terminal's width itself: argparse would import `shutil`, with three compressors, for it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width() - 2)


def _width() -> int:
    """As wide as the terminal, within reason; 80 where there is none."""
    try:
        found = os.get_terminal_size(1).columns
    except OSError:  # standard output is a pipe, a file, or closed
        found = 80
    return min(max(found, _NARROWEST), _WIDEST)

"""A CSV file as a table of text, read row by row: it may be larger than memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError

_SAMPLE = 64 * 1024
_SEPARATORS = ",;\t|"


class TableFile:
    """One file.

    Args:
        path: of a CSV file in UTF-8, with a header; the separator is found out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """Of the file, without its folder."""
        return self._path.name

    @cached_property
    def size(self) -> int:
        """In bytes. Raises ConfigurationError when it is not there."""
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise self._unreadable(error.strerror or "") from None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header. Raises ConfigurationError when there is none."""
        header = next(self._lines(), ())
        if not any(header):
            raise self._unreadable("it is empty")
        return header

    def rows(self) -> Iterator[tuple[str, ...]]:
        """What stands below the header; empty lines are left out. Raises ConfigurationError where it is unreadable."""
        lines = self._lines()
        next(lines, None)
        return lines

    def _lines(self) -> Iterator[tuple[str, ...]]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                separator = _separator(file.readline(_SAMPLE))
                file.seek(0)
                yield from (tuple(row) for row in csv.reader(file, delimiter=separator, strict=True) if row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            # The texts of the last two show cells, which are somebody's data.
            told = error.strerror if isinstance(error, OSError) else "it is not CSV in UTF-8"
            raise self._unreadable(told or "") from None

    def _unreadable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.name} cannot be read: {why}", remedy="name a CSV file in UTF-8 whose first line is its header"
        )


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)

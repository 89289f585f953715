"""The history of verification: one JSON line whenever a connector's result turns. Append-only, 0600, no values.

Equal results add nothing, so the file grows with what happens, not with how often it is looked.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.verification_history import Standing, Turn, standing
from lifecycle.foundation.atomic_file import private_folder

Key = tuple[str, str]


class VerificationHistory:
    """The history of one environment on this host.

    Args:
        path: of the file; it and its folder are made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, found: Sequence[Turn]) -> Mapping[str, Standing]:
        """Add what turned, and say where each connector of `found` stands.

        Args:
            found: results of one run, each connector once.

        Raises:
            ConfigurationError: the file cannot be read or written.
        """
        if not found:
            return {}
        private_folder(self._path.parent)
        try:
            with _locked(self._path) as descriptor:
                kept = _by_key(_read(descriptor))
                turned = [turn for turn in found if not _last_says(kept[_key(turn)], turn)]
                _append(descriptor, turned)
        except OSError as error:
            raise ConfigurationError(
                f"the history of verification {self._path.name} cannot be written: {error.strerror}",
                remedy=f"check that {self._path.parent} is writable for this user and has space, then run again",
            ) from None
        return {turn.connector: standing(kept[_key(turn)], turn) for turn in found}


def _key(turn: Turn) -> Key:
    return turn.connector, turn.through


def _last_says(turns: Sequence[Turn], turn: Turn) -> bool:
    return bool(turns) and turns[-1].says_the_same(turn)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open file, one process at a time: two runs at once would both find that something turned."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> list[bytes]:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read().split(b"\n")


def _append(descriptor: int, turned: Sequence[Turn]) -> None:
    if not turned:
        return
    size = os.fstat(descriptor).st_size
    # A run that was killed while it wrote leaves half a line: it stays half, and ours begins a new one.
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    text = "\n" * torn + "".join(f"{turn.model_dump_json()}\n" for turn in turned)
    os.write(descriptor, text.encode())
    os.fsync(descriptor)


def _by_key(lines: Sequence[bytes]) -> defaultdict[Key, list[Turn]]:
    turns: defaultdict[Key, list[Turn]] = defaultdict(list)
    for line in lines:
        try:
            turn = Turn.model_validate_json(line)
        except ValidationError:
            continue  # half a line of a run that was killed: what it said is said again by the next run
        turns[_key(turn)].append(turn)
    return turns

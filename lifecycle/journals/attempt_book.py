"""What was tried when: a small file beside the history of verification, 0600, without values.

It outlives a process, so that a scheduler that runs every minute does not lock an account either.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lifecycle.domain.attempts import FORGOTTEN_AFTER, Attempt
from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.atomic_file import private_folder, replace_file

_ATTEMPTS: TypeAdapter[dict[str, Attempt]] = TypeAdapter(dict[str, Attempt])


class AttemptBook:
    """Attempts of one environment on this host; safe to share between threads and processes.

    Args:
        path: of the file; made on the first note.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def last(self, key: str) -> Attempt | None:
        """The last attempt under this key; None when there was none, or the file cannot be read."""
        return self._read().get(key)

    def note(self, key: str, attempt: Attempt) -> None:
        """Remember an attempt, and forget what is old.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        with self._alone():
            kept = {name: old for name, old in self._read().items() if attempt.at - old.at < FORGOTTEN_AFTER}
            self._write({**kept, key: attempt})

    def _write(self, attempts: Mapping[str, Attempt]) -> None:
        document = {name: item.model_dump(mode="json") for name, item in sorted(attempts.items())}
        replace_file(self._path, f"{json.dumps(document, indent=1)}\n".encode())

    def _read(self) -> dict[str, Attempt]:
        try:
            return _ATTEMPTS.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}  # what is lost here costs one more attempt, and a check must not fail for it

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self._path.parent)
        with self._lock:
            try:
                descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ConfigurationError(
                    f"{self._path.name} cannot be written: {error.strerror}",
                    remedy=f"check that {self._path.parent} is writable for this user and has space",
                ) from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

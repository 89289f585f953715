"""The audit log as a file: one JSON line per event, each holding the digest of the line before it.

    {"event": {...}, "previous": "sha256:...", "sequence": 7}

The digest of a line is the SHA-256 of its canonical bytes. Beside the log lies `<name>.head` with the sequence and
digest of the newest line, so that cutting lines off the end shows; whoever rewrites both is found by a head that was
noted elsewhere (`verify_audit(..., expect_head=)`), for example in last quarter's evidence.

A line is durable before `append` returns. A crash between line and head leaves the head one line behind, which the next
`append` repairs; any other difference is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lifecycle.domain.audit import GENESIS, AuditEvent, Digest, canonical, digest_bytes
from lifecycle.domain.audit_head import AuditHead
from lifecycle.domain.errors import ConfigurationError, IntegrityError
from lifecycle.domain.ports import AuditLog
from lifecycle.foundation.atomic_file import private_folder, replace_file, sync_folder

_REMEDY = "keep the file as it is, restore the log from a backup beside it, and find out who could write to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    event: AuditEvent
    head: AuditHead


class FileAuditLog:
    """An audit log in one file, 0600, shared by the processes of one host through a lock.

    Args:
        path: of the log; the head and the lock lie beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, event: AuditEvent) -> Digest:
        """Write one event durably.

        Raises:
            IntegrityError: the log does not verify: nothing is added to a broken chain.
            ConfigurationError: it cannot be written: the caller must not act.
        """
        private_folder(self._path.parent)
        with _locked(self._path):
            head = self._last_head()
            line = _document(event, head)
            digest = digest_bytes(canonical(line))
            self._write(canonical(line) + b"\n")
            _write_head(self._path, AuditHead(sequence=head.sequence + 1, digest=digest))
        return digest

    def read(self) -> tuple[AuditEvent, ...]:
        """All events, oldest first, the chain and the head checked.

        Raises:
            IntegrityError: the chain does not verify.
        """
        if not self._path.parent.is_dir():
            return ()
        with _locked(self._path):
            lines = _checked(self._path)
        return tuple(line.event for line in lines)

    def _last_head(self) -> AuditHead:
        try:
            return _last_head(self._path)
        except OSError as error:
            message = f"the audit log {self._path} cannot be read: {error.strerror}"
            raise ConfigurationError(message, remedy="repair the file or its permissions; nothing was done") from None

    def _write(self, data: bytes) -> None:
        created = not self._path.exists()
        size = 0 if created else self._path.stat().st_size
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)  # a full disk leaves half a line, which would break the chain
                raise
            finally:
                os.close(descriptor)
            if created:
                sync_folder(self._path.parent)
        except OSError as error:
            message = f"the audit log {self._path} could not be written: {error.strerror}"
            raise ConfigurationError(message, remedy="free space or repair the permissions; nothing was done") from None


def verify_audit(path: Path, *, expect_head: str = "") -> AuditHead:
    """Check a log offline.

    Args:
        path: of the log.
        expect_head: a digest that was noted earlier: it must be the digest of one of the lines.

    Returns:
        the newest line's number and digest, to be noted elsewhere.

    Raises:
        IntegrityError: a line was changed, removed or added, lines were cut off, or the expected head is not in it.
    """
    lines = _checked(path)
    if expect_head and expect_head not in {line.head.digest for line in lines}:
        raise IntegrityError(
            f"the audit log {path.name} does not hold {expect_head}: it was rewritten or cut since that was noted",
            remedy=_REMEDY,
        )
    return lines[-1].head if lines else AuditHead(sequence=0, digest=GENESIS)


def audit_lines(path: Path) -> tuple[tuple[AuditEvent, AuditHead], ...]:
    """Every event with the number and digest of its line, oldest first; takes no lock, so copies can be read too.

    Raises:
        IntegrityError: the chain does not verify.
    """
    return tuple((line.event, line.head) for line in _checked(path))


def _checked(path: Path) -> tuple[_Line, ...]:
    lines = tuple(_chain(path))
    _check_head(path, lines)
    return lines


def _chain(path: Path) -> Iterator[_Line]:
    data = path.read_bytes() if path.exists() else b""
    if data and not data.endswith(b"\n"):
        raise IntegrityError(f"the audit log {path.name} ends in the middle of a line", remedy=_REMEDY)
    previous: Digest = GENESIS
    for number, raw in enumerate(data.splitlines(), start=1):
        document = _parsed(path, number, raw)
        event = _event(path, number, document)
        if document.get("previous") != previous or document.get("sequence") != number or canonical(document) != raw:
            message = (
                f"the audit log {path.name} does not verify at line {number}: a line was changed, added or removed"
            )
            raise IntegrityError(message, remedy=_REMEDY)
        previous = digest_bytes(raw)
        yield _Line(event=event, head=AuditHead(sequence=number, digest=previous))


def _parsed(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise IntegrityError(f"the audit log {path.name} cannot be read at line {number}", remedy=_REMEDY)
    return document


def _event(path: Path, number: int, document: Mapping[str, Any]) -> AuditEvent:
    try:
        return AuditEvent.model_validate(document.get("event"))
    except ValidationError:
        raise IntegrityError(f"the audit log {path.name} holds no event at line {number}", remedy=_REMEDY) from None


def _check_head(path: Path, lines: tuple[_Line, ...]) -> None:
    noted = _noted_head(path)
    newest = lines[-1].head if lines else AuditHead(sequence=0, digest=GENESIS)
    before = lines[-2].head if len(lines) > 1 else AuditHead(sequence=0, digest=GENESIS)
    if noted not in (newest, before):
        have, expected = newest.sequence, noted.sequence
        message = f"the audit log {path.name} has {have} lines and its head names line {expected}: lines were cut off"
        raise IntegrityError(message, remedy=_REMEDY)


def _last_head(path: Path) -> AuditHead:
    """The newest line's head, at the cost of one line when head and file agree, else by checking everything."""
    noted = _noted_head(path)
    last = _last_line(path)
    if last is not None and digest_bytes(last) == noted.digest:
        return noted
    lines = _checked(path)
    return lines[-1].head if lines else AuditHead(sequence=0, digest=GENESIS)


def _last_line(path: Path) -> bytes | None:
    if not path.exists() or path.stat().st_size == 0:
        return None
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = 4096
        while True:
            file.seek(max(0, size - window))
            data = file.read()
            if data.endswith(b"\n") and (data[:-1].count(b"\n") or window >= size):
                return data[:-1].rpartition(b"\n")[2]
            if window >= size:
                return None
            window *= 4


def _noted_head(path: Path) -> AuditHead:
    try:
        document = json.loads(_head_path(path).read_bytes())
        return AuditHead(sequence=int(document["sequence"]), digest=Digest(document["digest"]))
    except FileNotFoundError:
        return AuditHead(sequence=0, digest=GENESIS)
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"the head of the audit log {path.name} cannot be read", remedy=_REMEDY) from None


def _write_head(path: Path, head: AuditHead) -> None:
    replace_file(_head_path(path), canonical({"sequence": head.sequence, "digest": head.digest}) + b"\n")


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _document(event: AuditEvent, head: AuditHead) -> dict[str, Any]:
    return {"event": event.model_dump(mode="json"), "previous": head.digest, "sequence": head.sequence + 1}


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time on this host."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        message = f"the audit log {path} cannot be locked: {error.strerror}"
        raise ConfigurationError(message, remedy="repair the permissions of its folder; nothing was done") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_: type[AuditLog] = FileAuditLog

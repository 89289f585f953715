"""A file on this host as a consumer's copy: replaced atomically, with mode and owner, then a reload command.

The file is one JSON object with the value's fields. Beside it lies `NAME.lifecycle` (0600, no value) with the highest
fence seen and the fingerprint after which the reload command succeeded. The acknowledgement is the fingerprint of what
the file holds when it is read back, and only once the reload has succeeded.

The command runs without a shell, in a short environment that is declared, with a deadline; its output is dropped, since
it may show the value.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import ConfigurationError, FenceError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue, canonical_json, secret_value
from lifecycle.domain.spec import Duration
from lifecycle.foundation.atomic_file import Owner, private_folder, replace_file, sync_folder
from lifecycle.foundation.bounded_command import run_bounded


class FileSettings(KindSettings):
    """`deliver_to: [{file: {…}}]`.

    Attributes:
        path: the file; relative paths lie in the environment's delivery folder.
        mode: permission bits, in octal.
        owner: `user`, `user:group` or `:group`; empty = whoever runs the tool.
        reload: command that makes the consumer read the file; a list, never a shell line.
        environment: variables that the command gets beside PATH and LANG.
        reload_timeout: after this the command is killed and the delivery counts as failed.
    """

    path: str = Field(min_length=1)
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = "0600"
    owner: str = ""
    reload: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    reload_timeout: Duration = timedelta(seconds=30)

    def mode_bits(self) -> int:
        """The mode as a number."""
        return int(self.mode, 8)


def owner_of(text: str) -> Owner | None:
    """The numeric owner that a setting names.

    Raises:
        ConfigurationError: this host knows no such user or group.
    """
    import grp
    import pwd

    user, _, group = text.partition(":")
    try:
        return (
            Owner(
                uid=pwd.getpwnam(user).pw_uid if user else -1,
                gid=grp.getgrnam(group).gr_gid if group else -1,
            )
            if text
            else None
        )
    except KeyError:
        raise ConfigurationError(
            f"this host knows no user or group as in owner {text!r}", remedy="create it, or correct `owner`"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What makes a consumer read its file again."""

    command: Sequence[str]
    environment: Mapping[str, str]
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    fence: int = 0
    operation: str = ""
    reloaded: str = ""


class FileDestination:
    """One file.

    Args:
        path: absolute.
        fingerprint: names a value without revealing it.
        mode: permission bits.
        owner: who shall own it.
        reload: run after each replacement.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Fingerprinter,
        *,
        mode: int = 0o600,
        owner: Owner | None = None,
        reload: Reload | None = None,
    ) -> None:
        self._path = path
        self._notes_path = path.with_name(f"{path.name}.lifecycle")
        self._fingerprint = fingerprint
        self._mode = mode
        self._owner = owner
        self._reload = reload

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Write the file and reload; nothing is done again that was done."""
        with self._locked() as notes:
            self._check_fence(consumer, notes, fence)
            done = self._held() == fingerprint and notes.reloaded == fingerprint
            # The fence first: a crash below is repaired by whoever holds it, or a newer one.
            begun = replace(notes, fence=fence, operation=operation, reloaded=fingerprint if done else "")
            self._keep(begun)
            if done:
                return
            replace_file(self._path, canonical_json(value) + b"\n", mode=self._mode, owner=self._owner)
            self._run_reload(consumer)
            self._keep(replace(begun, reloaded=fingerprint))

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """The fingerprint of what the file holds, once the consumer was made to read it."""
        del consumer
        held = self._held()
        if held is None or self._read_notes().reloaded != held:
            return NotKnown.NOT_YET
        return Acknowledgement(fingerprint=held, at=datetime.fromtimestamp(self._path.stat().st_mtime, UTC))

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Delete the file; the fence stays."""
        with self._locked() as notes:
            self._check_fence(consumer, notes, fence)
            self._keep(replace(notes, fence=fence, operation=operation, reloaded=""))
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)

    def _check_fence(self, consumer: str, notes: _Notes, fence: int) -> None:
        if fence < notes.fence:
            raise FenceError(
                f"{self._path} of {consumer} was already written under a newer lease ({notes.fence} > {fence})",
                remedy="nothing to do: the newer run carries on",
            )

    @contextmanager
    def _locked(self) -> Iterator[_Notes]:
        """Check of the fence and replacement are one step for every process of this host."""
        if not self._path.parent.is_dir():
            private_folder(self._path.parent)
        descriptor = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._read_notes()
        finally:
            os.close(descriptor)

    def _read_notes(self) -> _Notes:
        document = _json_object(self._notes_path) or {}
        return _Notes(
            fence=int(str(document.get("fence", 0))),
            operation=str(document.get("operation", "")),
            reloaded=str(document.get("reloaded", "")),
        )

    def _keep(self, notes: _Notes) -> None:
        document = {"fence": notes.fence, "operation": notes.operation, "reloaded": notes.reloaded}
        replace_file(self._notes_path, json.dumps(document, sort_keys=True).encode())

    def _held(self) -> Fingerprint | None:
        document = _json_object(self._path)
        if document is None or not all(isinstance(item, str) for item in document.values()):
            return None
        return self._fingerprint(secret_value({name: str(item) for name, item in document.items()}))

    def _run_reload(self, consumer: str) -> None:
        if self._reload is None or not self._reload.command:
            return
        reload = self._reload
        ended = run_bounded(reload.command, environment=reload.environment, timeout=reload.timeout)
        if ended.trouble:
            raise RemoteServiceError(
                f"the reload command of {consumer} ({reload.command[0]}) {ended.trouble}",
                remedy="run it by hand and look at its output; the file itself is in place",
                retryable=True,
            )


def _json_object(path: Path) -> dict[str, object] | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", remedy="check its owner") from None
    return document if isinstance(document, dict) else None


_: type[CredentialDestination] = FileDestination

KIND = Kind(
    name="file",
    family=Family.DESTINATION,
    settings=FileSettings,
    summary="A JSON file on this host, replaced atomically; a command makes its reader reload it.",
)

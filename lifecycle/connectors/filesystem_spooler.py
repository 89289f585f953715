"""A spooler in the file system: a file can be written there, renamed, read back and removed, and there is room.

It is verified on the machine that runs `lifecycle`: where agents see another file system, run it there. The probe
writes one file named `.lifecycle-check-…` and removes it; one that a killed run left is removed by a later one.

Source of the codes: errno(3).
"""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from pydantic import field_validator

from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

FOLDER, WRITE, SPACE, DEPTH = "folder", "write", "free space", "depth"
_MARK = ".lifecycle-check-"
_OLD = timedelta(minutes=10)
_MEBI = 1 << 20
_CODES = {
    errno.ENOENT: Reason.NOT_CONFIGURED,
    errno.ENOTDIR: Reason.NOT_CONFIGURED,
    errno.EACCES: Reason.NO_PERMISSION,
    errno.EPERM: Reason.NO_PERMISSION,
    errno.EROFS: Reason.NO_PERMISSION,
    errno.ENOSPC: Reason.SERVICE_FAULT,
    errno.EDQUOT: Reason.SERVICE_FAULT,
    errno.EIO: Reason.SERVICE_FAULT,
    errno.ESTALE: Reason.SERVICE_FAULT,
    errno.ETIMEDOUT: Reason.TIMEOUT_READ,
}


class FilesystemSpoolerSettings(KindSettings):
    """A connector of kind `filesystem_spooler`; also the target that is verified.

    Attributes:
        path: the folder, absolute.
        least_free: MiB that must be free.
        most_waiting: more files than this mean that nobody empties it; 0 = any number is fine.
    """

    path: str
    least_free: int = 100
    most_waiting: int = 0

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("the path must be absolute")
        return path


class FilesystemSpoolerVerifier:
    """Verifies folders.

    Args:
        clock: the time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def verify(
        self, target: FilesystemSpoolerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Write a file and remove it; count what waits; see how much is free."""
        del value
        probe = Probe.begin((FOLDER, WRITE, SPACE, DEPTH), clock=self._clock, deadline=deadline, via=via)
        try:
            return self._judge(probe, target)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "unknown")
            return probe.result(_CODES.get(error.errno or 0, Reason.AMBIGUOUS), name)

    def _judge(self, probe: Probe, target: FilesystemSpoolerSettings) -> VerificationResult:
        folder = Path(target.path)
        names = os.listdir(folder)
        probe.show(FOLDER)
        self._sweep(folder, names)
        if not _writable(folder):
            return probe.result(Reason.SERVICE_FAULT, "a file came back other than it was written")
        probe.show(WRITE)
        space = os.statvfs(folder)
        free, waiting = space.f_bavail * space.f_frsize // _MEBI, sum(not name.startswith(_MARK) for name in names)
        if free < target.least_free:
            return probe.result(Reason.SERVICE_FAULT, f"{free} MiB free, {target.least_free} MiB are needed")
        probe.show(SPACE)
        if target.most_waiting and waiting > target.most_waiting:
            return probe.result(Reason.NOT_CONFIGURED, f"{waiting} files wait: no agent empties the folder")
        probe.show(DEPTH)
        return probe.result(Reason.WORKS, f"{waiting} files wait, {free} MiB free")

    def _sweep(self, folder: Path, names: list[str]) -> None:
        """Remove what killed runs left; a young file may be of a run that goes on."""
        for path in (folder / name for name in names if name.startswith(_MARK)):
            try:
                old = self._clock().timestamp() - path.stat().st_mtime > _OLD.total_seconds()
            except FileNotFoundError:
                continue
            if old:
                path.unlink(missing_ok=True)


def _writable(folder: Path) -> bool:
    """Write, flush to the disk, rename, read back, remove; whether it came back as it was."""
    content = uuid4().hex.encode()
    written, renamed = folder / f"{_MARK}{uuid4().hex}.new", folder / f"{_MARK}{uuid4().hex}"
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        written.rename(renamed)
        return renamed.read_bytes() == content
    finally:
        written.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)


_: type[ConnectorVerifier] = FilesystemSpoolerVerifier

KIND = Kind(
    name="filesystem_spooler",
    family=Family.CONNECTOR,
    settings=FilesystemSpoolerSettings,
    summary="A spooler in the file system: writable, room left, and how much waits in it.",
)

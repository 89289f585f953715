"""Reviewed-plan folders on this machine, and the encrypted archive in which one travels to another."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifecycle.domain.audit import Digest
from lifecycle.domain.errors import ConfigurationError, IntegrityError, NotFoundError, UnsafePlanError
from lifecycle.domain.infrastructure_ports import PlanFolder
from lifecycle.domain.ports import PlanStore
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.atomic_file import private_folder, replace_file
from lifecycle.foundation.tree_digest import file_digest

_PLAN = "plan.bin"
_NONCE = 12


class PlanFolderFiles:
    """A reviewed-plan folder (0700): `plan.bin`, `manifest.json`, `review.json`, `gate.json`, `source_map.json`.

    Args:
        folder: where it is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def plan_file(self) -> Path:
        """The saved plan. It may hold values: it leaves the machine only inside the encrypted archive."""
        return self.folder / _PLAN

    def clear(self) -> None:
        """Make the folder, and remove what an earlier plan left in it."""
        private_folder(self.folder)
        for path in self.folder.iterdir():
            if path.is_symlink() or not path.is_dir():
                path.unlink()

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one document, readable for people: review.json is what they sign."""
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        replace_file(self.folder / name, text.encode() + b"\n")

    def read(self, name: str) -> Mapping[str, Any]:
        """Read one document.

        Raises:
            UnsafePlanError: it is missing or no JSON object.
        """
        try:
            document = json.loads(self.read_bytes(name))
        except ValueError:
            raise _unusable(self.folder, f"{name} is no JSON") from None
        if not isinstance(document, dict):
            raise _unusable(self.folder, f"{name} holds no document")
        return document

    def read_bytes(self, name: str) -> bytes:
        """Read one document as it is on disk.

        Raises:
            UnsafePlanError: it is missing.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise _unusable(self.folder, f"{name} cannot be read ({type(error).__name__})") from None

    def plan_digest(self) -> Digest:
        """SHA-256 of the plan file; it is made private first, as Terraform writes it with the umask of the user."""
        try:
            os.chmod(self.plan_file, 0o600, follow_symlinks=True)
            return file_digest(self.plan_file)
        except (OSError, NotFoundError):
            raise _unusable(self.folder, f"{_PLAN} is missing") from None


class EncryptedPlanStore:
    """Reviewed plans as AES-GCM archives in a folder that several machines see. The digest is authenticated with it.

    Args:
        folder: the shared folder.
        key: 32 bytes, in hexadecimal digits.
    """

    def __init__(self, folder: Path, key: SecretText) -> None:
        self._folder = folder
        self._key = key

    def put(self, digest: Digest, folder: Path) -> None:
        """Keep a folder under its plan digest. Second call: nothing."""
        path = self._path(digest)
        if path.exists():
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for item in sorted(folder.iterdir()):
                archive.add(item, arcname=item.name, recursive=False, filter=_plain)
        nonce = os.urandom(_NONCE)
        private_folder(self._folder)
        replace_file(path, nonce + self._cipher().encrypt(nonce, buffer.getvalue(), digest.encode()))

    def get(self, digest: Digest, folder: Path) -> None:
        """Bring a plan back.

        Raises:
            NotFoundError: no plan with this digest.
            IntegrityError: the archive was altered, belongs to another digest, or the key is another.
        """
        from cryptography.exceptions import InvalidTag

        try:
            sealed = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"there is no plan {digest}", remedy="run `lifecycle plan` and store it") from None
        try:
            data = self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], digest.encode())
        except InvalidTag:
            message = f"the stored plan {digest} was altered, or was stored with another key"
            raise IntegrityError(message, remedy="plan again; find out who can write to the plan store") from None
        private_folder(folder)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive.getmembers():
                content = archive.extractfile(member)
                if content is not None and "/" not in member.name:
                    replace_file(folder / member.name, content.read())

    def _path(self, digest: Digest) -> Path:
        return self._folder / f"{digest.removeprefix('sha256:')}.plan"

    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(bytes.fromhex(self._key.get_secret_value()))
        except ValueError:
            remedy = "give the key of the plan store as 64 hexadecimal digits"
            raise ConfigurationError("the key of the plan store is no AES key", remedy=remedy) from None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files only, without names of users and without times."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member if member.isfile() else None


def _unusable(folder: Path, what: str) -> UnsafePlanError:
    return UnsafePlanError(f"the reviewed plan in {folder} cannot be used: {what}", remedy="run `lifecycle plan` again")


_folder: type[PlanFolder] = PlanFolderFiles
_store: type[PlanStore] = EncryptedPlanStore

"""Vault (or OpenBao) KV version 2 as a secret store.

    PREFIX/NAME                      one document: current at the top, previous and retiring under the reserved key
    PREFIX/NAME.pending/OP:CAND      a staged value, created with cas=0, removed after promotion

Promotion, restoring and sealing are each one check-and-set write of the document (see `vault_document`). A version id
is the number of the document's version at which the value became current; that of a pending value is
`pending:OP:CAND`. `revision` is the document's newest version, which sealing moves too.

Older versions that KV v2 keeps of the document (10 by default) hold values that were revoked; `purge` destroys all.

Source: Vault API documentation, KV secrets engine version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lifecycle.clients.vault import VaultClient
from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretRef,
    SecretValue,
    StoredValue,
    StoreState,
    VersionId,
    VersionStage,
    VersionSummary,
)
from lifecycle.secret_stores.envelope import enclose, open_document, same_value
from lifecycle.secret_stores.vault_document import Held, VaultDocument, held
from lifecycle.secret_stores.vault_settings import KIND

__all__ = ["KIND", "VaultKvStore"]

_PENDING = "pending:"
_EMPTY_MARKER = Held(value={}, marker=True)


class VaultKvStore:
    """The store.

    Args:
        client: logs in by itself.
        mount: path of the KV v2 mount.
        prefix: path in front of every secret's name.
    """

    def __init__(self, client: VaultClient, *, mount: str = "kv", prefix: str = "") -> None:
        self._client = client
        self._mount = mount
        self._prefix = prefix

    def describe(self, ref: SecretRef) -> StoreState:
        """Read the document and what is pending beside it."""
        document, _ = self._document(ref)
        if document is None:
            return StoreState(ref=ref, revision=VersionId(""), exists=False)
        return StoreState(
            ref=ref,
            revision=VersionId(str(document.version)),
            exists=True,
            marker=document.current.marker,
            current=_summary(document.current),
            previous=_summary(document.previous),
            retiring=_summary(document.retiring),
            pending=tuple(_pending_summary(item) for item in self._waiting(ref, document)),
        )

    def prepare(self, ref: SecretRef) -> VersionId:
        """Write the marker document and read it back."""
        document, last = self._document(ref)
        if document is None:
            try:
                self._write(self._path(ref), VaultDocument(version=last + 1, current=_EMPTY_MARKER).data(), cas=last)
            except LostRaceError:
                pass  # somebody else was first: the read below says with what
            document, _ = self._document(ref)
        if document is None or not document.current.marker:
            raise LostRaceError(
                f"{self._path(ref)} holds a value that this operation did not write",
                remedy="take it over with `lifecycle rotate adopt`, or remove it",
            )
        return VersionId(str(document.version))

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        """Create the pending document; cas=0 lets exactly one run succeed."""
        roles = self._existing(ref).roles()
        placed = next((role for role in roles if (role.operation, role.candidate) == (operation, candidate)), None)
        if placed is not None:
            self._check_same(ref, candidate, placed, value)
            return VersionId(str(placed.version))
        key = _pending_key(operation, candidate)
        notes = {"operation": operation, "candidate": candidate, "fence": fence}
        try:
            self._write(self._pending_path(ref, key), enclose(value, notes), cas=0)
        except LostRaceError:
            staged = self._pending(ref, key)
            if staged is None:
                raise
            self._check_same(ref, candidate, staged, value)
        return VersionId(f"{_PENDING}{key}")

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        """Read one value by stage or version id."""
        if isinstance(which, VersionStage):
            found = self._by_stage(ref, which)
        elif which.startswith(_PENDING):
            found = self._pending(ref, which.removeprefix(_PENDING))
        else:
            found = self._by_version(ref, which)
        if found is None or found.marker:
            raise NotFoundError(f"{self._path(ref)} holds no {which} value", remedy="run `lifecycle rotate status`")
        pending = which == VersionStage.PENDING or which.startswith(_PENDING)
        return StoredValue(summary=_pending_summary(found) if pending else found.summary(), value=found.value)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        """One check-and-set write, then clear the pending path."""
        document = self._existing(ref)
        waiting = [item for item in self._waiting(ref, document) if item.candidate == candidate]
        if waiting:
            # Two operations may have used one candidate name; which is meant cannot be told here: neither is taken.
            following = document.promoting(waiting[0]) if len(waiting) == 1 else None
            document = self._step(ref, document, following, expected)
        elif document.current.candidate != candidate or document.current.marker:
            self._expect(ref, document, expected)
            raise NotFoundError(f"{self._path(ref)} has no pending value {candidate}", remedy="run again")
        current = document.current
        self._remove(self._pending_path(ref, _pending_key(current.operation, current.candidate)))
        return current.summary().version

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """One check-and-set write: previous is current again, the rejected value retiring."""
        document = self._existing(ref)
        if str(document.restored) == expected and document.version == document.restored + 1:
            return VersionId(str(document.version))
        if document.previous is None:
            raise LostRaceError(f"{self._path(ref)} has no previous value to go back to", remedy="nothing was changed")
        document = self._step(ref, document, document.restoring(document.previous), expected)
        return VersionId(str(document.version))

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """One check-and-set write: previous becomes retiring. Without a previous value nothing is written."""
        document = self._existing(ref)
        if str(document.sealed) == expected and document.version == document.sealed + 1:
            return VersionId(str(document.version))
        if document.previous is None and str(document.version) == expected:
            return expected
        document = self._step(ref, document, document.sealing(), expected)
        return VersionId(str(document.version))

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        """Destroy the pending document and its history."""
        for key in self._pending_keys(ref):
            if key.partition(":")[2] == quote(candidate, safe=""):
                self._remove(self._pending_path(ref, key))

    def purge(self, ref: SecretRef) -> None:
        """Destroy the document, everything pending, and the history of both."""
        for key in self._pending_keys(ref):
            self._remove(self._pending_path(ref, key))
        self._remove(self._path(ref))

    # What follows is not of the port: values of the tool itself, which are replaced in place and never rotated.

    def recall(self, ref: SecretRef) -> SecretValue:
        """Read a value written by `keep`. Raises NotFoundError."""
        found, _ = self._raw(self._path(ref))
        if found is None:
            raise NotFoundError(f"{self._path(ref)} holds nothing", remedy="run `lifecycle bootstrap`")
        return open_document(found["data"]).value

    def keep(self, ref: SecretRef, value: SecretValue) -> None:
        """Write a value in place. Second call: the same value again."""
        found, last = self._raw(self._path(ref))
        if found is None or not same_value(open_document(found["data"]).value, value):
            self._write(self._path(ref), enclose(value, {}), cas=last)

    def keep_once(self, ref: SecretRef, value: SecretValue) -> SecretValue:
        """Write a value unless there is one; returns the one that is there."""
        found, last = self._raw(self._path(ref))
        if found is None:
            try:
                self._write(self._path(ref), enclose(value, {}), cas=last)
            except LostRaceError:
                pass  # another run was first: its value is the one
        return self.recall(ref)

    def _step(
        self, ref: SecretRef, document: VaultDocument, following: VaultDocument | None, expected: VersionId
    ) -> VaultDocument:
        self._expect(ref, document, expected)
        if following is None:
            raise LostRaceError(f"{self._path(ref)} has two candidates of one name", remedy="run again")
        self._write(self._path(ref), following.data(), cas=document.version)
        return following

    def _expect(self, ref: SecretRef, document: VaultDocument, expected: VersionId) -> None:
        if str(document.version) != expected:
            raise LostRaceError(
                f"{self._path(ref)} is at version {document.version}, expected was {expected}",
                remedy="look who wrote it (Vault audit log), then run again",
            )

    def _by_stage(self, ref: SecretRef, stage: VersionStage) -> Held | None:
        document = self._existing(ref)
        if stage is VersionStage.PENDING:
            waiting = self._waiting(ref, document)
            return waiting[0] if len(waiting) == 1 else None
        roles = {VersionStage.CURRENT: document.current, VersionStage.PREVIOUS: document.previous}
        return roles.get(stage, document.retiring)

    def _by_version(self, ref: SecretRef, version: VersionId) -> Held | None:
        """From the document itself, else from Vault's history, which prunes."""
        if not version.isdigit():
            return None
        document = self._existing(ref)
        role = next((role for role in document.roles() if str(role.version) == version), None)
        if role is not None:
            return role
        found, _ = self._raw(self._path(ref), version=int(version))
        return None if found is None else _parsed(found).current

    def _existing(self, ref: SecretRef) -> VaultDocument:
        document, _ = self._document(ref)
        if document is None:
            raise NotFoundError(f"there is no secret {self._path(ref)}", remedy="run again: it is prepared first")
        return document

    def _document(self, ref: SecretRef) -> tuple[VaultDocument | None, int]:
        found, last = self._raw(self._path(ref))
        return (None if found is None else _parsed(found)), last

    def _pending_keys(self, ref: SecretRef) -> tuple[str, ...]:
        path = f"{self._path(ref)}.pending"
        try:
            answer = self._client.read(
                lambda c: c.secrets.kv.v2.list_secrets(path=path, mount_point=self._mount), what=f"listing {path}"
            )
        except NotFoundError:
            return ()
        return tuple(sorted(str(key) for key in answer["data"]["keys"]))

    def _waiting(self, ref: SecretRef, document: VaultDocument) -> tuple[Held, ...]:
        """What is pending; a copy that promotion has not cleared yet is not."""
        placed = {_pending_key(role.operation, role.candidate) for role in document.roles()}
        found = (self._pending(ref, key) for key in self._pending_keys(ref) if key not in placed)
        return tuple(item for item in found if item is not None)

    def _pending(self, ref: SecretRef, key: str) -> Held | None:
        found, _ = self._raw(self._pending_path(ref, key))
        if found is None:
            return None
        return held(open_document(found["data"]), created=found["metadata"]["created_time"])

    def _raw(self, path: str, version: int | None = None) -> tuple[dict[str, Any] | None, int]:
        """Data with metadata, or None, and the version that a writing check-and-set must name."""
        try:
            answer = self._client.read(
                lambda c: c.secrets.kv.v2.read_secret_version(
                    path=path, version=version, mount_point=self._mount, raise_on_deleted_version=False
                ),
                what=f"reading {path}",
            )
        except NotFoundError:
            return None, 0
        found = answer["data"]
        return (found if found.get("data") is not None else None), int(found["metadata"]["version"])

    def _write(self, path: str, data: Mapping[str, Any], *, cas: int) -> None:
        self._client.write(
            lambda c: c.secrets.kv.v2.create_or_update_secret(
                path=path, secret=dict(data), cas=cas, mount_point=self._mount
            ),
            what=f"writing {path}",
        )

    def _remove(self, path: str) -> None:
        self._client.write(
            lambda c: c.secrets.kv.v2.delete_metadata_and_all_versions(path=path, mount_point=self._mount),
            what=f"removing {path}",
        )

    def _check_same(self, ref: SecretRef, candidate: CandidateId, staged: Held, value: SecretValue) -> None:
        if not same_value(staged.value, value):
            raise LostRaceError(
                f"{candidate} is staged at {self._path(ref)} with another value",
                remedy="run again: the operation is read anew; two runs may be at work",
            )

    def _path(self, ref: SecretRef) -> str:
        return secret_name(self._prefix, ref.path)

    def _pending_path(self, ref: SecretRef, key: str) -> str:
        return f"{self._path(ref)}.pending/{key}"


def _pending_key(operation: OperationId, candidate: CandidateId) -> str:
    return f"{quote(operation, safe='')}:{quote(candidate, safe='')}"


def _parsed(found: Mapping[str, Any]) -> VaultDocument:
    metadata = found["metadata"]
    return VaultDocument.parse(int(metadata["version"]), str(metadata["created_time"]), found["data"])


def _summary(role: Held | None) -> VersionSummary | None:
    return None if role is None or role.marker else role.summary()


def _pending_summary(item: Held) -> VersionSummary:
    summary = item.summary()
    return VersionSummary(
        version=VersionId(f"{_PENDING}{_pending_key(item.operation, item.candidate)}"),
        operation=summary.operation,
        candidate=summary.candidate,
        created=summary.created,
    )


_: type[SecretStore] = VaultKvStore

"""Vault (or OpenBao) KV version 2 as a journal: check-and-set on one document per credential.

    PATH/heads/CREDENTIAL                 lease and newest record; the document's version is what check-and-set names
    PATH/records/CREDENTIAL/0000000012    one archived record, created with cas=0 and never overwritten

The path should name the environment. How heads and records work together, how a lost answer is resolved and how an
older backup is noticed: `document_journal`. A restored snapshot of Vault takes heads, records and the secrets of the
same mount back together; what this machine has seen tells.

KV v2 keeps some versions of each head (10 by default), which are not needed. Nothing here deletes anything.

Source: Vault API documentation, KV secrets engine version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lifecycle.clients.vault import VaultClient
from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings

if TYPE_CHECKING:
    from lifecycle.journals.document_journal import Documents

_DIGITS = 10


class VaultJournalSettings(KindSettings):
    """`journal.vault`.

    Attributes:
        store: the Vault secret store whose address, login and mount are used.
        path: below that mount; one per environment, and not below the store's own prefix.
    """

    store: str = "default"
    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*[A-Za-z0-9]$")]


class VaultKvDocuments:
    """Heads and archived records of one environment.

    Args:
        client: logs in by itself.
        mount: path of the KV v2 mount.
        path: below it.
    """

    def __init__(self, client: VaultClient, *, mount: str, path: str) -> None:
        self._client, self._mount, self._path = client, mount, path.strip("/")

    @property
    def name(self) -> str:
        """Which journal it is, for messages."""
        return f"journal {self._mount}/{self._path}"

    def read(self, credential: str) -> tuple[int, Mapping[str, Any]] | None:
        """Version and fields of a head."""
        return self._read(f"heads/{credential}")

    def write(self, credential: str, fields: Mapping[str, str], *, version: int) -> None:
        """One check-and-set write."""
        self._write(f"heads/{credential}", fields, cas=version)

    def archive(self, credential: str, sequence: int, body: str) -> None:
        """Create it; what is there stays."""
        path = self._record(credential, f"{sequence:0{_DIGITS}d}")
        # Read first: an identity that may create records, but not change them, is refused before the check-and-set.
        if self._read(path) is None:
            try:
                self._write(path, {"record": body}, cas=0)
            except LostRaceError:
                return

    def archived(self, credential: str) -> tuple[str, ...]:
        """All archived records, oldest first: names count."""
        found = (self._read(self._record(credential, name)) for name in self._list(f"records/{credential}"))
        return tuple(str(item[1]["record"]) for item in found if item is not None)

    def heads(self) -> tuple[tuple[str, int, Mapping[str, Any]], ...]:
        """Every head, by name."""
        found = ((name, self.read(name)) for name in self._list("heads"))
        return tuple((name, *head) for name, head in found if head is not None)

    @staticmethod
    def _record(credential: str, name: str) -> str:
        return f"records/{credential}/{name}"

    def _read(self, below: str) -> tuple[int, Mapping[str, Any]] | None:
        path = f"{self._path}/{below}"
        try:
            answer = self._client.read(
                lambda c: c.secrets.kv.v2.read_secret_version(
                    path=path, mount_point=self._mount, raise_on_deleted_version=True
                ),
                what=f"reading {path}",
            )
        except NotFoundError:
            return None
        return int(answer["data"]["metadata"]["version"]), answer["data"]["data"]

    def _write(self, below: str, fields: Mapping[str, str], *, cas: int) -> None:
        path = f"{self._path}/{below}"
        self._client.write(
            lambda c: c.secrets.kv.v2.create_or_update_secret(
                path=path, secret=dict(fields), cas=cas, mount_point=self._mount
            ),
            what=f"writing {path}",
        )

    def _list(self, below: str) -> tuple[str, ...]:
        path = f"{self._path}/{below}"
        try:
            answer = self._client.read(
                lambda c: c.secrets.kv.v2.list_secrets(path=path, mount_point=self._mount), what=f"listing {path}"
            )
        except NotFoundError:
            return ()
        return tuple(sorted(str(key) for key in answer["data"]["keys"]))


if TYPE_CHECKING:
    _documents: type[Documents] = VaultKvDocuments

KIND = Kind(
    name="vault",
    family=Family.JOURNAL,
    settings=VaultJournalSettings,
    summary="Vault or OpenBao KV version 2: check-and-set, for any number of hosts",
    references={"store": "secret_stores"},
)

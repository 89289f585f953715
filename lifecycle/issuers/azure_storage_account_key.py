"""Keys of an Azure Storage account: class B, the two slots key1 and key2, which are regenerated and never empty.

1. Minting regenerates the slot that does not hold the current key; whatever it held dies with the call. So only a slot
   is taken that we left behind ourselves, or any but the current one where the spec says that nobody else uses the
   keys (`take_over`).
2. Revoking regenerates the old slot too; the key that comes out is dropped unseen and not listed.
3. `StorageKeyNotes` say before each call what for: they are the stamp of a key, and tell what a lost answer did. Azure
   shows keys again, so the value of a lost answer is read back.

Every shared access signature that a key has signed dies with it.

Sources: Azure Storage resource provider, storageAccounts listKeys and regenerateKey; "Manage account access keys".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from lifecycle.clients.rest import RestClient
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import Fingerprinter, SecretText, SecretValue
from lifecycle.issuers.storage_key_notes import KeptNotes, Purpose, SlotNote, StorageKeyNotes
from lifecycle.issuers.timestamps import provider_time

_SLOTS = ("key2", "key1")  # of two unknown keys the second is the one less used
_API = "api-version=2024-01-01"


class AzureStorageAccountKeySettings(KindSettings):
    """A credential of kind `azure_storage_account_key`.

    Attributes:
        subscription_id: of the account.
        resource_group: of the account.
        account: its name.
        container: an existing container, whose listing shows that a fresh key works.
        take_over: nobody else uses either key, so that one we did not make may be regenerated; without it the slot that
            is not current must be one that we left ourselves.
        admin: the credential of this spec (of an Entra application) that may list and regenerate keys; empty = this
            machine's Azure identity.
        management: base URL of Azure Resource Manager.
        blob_service: URL of the account's blob service; empty = the public cloud's.
        authority: of Entra; empty = the public cloud's.
        ca_file: trust only this authority for TLS; empty = the system's.
    """

    subscription_id: str
    resource_group: str
    account: str
    container: str
    take_over: bool = False
    admin: str | None = None
    management: str = "https://management.azure.com"
    blob_service: str = ""
    authority: str = ""
    ca_file: str = ""


def traits_of(*, take_over: bool = False) -> Traits:
    """Class B, stamped by our notes, read back; without `take_over` two unknown keys leave no room."""
    return Traits(
        credential_class=CredentialClass.B,
        slots=0 if take_over else 2,
        stamp=True,
        readback=True,
        settle=timedelta(seconds=30),
        request_timeout=timedelta(seconds=30),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    slot: str
    id: CredentialId
    value: SecretText = field(repr=False)
    created: datetime | None


class AzureStorageAccountKeyIssuer:
    """Regenerates and lists the keys of one account; the principal is its name.

    Args:
        client: Azure Resource Manager.
        kept: where our notes lie.
        fingerprint: names keys without revealing them.
        current: reads the current value. Raises NotFoundError when there is none.
        subscription_id, resource_group: where the account is.
        take_over: a key that we did not make may be regenerated, unless it is current.
    """

    def __init__(
        self,
        client: RestClient,
        kept: KeptNotes,
        fingerprint: Fingerprinter,
        *,
        current: Callable[[], SecretValue],
        subscription_id: str,
        resource_group: str,
        take_over: bool = False,
    ) -> None:
        self._client = client
        self._kept = kept
        self._fingerprint = fingerprint
        self._current = current
        self._subscription = subscription_id
        self._group = resource_group
        self._take_over = take_over

    @property
    def traits(self) -> Traits:
        """Class B."""
        return traits_of(take_over=self._take_over)

    def list(self, principal: str) -> CompleteListing:
        """Both keys, but those that a revocation left and nobody has."""
        keys, notes = self._keys(principal), StorageKeyNotes.load(self._kept)
        shown = (_shown(key, notes) for key in keys if not notes.parked(key.slot, key.id))
        return CompleteListing(principal=principal, credentials=tuple(shown))

    def identify(self, value: SecretValue) -> CredentialId:
        """The keyed fingerprint of the key."""
        if "account_key" not in value:
            raise ConfigurationError(
                "the stored value of the storage account has no account_key", remedy="store the key as `account_key`"
            )
        return CredentialId(self._fingerprint({"account_key": value["account_key"]}))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Regenerate the slot that is free, after it was written down what for."""
        del previous
        keys, notes = self._keys(principal), StorageKeyNotes.load(self._kept)
        current = self._current_id()
        free = next((key for key in keys if key.id != current and self._free(key, notes)), None)
        if free is None:
            raise SlotOccupiedError(
                f"storage account {principal} has no key that we may regenerate: {_told(keys, notes, current)}",
                remedy="when nobody uses the key that is not ours, set `take_over: true` and run again",
            )
        notes = notes.announcing(free.slot, SlotNote(purpose=Purpose.MINT, before=free.id, marker=marker))
        notes.save(self._kept)
        made = self._regenerate(principal, free)
        return Minted(credential=_shown(made, notes), value=_value(principal, made))

    def read_back(self, principal: str) -> Minted | NotReported:
        """The key of the newest mint."""
        notes = StorageKeyNotes.load(self._kept)
        found = next((key for key in self._keys(principal) if key.slot == notes.last), None)
        if found is None or not notes.marker(found.slot, found.id):
            return NotReported.UNKNOWN
        return Minted(credential=_shown(found, notes), value=_value(principal, found))

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Keys have no soft off; forbidding shared keys altogether would stop the current one too."""
        raise RemoteServiceError(
            f"keys of storage account {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the key instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Regenerate the slot that holds this key, and drop what comes out."""
        found = next((key for key in self._keys(principal) if key.id == credential_id), None)
        notes = StorageKeyNotes.load(self._kept)
        if found is None or notes.parked(found.slot, found.id):
            raise NotFoundError(f"storage account {principal} has no key {credential_id}", remedy="nothing to do")
        notes.announcing(found.slot, SlotNote(purpose=Purpose.PARK, before=found.id)).save(self._kept)
        self._regenerate(principal, found)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Azure does not tell which key signed a request."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _free(self, key: _Key, notes: StorageKeyNotes) -> bool:
        if notes.marker(key.slot, key.id):
            return False  # ours and live
        return self._take_over or notes.parked(key.slot, key.id) or notes.never_minted(key.slot, key.id)

    def _current_id(self) -> CredentialId | None:
        try:
            return self.identify(self._current())
        except NotFoundError:
            return None

    def _keys(self, principal: str) -> tuple[_Key, ...]:
        what = f"listing the keys of storage account {principal}"
        return self._parsed(self._client.read(self._path(principal, "listKeys"), what=what, method="POST"), what)

    def _regenerate(self, principal: str, old: _Key) -> _Key:
        what = f"regenerating {old.slot} of storage account {principal}"
        answer = self._client.write("POST", self._path(principal, "regenerateKey"), {"keyName": old.slot}, what=what)
        document = answer.document()
        keys = self._parsed(document, what) if isinstance(document, Mapping) else ()
        made = next((key for key in keys if key.slot == old.slot and key.id != old.id), None)
        if made is None:
            raise AmbiguousEffectError(f"{what}: the answer shows no new key", remedy="run again: it is looked up")
        return made

    def _parsed(self, document: Mapping[str, Any], what: str) -> tuple[_Key, ...]:
        found = document.get("keys")
        entries = {str(item.get("keyName")): item for item in found} if isinstance(found, list) else {}
        if not set(_SLOTS) <= entries.keys():
            raise RemoteServiceError(f"{what}: the answer does not show both keys", remedy="check `management`")
        return tuple(self._key(slot, entries[slot]) for slot in _SLOTS)

    def _key(self, slot: str, entry: Mapping[str, Any]) -> _Key:
        value = SecretText(str(entry["value"]))
        return _Key(
            slot=slot,
            id=self.identify({"account_key": value}),
            value=value,
            created=provider_time(entry.get("creationTime")),
        )

    def _path(self, principal: str, action: str) -> str:
        subscription, group, account = (quote(item, safe="") for item in (self._subscription, self._group, principal))
        provider = f"resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"
        return f"/subscriptions/{subscription}/{provider}/{action}?{_API}"


def _shown(key: _Key, notes: StorageKeyNotes) -> ProviderCredential:
    return ProviderCredential(id=key.id, created=key.created, marker=notes.marker(key.slot, key.id), slot=key.slot)


def _value(principal: str, key: _Key) -> SecretValue:
    return {"account": SecretText(principal), "key_id": SecretText(key.slot), "account_key": key.value}


def _told(keys: tuple[_Key, ...], notes: StorageKeyNotes, current: CredentialId | None) -> str:
    def one(key: _Key) -> str:
        whose = "current" if key.id == current else ("ours" if notes.marker(key.slot, key.id) else "unknown")
        return f"{key.slot} is {whose}{f', made {key.created:%Y-%m-%d}' if key.created else ''}"

    return "; ".join(one(key) for key in keys)


_: type[MintingIssuer] = AzureStorageAccountKeyIssuer

KIND = Kind(
    name="azure_storage_account_key",
    family=Family.ISSUER,
    settings=AzureStorageAccountKeySettings,
    summary="Key of an Azure Storage account: key1 and key2 in turn, each regenerated to make and to end a key.",
    traits=traits_of(),
    references={"admin": "credentials"},
)

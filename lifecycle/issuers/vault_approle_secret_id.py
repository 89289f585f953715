"""Secret ids of a Vault (or OpenBao) AppRole: class B, several per role, stamped in their metadata.

A credential's id is the secret id's accessor, which reveals nothing and ends it. Roles that limit the uses of a
secret id do not suit rotation: proving that a fresh one logs in uses it up. With `self_admin` it is the tool's own
login (class F): it comes last, when nothing else is open; hand the new one to the scheduler by a destination. The
secret id with which this very process logs in is not ended: the next run, which has the new one, does that.

Source: Vault API documentation, AppRole auth method.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from lifecycle.clients.vault import VaultClient
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value

_STAMP = "lifecycle"


class VaultAppRoleSecretIdSettings(KindSettings):
    """A credential of kind `vault_approle_secret_id`.

    Attributes:
        role: name of the AppRole.
        mount: where the auth method is mounted.
        server: the Vault secret store of this spec whose server and login are used.
        self_admin: it is the tool's own login there.
    """

    role: str
    mount: str = "approle"
    server: str = "default"
    self_admin: bool = False


def traits_of(*, self_admin: bool) -> Traits:
    """Class B, no known limit, stamped."""
    return Traits(
        credential_class=CredentialClass.B,
        stamp=True,
        settle=timedelta(seconds=2),
        request_timeout=timedelta(seconds=30),
        self_admin=self_admin,
    )


class VaultAppRoleSecretIdIssuer:
    """Makes and ends secret ids; a principal is the name of an AppRole.

    Args:
        client: an identity that may manage the role's secret ids.
        mount: where the auth method is mounted.
        self_admin: it is the tool's own login.
    """

    def __init__(self, client: VaultClient, *, mount: str = "approle", self_admin: bool = False) -> None:
        self._client = client
        self._mount = mount
        self._traits = traits_of(self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class B, stamped."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """Every secret id of the role, by accessor."""
        self._role_id(principal)  # a role that is not there has no accessors either, and that must not pass for none
        what = f"listing the secret ids of AppRole {principal}"
        try:
            answer = self._client.read(
                lambda c: c.auth.approle.list_secret_id_accessors(principal, mount_point=self._mount), what=what
            )
        except NotFoundError:
            return CompleteListing(principal=principal, credentials=())
        found = [self._lookup(principal, accessor) for accessor in answer["data"]["keys"]]
        return CompleteListing(principal=principal, credentials=tuple(item for item in found if item is not None))

    def identify(self, value: SecretValue) -> CredentialId:
        """The accessor, which is kept beside the secret id."""
        return CredentialId(value["secret_id_accessor"].get_secret_value())

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Make one, with the marker in its metadata."""
        del previous
        role_id = self._role_id(principal)
        answer = self._client.write(
            lambda c: c.auth.approle.generate_secret_id(principal, metadata={_STAMP: marker}, mount_point=self._mount),
            what=f"making a secret id of AppRole {principal}",
        )
        made = answer["data"]
        value = secret_value(
            {"role_id": role_id, "secret_id": made["secret_id"], "secret_id_accessor": made["secret_id_accessor"]}
        )
        return Minted(credential=ProviderCredential(id=self.identify(value), marker=marker), value=value)

    def read_back(self, principal: str) -> Minted | NotReported:
        """A secret id is shown once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Secret ids have no soft off."""
        raise RemoteServiceError(
            f"secret ids of AppRole {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke it instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Destroy a secret id; tokens that it gave live until they lapse."""
        if self._lookup(principal, credential_id) is None:
            raise NotFoundError(f"AppRole {principal} has no secret id {credential_id}", remedy="nothing to do")
        if self._traits.self_admin and self._in_use_here(principal) == credential_id:
            raise RemoteServiceError(
                f"this process logs in to Vault with secret id {credential_id}, which is to be ended",
                remedy="start the next run with the new secret id; it ends the old one",
                retryable=True,
            )
        self._client.write(
            lambda c: c.auth.approle.destroy_secret_id_accessor(principal, credential_id, mount_point=self._mount),
            what=f"destroying secret id {credential_id} of AppRole {principal}",
        )

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Vault tells only in its audit log."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _in_use_here(self, principal: str) -> str:
        """The accessor of our own login; empty when we log in otherwise, or as another role."""
        own = self._client.secret_id
        if own is None:
            return ""
        try:
            answer = self._client.read(
                lambda c: c.auth.approle.read_secret_id(principal, own.get_secret_value(), mount_point=self._mount),
                what=f"looking up our own secret id of AppRole {principal}",
            )
        except NotFoundError:
            return ""
        found = (answer or {}).get("data") if isinstance(answer, dict) else None
        return str((found or {}).get("secret_id_accessor", ""))

    def _role_id(self, principal: str) -> str:
        try:
            answer = self._client.read(
                lambda c: c.auth.approle.read_role_id(principal, mount_point=self._mount),
                what=f"reading the id of AppRole {principal}",
            )
        except NotFoundError:
            raise ConfigurationError(
                f"Vault has no AppRole {principal} at {self._mount}", remedy="create it, or correct `role` and `mount`"
            ) from None
        return str(answer["data"]["role_id"])

    def _lookup(self, principal: str, accessor: str) -> ProviderCredential | None:
        """One secret id; None when it has gone meanwhile."""
        try:
            answer = self._client.read(
                lambda c: c.auth.approle.read_secret_id_accessor(principal, accessor, mount_point=self._mount),
                what=f"looking up secret id {accessor} of AppRole {principal}",
            )
        except NotFoundError:
            return None
        return _credential(accessor, answer["data"])


def _credential(accessor: str, entry: Any) -> ProviderCredential:
    metadata = entry.get("metadata") or {}
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    return ProviderCredential(
        id=CredentialId(accessor),
        created=_time(entry.get("creation_time")),
        expires=_time(entry.get("expiration_time")),
        marker=str(metadata.get(_STAMP, "")),
    )


def _time(text: Any) -> datetime | None:
    """A moment in RFC 3339 with nanoseconds; year 1 stands for never."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo and moment.year > 1 else None


_: type[MintingIssuer] = VaultAppRoleSecretIdIssuer

KIND = Kind(
    name="vault_approle_secret_id",
    family=Family.ISSUER,
    settings=VaultAppRoleSecretIdSettings,
    summary="Secret id of a Vault AppRole: several may live, each stamped in its metadata.",
    traits=traits_of(self_admin=False),
    references={"server": "secret_stores"},
)

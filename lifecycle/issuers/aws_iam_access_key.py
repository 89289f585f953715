"""Access keys of an IAM user: class B, two slots.

A key cannot carry a mark of ours, and its listing does not name who made it: what a run made is told from the listing
before it (the pre-image) and the time. A deactivated key still fills its slot. IAM is eventually consistent: a fresh
key may be refused for some seconds.

With `self_admin` it is the tool's own login (class F): it comes last, when nothing else is open; hand the new key to
the scheduler by a destination. The key with which this very process is logged in is never switched off or deleted: the
next run, logged in with the new one, does that.

Source: IAM API reference: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed;
IAM quotas (two access keys per user).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import model_validator

from lifecycle.clients.aws import AwsClients, aws_errors, error_code
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import RemoteServiceError, SlotOccupiedError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value


def traits_of(*, self_admin: bool) -> Traits:
    """Class B, two slots, soft off, last use."""
    return Traits(
        credential_class=CredentialClass.B,
        slots=2,
        soft_off=True,
        last_used=True,
        settle=timedelta(seconds=15),
        request_timeout=timedelta(seconds=40),
        self_admin=self_admin,
    )


class AwsIamAccessKeySettings(KindSettings):
    """A credential of kind `aws_iam_access_key`: exactly one of the two names its user.

    Attributes:
        service_account: a service account of this spec with `principal: user`.
        user: name of an IAM user that this spec does not own.
        self_admin: it is the tool's own login.
    """

    service_account: str | None = None
    user: str | None = None
    self_admin: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.service_account) == bool(self.user):
            raise ValueError("needs exactly one of service_account, user")
        return self


class AwsIamAccessKeyIssuer:
    """Makes and ends access keys; a principal is an IAM user name.

    Args:
        clients: boto3 clients of an identity that may manage the user's keys.
        self_admin: it is the tool's own login.
    """

    def __init__(self, clients: AwsClients, *, self_admin: bool = False) -> None:
        self._clients = clients
        self._traits = traits_of(self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class B, two slots, soft off, last use."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """Both keys of the user."""
        with aws_errors(f"listing the access keys of IAM user {principal}"):
            pages = self._clients.reader("iam").get_paginator("list_access_keys").paginate(UserName=principal)
            keys = [_credential(entry) for page in pages for entry in page["AccessKeyMetadata"]]
        return CompleteListing(principal=principal, credentials=tuple(keys))

    def identify(self, value: SecretValue) -> CredentialId:
        """The access key id, which is part of the value."""
        return CredentialId(value["access_key_id"].get_secret_value())

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Create a key; it cannot be marked, and nothing of the previous one is needed."""
        del marker, previous
        with aws_errors(f"creating an access key for IAM user {principal}", writes=True):
            try:
                key = self._clients.writer("iam").create_access_key(UserName=principal)["AccessKey"]
            except Exception as error:
                if _code(error) in ("LimitExceeded", "LimitExceededException"):
                    raise _full(principal) from None
                raise
        value = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
        return Minted(credential=_credential(key), value=secret_value(value))

    def read_back(self, principal: str) -> Minted | NotReported:
        """AWS shows a key once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Activate or deactivate a key."""
        if not enabled:
            self._not_in_use_here(credential_id)
        status = "Active" if enabled else "Inactive"
        with aws_errors(f"setting access key {credential_id} of {principal} to {status}", writes=True):
            self._clients.writer("iam").update_access_key(UserName=principal, AccessKeyId=credential_id, Status=status)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Delete a key."""
        self._not_in_use_here(credential_id)
        with aws_errors(f"deleting access key {credential_id} of {principal}", writes=True):
            self._clients.writer("iam").delete_access_key(UserName=principal, AccessKeyId=credential_id)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Newest use; AWS reports it late and never for a key that was not used."""
        with aws_errors(f"reading the last use of access key {credential_id} of {principal}"):
            answer = self._clients.reader("iam").get_access_key_last_used(AccessKeyId=credential_id)
        used = answer["AccessKeyLastUsed"].get("LastUsedDate")
        return used if isinstance(used, datetime) else NotReported.NEVER

    def _not_in_use_here(self, credential_id: CredentialId) -> None:
        if self._clients.login_key_id() == credential_id:
            raise RemoteServiceError(
                f"this process is logged in to AWS with access key {credential_id}, which is to be ended",
                remedy="start the next run with the new key; it ends the old one",
                retryable=True,
            )


def _credential(entry: Any) -> ProviderCredential:
    return ProviderCredential(
        id=CredentialId(entry["AccessKeyId"]), created=entry.get("CreateDate"), enabled=entry["Status"] == "Active"
    )


def _code(error: Exception) -> str:
    from botocore.exceptions import ClientError

    return error_code(error) if isinstance(error, ClientError) else ""


def _full(principal: str) -> SlotOccupiedError:
    return SlotOccupiedError(
        f"IAM user {principal} has two access keys already",
        remedy=f"aws iam list-access-keys --user-name {principal}; delete the one that nobody uses",
    )


_: type[MintingIssuer] = AwsIamAccessKeyIssuer

KIND = Kind(
    name="aws_iam_access_key",
    family=Family.ISSUER,
    settings=AwsIamAccessKeySettings,
    summary="Access key of an IAM user: two slots, deactivated before it is deleted, last use observed.",
    traits=traits_of(self_admin=False),
    references={"service_account": "service_accounts"},
)

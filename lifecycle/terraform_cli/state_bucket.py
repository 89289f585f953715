"""The S3 bucket of the Terraform state: versioned, encrypted, closed to the public, and owned by the right account.

Every call names the account that must own the bucket: bucket names are global, and a stranger who took ours first
would otherwise receive the state.

Source: S3 API reference (`ExpectedBucketOwner`, `PutPublicAccessBlock`); default encryption cannot be absent on AWS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors, error_code
from lifecycle.domain.errors import NotFoundError

_BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class StateBucket:
    """A part of bootstrapping.

    Args:
        clients: an administrator's, in the bucket's region.
        bucket: its name.
        account_id: who must own it.
        kms_key_id: the key of its default encryption; empty = S3's own.
    """

    def __init__(self, clients: AwsClients, *, bucket: str, account_id: str, kms_key_id: str = "") -> None:
        self._clients, self._bucket, self._key = clients, bucket, kms_key_id
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": account_id}

    @property
    def title(self) -> str:
        """What it is."""
        return f"state bucket {self._bucket}"

    def missing(self) -> tuple[str, ...]:
        """The bucket, or what protects it."""
        if not self._exists():
            return ("bucket", "versioning", "encryption", "public access block")
        checks = {
            "versioning": self._versioned,
            "encryption": self._encrypted,
            "public access block": self._closed,
        }
        return tuple(name for name, holds in checks.items() if not holds())

    def make(self) -> None:
        """Create it closed: nothing is stored in it before all of this holds."""
        sdk, region = self._clients.writer("s3"), self._clients.connection.region
        with aws_errors(f"making {self.title}", writes=True):
            if not self._exists():
                place = {} if region == "us-east-1" else {"LocationConstraint": region}
                sdk.create_bucket(Bucket=self._bucket, **({"CreateBucketConfiguration": place} if place else {}))
            sdk.put_public_access_block(**self._where, PublicAccessBlockConfiguration=dict.fromkeys(_BLOCKED, True))
            sdk.put_bucket_encryption(**self._where, ServerSideEncryptionConfiguration=self._encryption())
            sdk.put_bucket_versioning(**self._where, VersioningConfiguration={"Status": "Enabled"})

    def _encryption(self) -> dict[str, Any]:
        how = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self._key} if self._key else {"SSEAlgorithm": "AES256"}
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": how, "BucketKeyEnabled": bool(self._key)}]}

    def _exists(self) -> bool:
        return self._asked(lambda sdk: sdk.head_bucket(**self._where)) is not None

    def _versioned(self) -> bool:
        found = self._asked(lambda sdk: sdk.get_bucket_versioning(**self._where)) or {}
        return found.get("Status") == "Enabled"

    def _encrypted(self) -> bool:
        found = self._asked(lambda sdk: sdk.get_bucket_encryption(**self._where)) or {}
        rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        how = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
        if self._key:
            return any(item.get("KMSMasterKeyID") == self._key for item in how)
        return bool(how)

    def _closed(self) -> bool:
        found = self._asked(lambda sdk: sdk.get_public_access_block(**self._where)) or {}
        blocked = found.get("PublicAccessBlockConfiguration", {})
        return all(blocked.get(name) for name in _BLOCKED)

    def _asked(self, call: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | None:
        """The answer; None when there is nothing of the kind."""
        from botocore.exceptions import ClientError

        try:
            with aws_errors(f"looking at {self.title}"):
                try:
                    return call(self._clients.reader("s3"))
                except ClientError as error:
                    if error_code(error) in (
                        "ServerSideEncryptionConfigurationNotFoundError",
                        "NoSuchPublicAccessBlockConfiguration",
                    ):
                        return None
                    raise
        except NotFoundError:
            return None

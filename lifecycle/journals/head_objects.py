"""Signed heads in S3 with Object Lock, where nobody can delete them before their time, administrators included.

Object Lock protects versions, not names: anybody who may write can put a newer version or a delete marker on top. So
versions are listed, and the oldest one of each name is what counts.

Source: Amazon S3 User Guide, "Locking objects with Object Lock" (compliance mode; needs versioning).
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.domain.audit_head import HeadStore, SignedHead
from lifecycle.domain.errors import ConfigurationError, IntegrityError

_MODE = "COMPLIANCE"


class HeadObjects:
    """Signed heads of one environment in one bucket.

    Args:
        clients: may put objects with retention, list versions and get them.
        bucket: with Object Lock.
        prefix: of every object.
    """

    def __init__(self, clients: AwsClients, *, bucket: str, prefix: str) -> None:
        self._clients, self._bucket = clients, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, head: SignedHead, until: datetime | None = None) -> None:
        """Keep statement and signature as one object until then.

        Raises:
            ConfigurationError: the bucket has no Object Lock.
        """
        self._check_lock()
        body = {"statement": head.data.decode(), "signature": base64.b64encode(head.signature).decode()}
        with aws_errors(f"keeping head {head.name} in bucket {self._bucket}", writes=True):
            self._clients.writer("s3").put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{head.name}.json",
                Body=json.dumps(body, sort_keys=True).encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                ObjectLockMode=_MODE,
                ObjectLockRetainUntilDate=until or datetime.max.replace(tzinfo=UTC),
            )

    def heads(self) -> tuple[SignedHead, ...]:
        """The first version of each, by name; later versions and delete markers count for nothing."""
        first: dict[str, tuple[datetime, str]] = {}
        with aws_errors(f"listing the heads in bucket {self._bucket}"):
            pages = self._clients.reader("s3").get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for item in page.get("Versions", ()):
                    # Newest first within a key, so that of two from the same second the later listed one is older.
                    older = item["Key"] not in first or item["LastModified"] <= first[item["Key"]][0]
                    if older:
                        first[item["Key"]] = item["LastModified"], item["VersionId"]
        return tuple(self._read(key, version) for key, (_, version) in sorted(first.items()))

    def _read(self, key: str, version: str) -> SignedHead:
        with aws_errors(f"reading {key} in bucket {self._bucket}"):
            found: Any = self._clients.reader("s3").get_object(Bucket=self._bucket, Key=key, VersionId=version)
            data = found["Body"].read()
        where = f"in bucket {self._bucket}"
        try:
            document = json.loads(data)
            statement, signature = document["statement"].encode(), base64.b64decode(document["signature"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise IntegrityError(
                f"{key} {where} is no signed head", remedy="give the heads a prefix that nothing else uses"
            ) from None
        name = key.removeprefix(self._prefix).removesuffix(".json")
        return SignedHead(name=name, data=statement, signature=signature, where=where)

    def _check_lock(self) -> None:
        from botocore.exceptions import ClientError

        from lifecycle.clients.aws import error_code

        remedy = "make the bucket with Object Lock; it cannot be switched on for an unversioned bucket"
        message = f"bucket {self._bucket} has no Object Lock, so what is kept there can be deleted"
        with aws_errors(f"looking at the Object Lock of bucket {self._bucket}"):
            try:
                answer = self._clients.reader("s3").get_object_lock_configuration(Bucket=self._bucket)
            except ClientError as error:
                if error_code(error) == "ObjectLockConfigurationNotFoundError":
                    raise ConfigurationError(message, remedy=remedy) from None
                raise
        if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise ConfigurationError(message, remedy=remedy)


_: type[HeadStore] = HeadObjects

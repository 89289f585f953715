"""A copy in AWS Secrets Manager, for readers there when the credential's own store is another one, such as Vault.

An ECS task definition, for one, can name a secret of Secrets Manager only. The copy is the flat JSON of the value's
fields, so that `valueFrom` can name one of them.

1. `put` adds a version that becomes AWSCURRENT. Its request token is made of operation, fence and fingerprint: the same
   call again is the same version.
2. `look` reads AWSCURRENT back: what counts is the fingerprint of what lies there, whoever wrote it.
3. `take_away` makes an empty version current and takes AWSPREVIOUS from the last value; AWS drops it then.

Source: AWS Secrets Manager API reference: PutSecretValue, UpdateSecretVersionStage.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from pydantic import Field

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import (
    Fingerprint,
    Fingerprinter,
    OperationId,
    SecretText,
    SecretValue,
    canonical_json,
    secret_value,
)
from lifecycle.foundation.rate_budget import RateBudget

_SERVICE = "secretsmanager"
_NAMESPACE = uuid.UUID("9b0d7f52-52f4-5d4b-9d0c-8a0f6c3c2a41")  # any fixed one: keeps our tokens apart from others
_NOTHING: SecretValue = {}


class SecretsManagerCopySettings(KindSettings):
    """`deliver_to: [{secrets_manager_copy: {…}}]`, or its name alone.

    Attributes:
        name: full name or ARN of the secret.
        create: make the secret when it is not there; else it must exist, which is Terraform's part.
        kms_key: alias, id or ARN of the key that encrypts a secret made here; empty = the account's default key.
    """

    name: str = Field(min_length=1)
    create: bool = False
    kms_key: str = ""


class SecretsManagerCopy:
    """One secret.

    Args:
        clients: boto3 clients of an identity that may read and write it.
        name: full name or ARN.
        fingerprint: names a value without revealing it.
        create: make the secret when it is not there.
        kms_key: key of a secret made here.
        budget: shared write budget of the account.
    """

    def __init__(
        self,
        clients: AwsClients,
        name: str,
        fingerprint: Fingerprinter,
        *,
        create: bool = False,
        kms_key: str = "",
        budget: RateBudget | None = None,
    ) -> None:
        self._clients = clients
        self._name = name
        self._fingerprint = fingerprint
        self._create = create
        self._kms_key = kms_key
        self._budget = budget

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"secret {self._name} of AWS Secrets Manager"

    def put(self, parcel: Parcel) -> Placed:
        """Add the value as the current version."""
        token = _token(parcel.operation, parcel.fence, parcel.fingerprint)
        try:
            return Placed(marks={"version": self._put(parcel.value, token)})
        except NotFoundError:
            if not self._create:
                raise
        return Placed(marks={"version": self._make(parcel.value, token)})

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """What AWSCURRENT holds."""
        del marks
        try:
            with aws_errors(f"reading {self.place}"):
                answer = self._clients.reader(_SERVICE).get_secret_value(SecretId=self._name, VersionStage="AWSCURRENT")
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        held = self._fingerprint(_value(answer))
        return Sight(seen=Seen.HELD if held == fingerprint else Seen.CHANGED, at=answer.get("CreatedDate"))

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Make an empty version current and forget the last value."""
        del consumer
        try:
            self._put(_NOTHING, _token(operation, fence, "withdrawn"))
            with aws_errors(f"reading the versions of {self.place}"):
                listed = self._clients.reader(_SERVICE).list_secret_version_ids(SecretId=self._name)
        except NotFoundError:
            return
        for version in listed.get("Versions", ()):
            if "AWSPREVIOUS" in version.get("VersionStages", ()):
                with aws_errors(f"forgetting the last value of {self.place}", writes=True):
                    self._writer().update_secret_version_stage(
                        SecretId=self._name, VersionStage="AWSPREVIOUS", RemoveFromVersionId=version["VersionId"]
                    )

    def _put(self, value: SecretValue, token: str) -> str:
        with aws_errors(f"writing {self.place}", writes=True):
            try:
                answer = self._writer().put_secret_value(
                    SecretId=self._name, SecretString=canonical_json(value).decode(), ClientRequestToken=token
                )
            except Exception as error:
                raise self._lost() if _exists(error) else error from None
        return str(answer["VersionId"])

    def _make(self, value: SecretValue, token: str) -> str:
        key = {"KmsKeyId": self._kms_key} if self._kms_key else {}
        with aws_errors(f"creating {self.place}", writes=True):
            try:
                answer = self._writer().create_secret(
                    Name=self._name, SecretString=canonical_json(value).decode(), ClientRequestToken=token, **key
                )
            except Exception as error:
                raise self._lost() if _exists(error) else error from None
        return str(answer["VersionId"])

    def _lost(self) -> LostRaceError:
        return LostRaceError(f"another run has written {self.place}", remedy="run again: it is read anew")

    def _writer(self) -> Any:
        if self._budget is not None:
            self._budget.take()
        return self._clients.writer(_SERVICE)


def _token(*parts: object) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


def _exists(error: Exception) -> bool:
    answer = getattr(error, "response", {})
    return bool(answer.get("Error", {}).get("Code") == "ResourceExistsException")


def _value(answer: Any) -> SecretValue:
    """The fields that lie there; a document that is not ours is one field, so that it never passes for ours."""
    text = answer.get("SecretString") or ""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not all(isinstance(item, str) for item in document.values()):
        return {"": SecretText(text)}
    return secret_value(document)


_: type[CopyTarget] = SecretsManagerCopy

KIND = Kind(
    name="secrets_manager_copy",
    family=Family.DESTINATION,
    settings=SecretsManagerCopySettings,
    summary="A copy in AWS Secrets Manager for its readers there, e.g. ECS tasks, when the store is another one.",
)

"""The calls to AWS Secrets Manager that its store is made of, each with its one translation into our errors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors, error_code
from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.secret import VersionId
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.secret_stores.aws_labels import LabelledVersions
from lifecycle.secret_stores.envelope import Opened, as_text, open_text

_SERVICE = "secretsmanager"
_NAMESPACE = uuid.UUID("5d2f6a0e-6a5c-5b0a-9a57-3a4f1e0c7d11")  # any fixed one: it keeps our tokens apart from others


def token(*parts: object) -> str:
    """A client request token that the same parts always give: a repeated call is the same version, never another."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


class AwsSecretCalls:
    """Calls for secrets by their full name.

    Args:
        clients: boto3 clients.
        budget: shared write budget of the account; AWS allows 50 writes a second.
    """

    def __init__(self, clients: AwsClients, budget: RateBudget | None) -> None:
        self._clients = clients
        self._budget = budget

    def versions(self, name: str) -> LabelledVersions | None:
        """Every labelled version, all pages; None when there is no such secret."""
        found: list[Mapping[str, object]] = []
        following: dict[str, str] = {}
        try:
            with aws_errors(f"listing the versions of secret {name}"):
                while True:
                    page = self._clients.reader(_SERVICE).list_secret_version_ids(SecretId=name, **following)
                    found.extend(page.get("Versions", ()))
                    if not page.get("NextToken"):
                        return LabelledVersions.of(found)
                    following = {"NextToken": page["NextToken"]}
        except NotFoundError:
            return None

    def get(self, name: str, **which: str) -> tuple[VersionId, Opened]:
        """Read one version by `VersionId` or `VersionStage`; one of them is always named."""
        with aws_errors(f"reading secret {name}"):
            answer = self._clients.reader(_SERVICE).get_secret_value(SecretId=name, **which)
        text = answer.get("SecretString")
        if text is None:
            text = bytes(answer.get("SecretBinary", b"")).decode("utf-8", errors="replace")
        return VersionId(answer["VersionId"]), open_text(text)

    def put(self, name: str, document: Mapping[str, Any], request_token: str, labels: Sequence[str] = ()) -> VersionId:
        """Add a version; the same token with the same document is the same version.

        Raises:
            LostRaceError: the token stands for another value already.
        """
        stages = {"VersionStages": list(labels)} if labels else {}
        with aws_errors(f"writing a version of secret {name}", writes=True):
            try:
                answer = self._writer().put_secret_value(
                    SecretId=name, SecretString=as_text(document), ClientRequestToken=request_token, **stages
                )
            except Exception as error:
                if _code(error) == "ResourceExistsException":
                    raise _other_value(name) from None
                raise
        return VersionId(answer["VersionId"])

    def create(self, name: str, document: Mapping[str, Any], kms_key: str) -> bool:
        """Create a secret with its first value; False when one of that name exists."""
        key = {"KmsKeyId": kms_key} if kms_key else {}
        with aws_errors(f"creating secret {name}", writes=True):
            try:
                self._writer().create_secret(
                    Name=name, SecretString=as_text(document), ClientRequestToken=token("create", name), **key
                )
            except Exception as error:
                if _code(error) == "ResourceExistsException":
                    return False
                raise
        return True

    def move(self, name: str, label: str, *, to: VersionId | None, source: VersionId | None) -> bool:
        """Move a label if `source` (None: nobody) still holds it; False when it does not."""
        moves = {"MoveToVersionId": to, "RemoveFromVersionId": source}
        with aws_errors(f"moving label {label} of secret {name}", writes=True):
            try:
                self._writer().update_secret_version_stage(
                    SecretId=name, VersionStage=label, **{key: value for key, value in moves.items() if value}
                )
            except Exception as error:
                if _code(error) == "InvalidParameterException":
                    return False
                raise
        return True

    def _writer(self) -> Any:
        if self._budget is not None:
            self._budget.take()
        return self._clients.writer(_SERVICE)


def _code(error: Exception) -> str:
    from botocore.exceptions import ClientError

    return error_code(error) if isinstance(error, ClientError) else ""


def _other_value(name: str) -> LostRaceError:
    return LostRaceError(
        f"secret {name} has another value under this candidate already",
        remedy="run again: the operation is read anew; two runs may be at work",
    )

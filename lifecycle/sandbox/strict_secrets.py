"""What AWS Secrets Manager refuses and moto does not, as a layer over moto's backend, so behind its authentication.

- `put_secret_value` with a ClientRequestToken that stands for another value: ResourceExistsException (moto overwrites
  while the version is pending); the same token and value again changes nothing, also no label.
- `put_secret_value` on a secret scheduled for deletion: InvalidRequestException.
- A value over 64 KiB: InvalidParameterException. More than 20 labels on a version: LimitExceededException.
- `get_secret_value` without version and stage: the version labelled AWSCURRENT (moto: the one put last).
- `update_secret_version_stage`: AWSCURRENT removed without a target, or AWSCURRENT moved away from a version that does
  not hold it: InvalidParameterException, before anything is changed.
- A new current version leaves the other labels of the former one alone (moto drops them).
- More than 100 versions: the oldest without a label are dropped.
- `list_secret_version_ids` of a secret that is not there: ResourceNotFoundException (moto: a 500).

Source: AWS Secrets Manager API reference (PutSecretValue, GetSecretValue, UpdateSecretVersionStage) and its quotas.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moto.secretsmanager.models import SecretsManagerBackend as _Backend
else:
    _Backend = object  # moto is an extra and slow to import: it is joined in `install`

MAX_VALUE_BYTES = 65_536
MAX_LABELS = 20
MAX_VERSIONS = 100


class StrictSecrets(_Backend):
    """Mixed into moto's backend by `install`."""

    def put_secret_value(
        self,
        secret_id: str,
        secret_string: str,
        secret_binary: str,
        client_request_token: str,
        version_stages: list[str],
    ) -> str:
        """Add a version, as AWS does."""
        _check_size(secret_string, secret_binary)
        if len(version_stages) > MAX_LABELS:
            raise _error("LimitExceededException", f"A version holds at most {MAX_LABELS} staging labels.")
        if secret_id not in self.secrets:
            return super().put_secret_value(
                secret_id, secret_string, secret_binary, client_request_token, version_stages
            )
        secret: Any = self.secrets[secret_id]
        _check_not_deleted(secret)
        known = secret.versions.get(client_request_token)
        if known is not None and _has_value(known):
            _check_same_value(known, secret_string, secret_binary, client_request_token)
            return str(secret.to_short_dict(include_version_stages=True, version_id=client_request_token))
        with _labels_kept(secret):
            answer = super().put_secret_value(
                secret_id, secret_string, secret_binary, client_request_token, version_stages
            )
        _prune(secret)
        return answer

    def update_secret(self, secret_id: str, *args: Any, **arguments: Any) -> str:
        """Change a secret; a new value becomes AWSCURRENT, whatever moto thinks is current."""
        string, binary = arguments.get("secret_string"), arguments.get("secret_binary")
        token = arguments.get("client_request_token")
        _check_size(string, binary)
        if secret_id not in self.secrets:
            return super().update_secret(secret_id, *args, **arguments)
        secret: Any = self.secrets[secret_id]
        known = secret.versions.get(token)
        if known is not None and _has_value(known):
            _check_same_value(known, string, binary, str(token))
        with _labels_kept(secret):
            return super().update_secret(secret_id, *args, **arguments)

    def create_secret(self, *args: Any, **arguments: Any) -> str:
        """Create a secret with a value that is not too long."""
        _check_size(arguments.get("secret_string"), arguments.get("secret_binary"))
        return super().create_secret(*args, **arguments)

    def get_secret_value(self, secret_id: str, version_id: str, version_stage: str) -> dict[str, Any]:
        """Read a value; without version and stage the one labelled AWSCURRENT."""
        if version_id or version_stage or secret_id not in self.secrets:
            return super().get_secret_value(secret_id, version_id, version_stage)
        secret: Any = self.secrets[secret_id]
        if _current(secret) is None and not secret.is_deleted():
            raise _error(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            )
        return super().get_secret_value(secret_id, version_id, "AWSCURRENT")

    def list_secret_version_ids(self, secret_id: str) -> str:
        """The versions of a secret that exists."""
        if secret_id not in self.secrets:
            raise _error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return super().list_secret_version_ids(secret_id)

    def update_secret_version_stage(
        self, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
    ) -> tuple[str, str]:
        """Move a label; everything is checked before anything is changed."""
        if secret_id in self.secrets:
            secret: Any = self.secrets[secret_id]
            _check_not_deleted(secret)
            _check_move(secret, version_stage, remove_from_version_id, move_to_version_id)
            if move_to_version_id and version_stage in secret.versions[move_to_version_id]["version_stages"]:
                return secret.arn, secret.name
        answer = super().update_secret_version_stage(
            secret_id, version_stage, remove_from_version_id, move_to_version_id
        )
        if secret_id in self.secrets:
            moved: Any = self.secrets[secret_id]
            moved.set_default_version_id(_current(moved))
        return answer


def install() -> None:
    """Let moto make strict backends from now on; call before the first request."""
    from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends

    module = SecretsManagerBackend.__module__  # moto finds a backend's URLs by the module of its class
    secretsmanager_backends.backend = type(
        "StrictSecretsBackend", (StrictSecrets, SecretsManagerBackend), {"__module__": module}
    )


def _error(code: str, message: str) -> Exception:
    from moto.secretsmanager.exceptions import SecretsManagerClientError

    return SecretsManagerClientError(code, message)


def _current(secret: Any) -> str | None:
    return next((name for name, version in secret.versions.items() if "AWSCURRENT" in version["version_stages"]), None)


def _has_value(version: dict[str, Any]) -> bool:
    return "secret_string" in version or "secret_binary" in version


@contextlib.contextmanager
def _labels_kept(secret: Any) -> Iterator[None]:
    former = _current(secret)
    secret.set_default_version_id(former)
    kept = [label for label in secret.versions[former]["version_stages"] if label != "AWSCURRENT"] if former else []
    yield
    if former and _current(secret) != former:
        taken = secret.versions[_current(secret)]["version_stages"]
        secret.versions[former]["version_stages"] = [
            "AWSPREVIOUS",
            *(label for label in kept if label not in {*taken, "AWSPREVIOUS"}),
        ]


def _check_size(string: str | None, binary: str | None) -> None:
    size = max(len((string or "").encode()), len(base64.b64decode(binary or "")))
    if size > MAX_VALUE_BYTES:
        raise _error("InvalidParameterException", f"The secret value is longer than {MAX_VALUE_BYTES} bytes.")


def _check_not_deleted(secret: Any) -> None:
    if secret.is_deleted():
        raise _error(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )


def _check_same_value(known: dict[str, Any], string: str | None, binary: str | None, token: str) -> None:
    if known.get("secret_string") != string or known.get("secret_binary") != binary:
        raise _error(
            "ResourceExistsException",
            f"You can't use ClientRequestToken {token} because that value is already in use for a version of it.",
        )


def _check_move(secret: Any, stage: str, source: str | None, target: str | None) -> None:
    for version in (source, target):
        if version and version not in secret.versions:
            raise _error("InvalidParameterException", f"Not a valid version: {version}")
    if stage == "AWSCURRENT" and not target:
        raise _error("InvalidParameterException", "You can't remove AWSCURRENT: it must move to another version.")
    holder = next((name for name, entry in secret.versions.items() if stage in entry["version_stages"]), None)
    if source and source != holder:
        raise _error("InvalidParameterException", f"The staging label {stage} is not attached to version {source}.")
    if target and holder and holder not in {target, source}:
        raise _error(
            "InvalidParameterException",
            f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version "
            f"{holder}, so you must explicitly reference that version in RemoveFromVersionId.",
        )
    if target and len(set(secret.versions[target]["version_stages"]) | {stage}) > MAX_LABELS:
        raise _error("LimitExceededException", f"A version holds at most {MAX_LABELS} staging labels.")


def _prune(secret: Any) -> None:
    unlabelled = [name for name, entry in secret.versions.items() if not entry["version_stages"]]
    for name in unlabelled[: max(0, len(secret.versions) - MAX_VERSIONS)]:
        del secret.versions[name]

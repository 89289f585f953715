"""Wires a rehearsal: which kinds have room for a shadow, and where its value lies meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.naming import secret_name
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.bootstrap.rotation import Rotation
    from lifecycle.operations.rehearse_rotation import Rehearsal

# Kinds whose issuer makes one more beside what is there. A refreshed token, a re-registered client or a regenerated
# account key replaces the real value, so a kind that is not listed has no rehearsal.
_BESIDE = frozenset(
    {
        "aws_iam_access_key",
        "databricks_service_principal_secret",
        "datarobot_api_key",
        "entra_application_certificate",
        "entra_application_password",
        "oauth_private_key_jwt",
        "okta_client_secret",
        "snowflake_key_pair",
        "vault_approle_secret_id",
    }
)


def rehearse(around: Surroundings, rotation: Rotation, name: str) -> Rehearsal:
    """Rehearse the rotation of one credential of the spec.

    Raises:
        CheckRefusedError: its issuer would replace the real value.
    """
    from lifecycle.operations.rehearse_rotation import SHADOW
    from lifecycle.operations.rehearse_rotation import rehearse as rehearse_rotation

    (credential,) = rotation.credentials((name,))
    if credential.kind not in _BESIDE:
        raise CheckRefusedError(
            f"{name}: a {credential.kind} is made by replacing the one that is there, so a rehearsal would end it",
            remedy="declare a spare principal of the same kind as its own credential and rotate that",
        )
    place = SecretsManagerPlace(around, credential, SHADOW) if _in_aws(around, credential) else KvPlace()
    return rehearse_rotation(rotation.context(credential), place)


def _in_aws(around: Surroundings, credential: Credential) -> bool:
    return around.spec.secret_stores[credential.store].kind == "aws_secrets_manager"


class KvPlace:
    """A path of a key-value store: it is there when written to, and gone when purged."""

    def make(self) -> None:
        """Nothing to make."""

    def remove(self) -> None:
        """The retirement has purged it."""


class SecretsManagerPlace:
    """An empty secret, which elsewhere Terraform makes.

    Args:
        around: the account.
        credential: the real one.
        suffix: of the shadow's name.
    """

    def __init__(self, around: Surroundings, credential: Credential, suffix: str) -> None:
        settings = around.spec.secret_stores[credential.store].settings
        self._around = around
        self._name = secret_name(settings.prefix, f"{credential.name}{suffix}")
        self._key = {"KmsKeyId": settings.kms_key} if settings.kms_key else {}

    def make(self) -> None:
        """Create the secret without a value, unless it is there."""
        from lifecycle.clients.aws import aws_errors, error_code

        with aws_errors(f"creating secret {self._name}", writes=True):
            try:
                self._around.aws.writer("secretsmanager").create_secret(Name=self._name, **self._key)
            except Exception as error:
                if error_code(error) != "ResourceExistsException":  # type: ignore[arg-type]  # only boto3 errors get here
                    raise

    def remove(self) -> None:
        """Delete it at once: its values are revoked."""
        from lifecycle.clients.aws import aws_errors

        with aws_errors(f"deleting secret {self._name}", writes=True):
            self._around.aws.writer("secretsmanager").delete_secret(
                SecretId=self._name, ForceDeleteWithoutRecovery=True
            )

"""`bootstrap.json`: the one named exception where secret values may rest outside a secret store.

It holds what the sandbox's servers are started with: the AWS administrator's key, the OAuth administrator and initial
access token, DataRobot's administrator key, the control token of the doubles, and Vault's unseal and root keys.
Mode 0600, in a folder of mode 0700; dropped when the instance is archived.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.private_file import read_json, write_json

FILE_NAME = "bootstrap.json"
AWS_ACCOUNT_ID = "123456789012"
AWS_REGION = "eu-west-1"
_KEY_ID_ALPHABET = string.ascii_uppercase + "234567"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AwsBootstrap(_Part):
    """The administrator of the AWS emulator."""

    account_id: str = AWS_ACCOUNT_ID
    region: str = AWS_REGION
    access_key_id: str
    secret_access_key: SecretText


class OAuthBootstrap(_Part):
    """What may register OAuth clients, an administrator client, and the client that the sandbox rotates."""

    initial_access_token: SecretText
    admin_client_id: str = "lifecycle-admin"
    admin_client_secret: SecretText
    client_id: str = "lifecycle-pipeline"
    registration_path: str = "/reg/lifecycle-pipeline"
    registration_access_token: SecretText


class DataRobotBootstrap(_Part):
    """DataRobot's administrator key."""

    admin_key: SecretText


class VaultBootstrap(_Part):
    """Vault's keys, known once it is initialised."""

    root_token: SecretText
    unseal_keys: tuple[SecretText, ...]


class SandboxBootstrap(_Part):
    """Everything in `bootstrap.json`."""

    instance_id: str
    control_token: SecretText
    aws: AwsBootstrap
    oauth: OAuthBootstrap
    datarobot: DataRobotBootstrap
    vault: VaultBootstrap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultKeys:
    """Vault's answer to `init`, on its way into the file."""

    root_token: SecretText
    unseal_keys: tuple[SecretText, ...]


def create_bootstrap(state_dir: Path, instance_id: str) -> SandboxBootstrap:
    """Draw fresh values for a new instance and write the file."""
    document = {
        "instance_id": instance_id,
        "control_token": _token("ctl"),
        "aws": {
            "access_key_id": "AKIA" + "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(16)),
            "secret_access_key": secrets.token_urlsafe(30),
        },
        "oauth": {
            "initial_access_token": _token("iat"),
            "admin_client_secret": _token("cs"),
            "registration_access_token": _token("rat"),
        },
        "datarobot": {"admin_key": _token("dr")},
    }
    write_json(state_dir / FILE_NAME, document)
    return _parse(document, state_dir)


def add_vault_keys(state_dir: Path, keys: VaultKeys) -> SandboxBootstrap:
    """Keep the keys of a Vault that was just initialised."""
    document = _load(state_dir)
    document["vault"] = {
        "root_token": keys.root_token.get_secret_value(),
        "unseal_keys": [key.get_secret_value() for key in keys.unseal_keys],
    }
    write_json(state_dir / FILE_NAME, document)
    return _parse(document, state_dir)


def read_bootstrap(state_dir: Path) -> SandboxBootstrap:
    """Read the values of the running instance.

    Args:
        state_dir: the folder given to `up`.

    Raises:
        ConfigurationError: there is no sandbox, or its file is damaged.
    """
    return _parse(_load(state_dir), state_dir)


def _token(prefix: str) -> str:
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def _load(state_dir: Path) -> dict[str, Any]:
    document = read_json(state_dir / FILE_NAME)
    if document is None:
        raise ConfigurationError(
            f"The sandbox in {state_dir} has no readable {FILE_NAME}.", remedy="Run: lifecycle sandbox up"
        )
    return document


def _parse(document: Mapping[str, Any], state_dir: Path) -> SandboxBootstrap:
    try:
        return SandboxBootstrap.model_validate(document)
    except ValueError:
        raise ConfigurationError(
            f"{FILE_NAME} of the sandbox in {state_dir} is damaged.",
            remedy="Run: lifecycle sandbox down, then: lifecycle sandbox up",
        ) from None  # the cause's text may hold a value

"""The only reader of the environment and of `lifecycle.toml`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from lifecycle.domain.secret import SecretText

# What a child process may inherit: enough to find programs, proxies and trust anchors, and nothing that is a secret.
_CHILD_NAMES = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|TERM|SSL_CERT_FILE|SSL_CERT_DIR"
    r"|(HTTP|HTTPS|NO|ALL)_PROXY|(http|https|no|all)_proxy|XDG_[A-Z_]+)$"
)
# What Terraform and the AWS SDK additionally need to log in outside a sandbox.
_AWS_NAMES = re.compile(r"^AWS_(?!CA_BUNDLE$|ENDPOINT_URL)[A-Z0-9_]+$")


class Settings(BaseSettings):
    """Settings of this installation, from `LIFECYCLE_*` variables, then `lifecycle.toml` in the repository.

    Attributes:
        env: environment name when `--env` is not given.
        root: the repository: holds environments/, terraform/ and policies/.
        terraform: path or name of the binary; empty = `terraform`, else `tofu`, whichever is on PATH.
        provider_mirror: an unpacked provider mirror; empty = look in the usual places, else download.
        state_dir: where sandboxes, run records and receipts of this user live.
        policy_digest: the pinned policy bundle. Like `policy_pin`, never taken from lifecycle.toml, which lies in the
            repository that is under review.
        policy_pin: where it is pinned instead: `file:PATH`, `ssm:ARN` or `vault:URL`.
        policy_opa: path or name of `opa`, for bundles with Rego; empty = `opa` on PATH. Not from lifecycle.toml either.
        spec_digest: the approved spec, on hosts that hold no receipt of its apply; where they can read but not write.
        rates: calls a second that a provider's quota allows, by its name in `rotate plan`, where ours is a guess.
        vault_token: used by stores whose `auth` is `token`.
        datarobot_api_token: the tool's own DataRobot key, outside a sandbox.
        okta_api_token: the tool's own API token of the Okta organisation.
        actor: who acts, for the audit log; empty = user@host.
    """

    model_config = SettingsConfigDict(
        env_prefix="LIFECYCLE_", toml_file="lifecycle.toml", extra="forbid", hide_input_in_errors=True
    )

    env: str = ""
    root: Path = Field(default_factory=Path.cwd)
    terraform: str = ""
    provider_mirror: str = ""
    state_dir: Path = Field(default_factory=lambda: _state_home() / "lifecycle")
    policy_digest: str = ""
    policy_pin: str = ""
    policy_opa: str = ""
    spec_digest: str = ""
    rates: dict[str, float] = {}
    vault_token: SecretText = SecretText("")
    vault_secret_id: SecretText = SecretText("")
    datarobot_api_token: SecretText = SecretText("")
    oauth_admin_token: SecretText = SecretText("")
    okta_api_token: SecretText = SecretText("")
    actor: str = ""
    concurrency: int = Field(default=8, ge=1, le=200)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over lifecycle.toml; there is no .env file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _RepositorySource(settings_cls)


class _RepositorySource(TomlConfigSettingsSource):
    """`lifecycle.toml`, but for what the repository must not decide about itself."""

    def __call__(self) -> dict[str, Any]:
        """What the file sets, without the pins of the policy bundle."""
        return {name: value for name, value in super().__call__().items() if not name.startswith("policy_")}


def _state_home() -> Path:
    configured = os.environ.get("XDG_STATE_HOME", "")
    return Path(configured) if configured else Path.home() / ".local" / "state"


def cache_home() -> Path:
    """The user's cache directory, where built servers lie."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    return Path(configured) if configured else Path.home() / ".cache"


def child_environment(*, with_aws: bool) -> dict[str, str]:
    """The variables a child process may see.

    Args:
        with_aws: also those with which the AWS SDK finds its login; never in a sandbox.
    """
    names = os.environ.items()
    return {k: v for k, v in names if _CHILD_NAMES.match(k) or (with_aws and _AWS_NAMES.match(k))}


def agent_environment() -> dict[str, str]:
    """What ssh-keygen may see: the usual, and the agent that may hold the key."""
    agent = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY") if name in os.environ}
    return child_environment(with_aws=False) | agent


def terraform_log_variables() -> tuple[str, ...]:
    """Names of set variables that make Terraform or its providers log secrets; the runner refuses them."""
    return tuple(sorted(name for name, value in os.environ.items() if name.startswith("TF_LOG") and value))


def color_wanted(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user allows colour (NO_COLOR unset and a capable terminal)."""
    source: Mapping[str, Any] = os.environ if environ is None else environ
    return not source.get("NO_COLOR") and source.get("TERM", "") not in ("", "dumb")

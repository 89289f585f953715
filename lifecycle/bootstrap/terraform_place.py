"""Which Terraform binary, and what its process may see."""

from __future__ import annotations

import shutil

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError

_UNPROXIED = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def find_binary(configured: str) -> str:
    """The configured binary, else `terraform`, else `tofu`.

    Raises:
        ConfigurationError: none is there.
    """
    for name in (configured,) if configured else ("terraform", "tofu"):
        found = shutil.which(name)
        if found:
            return found
    wanted = configured or "neither terraform nor tofu"
    raise ConfigurationError(
        f"Terraform is missing: {wanted} is not on PATH",
        remedy="install Terraform or OpenTofu 1.11 or newer (developer.hashicorp.com/terraform/install)",
    )


def terraform_environment(around: Surroundings) -> dict[str, str]:
    """The whole environment of Terraform's process.

    Variables that would make it log secrets are passed on, without their value, so that the runner refuses them.
    """
    from lifecycle.settings import child_environment, terraform_log_variables

    base = child_environment(with_aws=around.sandbox is None)
    base |= dict.fromkeys(terraform_log_variables(), "set")
    if around.sandbox is None:
        return base | _declared_endpoint(around)
    admin = around.sandbox.bootstrap.aws
    return base | {
        "AWS_ACCESS_KEY_ID": admin.access_key_id,
        "AWS_SECRET_ACCESS_KEY": admin.secret_access_key.get_secret_value(),
        "AWS_REGION": admin.region,
        "AWS_ENDPOINT_URL": around.sandbox.endpoints["aws"],
        "AWS_EC2_METADATA_DISABLED": "true",
        **_UNPROXIED,
    }


def _declared_endpoint(around: Surroundings) -> dict[str, str]:
    """`aws.endpoint` of the spec, e.g. of a VPC endpoint; what the caller's own environment says is not passed on."""
    from lifecycle.clients.endpoints import is_loopback

    endpoint = (around.spec.aws.endpoint if around.spec.aws else None) or ""
    if not endpoint:
        return {}
    return {"AWS_ENDPOINT_URL": endpoint, **(_UNPROXIED if is_loopback(endpoint) else {})}

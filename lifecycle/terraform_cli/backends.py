"""Where Terraform keeps its state: the backends a spec may choose.

None takes a secret: credentials reach a backend through its environment variables only (`AWS_*`, `ARM_*`,
`TF_HTTP_PASSWORD`, a kubeconfig). Endpoints neither: a sandbox leads there with `AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.spec import Chosen

_Https = Annotated[str, Field(pattern=r"^https://[^\s@]+$")]
_Relative = Annotated[str, Field(pattern=r"^[^/\s~][^\s]*$")]


class S3Backend(KindSettings):
    """State in S3, locked by a lock object beside it (no DynamoDB table).

    Source: developer.hashicorp.com/terraform/language/backend/s3
    """

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    key: Annotated[str, Field(pattern=r"^[^/\s][^\s]*[^/\s]$")]
    region: str
    use_lockfile: bool = True
    encrypt: bool = True
    kms_key_id: str | None = None
    use_path_style: bool | None = None
    skip_credentials_validation: bool | None = None
    skip_metadata_api_check: bool | None = None
    skip_region_validation: bool | None = None
    skip_requesting_account_id: bool | None = None
    skip_s3_checksum: bool | None = None


class AzureBackend(KindSettings):
    """State in an Azure storage container, locked by a blob lease."""

    storage_account_name: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")]
    container_name: str
    key: str
    resource_group_name: str | None = None
    subscription_id: str | None = None
    tenant_id: str | None = None
    use_azuread_auth: bool = True
    use_oidc: bool | None = None


class HttpBackend(KindSettings):
    """State behind an HTTP service, such as GitLab. User and password come from `TF_HTTP_USERNAME` and `_PASSWORD`."""

    address: _Https
    lock_address: _Https | None = None
    unlock_address: _Https | None = None
    lock_method: str | None = None
    unlock_method: str | None = None
    update_method: str | None = None


class KubernetesBackend(KindSettings):
    """State in a Kubernetes secret, locked by a lease."""

    secret_suffix: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    namespace: str = "default"
    in_cluster_config: bool | None = None
    config_path: str | None = None
    config_context: str | None = None


class LocalBackend(KindSettings):
    """State in a file on this machine: for trials only, nobody else sees it and every apply rewrites it."""

    path: _Relative = "terraform.tfstate"


S3 = Kind(name="s3", family=Family.BACKEND, settings=S3Backend, summary="Amazon S3 with a lock object")
AZURERM = Kind(name="azurerm", family=Family.BACKEND, settings=AzureBackend, summary="Azure storage container")
HTTP = Kind(name="http", family=Family.BACKEND, settings=HttpBackend, summary="HTTP service, e.g. GitLab")
KUBERNETES = Kind(name="kubernetes", family=Family.BACKEND, settings=KubernetesBackend, summary="Kubernetes secret")
LOCAL = Kind(name="local", family=Family.BACKEND, settings=LocalBackend, summary="a local file, for trials")

KINDS = (S3, AZURERM, HTTP, KUBERNETES, LOCAL)


def backend_block(chosen: Chosen) -> dict[str, Any]:
    """The `backend` block for a spec's choice: every setting that has a value.

    Args:
        chosen: `spec.backend`, its settings validated by the kind.
    """
    return {chosen.kind: chosen.settings.model_dump(mode="json", exclude_none=True)}


def backend_identity(chosen: Chosen) -> str:
    """One line that names where the state is, for manifests and messages; holds no secret.

    Args:
        chosen: `spec.backend`.
    """
    settings = chosen.settings
    match chosen.kind:
        case "s3":
            return f"s3://{settings.bucket}/{settings.key}"
        case "azurerm":
            return f"azurerm://{settings.storage_account_name}/{settings.container_name}/{settings.key}"
        case "http":
            return str(settings.address)
        case "kubernetes":
            return f"kubernetes://{settings.namespace}/tfstate-default-{settings.secret_suffix}"
        case _:
            return f"{chosen.kind}:{getattr(settings, 'path', '')}"

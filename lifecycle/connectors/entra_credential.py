"""The credentials of azure-identity for a service principal: secret, certificate, workload identity.

A workload identity has no stored value: Kubernetes writes a token into a file, which Entra exchanges.
Source: azure-identity; Microsoft Entra Workload ID documentation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import KindSettings
from lifecycle.domain.secret import SecretText, SecretValue


class WorkloadIdentity(KindSettings):
    """Who a pod is for Entra.

    Attributes:
        tenant_id: the directory.
        client_id: of the application or managed identity.
        identity_file: where Kubernetes writes the pod's token, e.g. /var/run/secrets/azure/tokens/azure-identity-token.
    """

    tenant_id: str
    client_id: str
    identity_file: str


def entra_credential(value: SecretValue, workload: WorkloadIdentity | None, options: dict[str, Any]) -> Any:
    """A credential to be entered as a context; None where neither value nor settings are of a service principal.

    Args:
        value: `tenant_id`, `client_id` with `client_secret`, or with `certificate` (certificate and RSA
            key, PEM) and perhaps `certificate_password`.
        workload: the pod's identity, where there is no value.
        options: authority and transport, as azure-identity takes them.

    Raises:
        ConfigurationError: the certificate cannot be read, or the token file is missing.
    """
    if {"tenant_id", "client_id", "client_secret"} <= value.keys():
        from azure.identity import ClientSecretCredential

        return ClientSecretCredential(
            value["tenant_id"].get_secret_value(),
            value["client_id"].get_secret_value(),
            value["client_secret"].get_secret_value(),
            **options,
        )
    if {"tenant_id", "client_id", "certificate"} <= value.keys():
        return _certificate(value, options)
    return _workload(workload, options) if workload is not None and not value else None


def _certificate(value: SecretValue, options: dict[str, Any]) -> Any:
    from azure.identity import CertificateCredential

    try:
        return CertificateCredential(
            value["tenant_id"].get_secret_value(),
            value["client_id"].get_secret_value(),
            certificate_data=value["certificate"].get_secret_value().encode(),
            password=value.get("certificate_password", SecretText("")).get_secret_value() or None,
            **options,
        )
    except (ValueError, TypeError):
        # Its text may quote what could not be parsed.
        raise ConfigurationError(
            "the certificate cannot be read", remedy="store certificate and RSA key as PEM, with its password"
        ) from None


def _workload(workload: WorkloadIdentity, options: dict[str, Any]) -> Any:
    from azure.identity import WorkloadIdentityCredential

    if not Path(workload.identity_file).is_file():
        raise ConfigurationError(
            "workload_identity.identity_file does not exist here",
            remedy="verify from the pod that has it, or correct it",
        )
    return WorkloadIdentityCredential(
        tenant_id=workload.tenant_id, client_id=workload.client_id, token_file_path=workload.identity_file, **options
    )

"""Issuers of cloud identities: Entra, Okta, Databricks, Azure Storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.issuers import BoundIssuer
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.bootstrap.issuers import Issuers
    from lifecycle.clients.rest import RestClient


def cloud_builders(around: Surroundings, issuers: Issuers) -> Mapping[str, Callable[[Credential], BoundIssuer]]:
    """One builder per kind."""
    clouds = _Clouds(around, issuers)
    return {
        "azure_storage_account_key": clouds.storage_key,
        "databricks_service_principal_secret": clouds.databricks,
        "entra_application_certificate": clouds.entra_certificate,
        "entra_application_password": clouds.entra_password,
        "okta_client_secret": clouds.okta,
    }


class _Clouds:
    def __init__(self, around: Surroundings, issuers: Issuers) -> None:
        self._around = around
        self._issuers = issuers

    def entra_password(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.entra_application_password import EntraApplicationPasswordIssuer

        own = credential.settings
        issuer = EntraApplicationPasswordIssuer(
            self._graph(credential),
            tenant_id=own.tenant_id,
            lifetime=credential.settings.lifetime,
            clock=utc_now,
            self_admin=self._issuers.administers(credential),
        )
        return BoundIssuer(issuer=issuer, principal=own.client_id)

    def entra_certificate(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.entra_application_certificate import EntraApplicationCertificateIssuer

        own = credential.settings
        issuer = EntraApplicationCertificateIssuer(
            self._graph(credential),
            tenant_id=own.tenant_id,
            client_id=own.client_id,
            lifetime=credential.settings.lifetime,
            clock=utc_now,
            self_admin=self._issuers.administers(credential),
        )
        return BoundIssuer(issuer=issuer, principal=own.client_id)

    def storage_key(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.entra import RESOURCE_MANAGER, EntraLogin, EntraPlace, default_scope
        from lifecycle.clients.rest import RestClient
        from lifecycle.clients.web import WebClient
        from lifecycle.issuers.azure_storage_account_key import AzureStorageAccountKeyIssuer

        own = credential.settings
        login = EntraLogin(
            scope=default_scope(own.management),
            read=self._issuers.admin(credential),
            place=EntraPlace(authority=own.authority, ca_file=own.ca_file),
        )
        web = WebClient(ca_file=own.ca_file)
        issuer = AzureStorageAccountKeyIssuer(
            RestClient(own.management, RESOURCE_MANAGER, login.authorization, web=web),
            self._issuers.kept(credential, "notes"),
            self._issuers.fingerprinter,
            current=self._issuers.current(credential),
            subscription_id=own.subscription_id,
            resource_group=own.resource_group,
            take_over=own.take_over,
        )
        return BoundIssuer(issuer=issuer, principal=own.account)

    def okta(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.rest import RestClient
        from lifecycle.issuers.okta_client_secret import OKTA, OktaClientSecretIssuer

        own = credential.settings
        issuer = OktaClientSecretIssuer(RestClient(own.org, OKTA, self._okta_authorization), client_id=own.client_id)
        return BoundIssuer(issuer=issuer, principal=own.app_id or own.client_id)

    def _okta_authorization(self) -> SecretText:
        """Read when Okta is asked, so that a host without the token can do everything else."""
        token = self._around.settings.okta_api_token
        if not token.get_secret_value():
            raise ConfigurationError("nothing logs in to Okta", remedy="set LIFECYCLE_OKTA_API_TOKEN")
        return SecretText(f"SSWS {token.get_secret_value()}")

    def databricks(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.databricks import DATABRICKS, DatabricksLogin
        from lifecycle.clients.rest import RestClient
        from lifecycle.issuers.databricks_service_principal_secret import DatabricksServicePrincipalSecretIssuer

        own = credential.settings
        read = self._issuers.admin(credential) or self._issuers.current(credential)
        login = DatabricksLogin(issuer=own.issuer, read=read)
        issuer = DatabricksServicePrincipalSecretIssuer(
            RestClient(own.host, DATABRICKS, login.authorization),
            account_id=own.account_id,
            client_id=own.client_id,
            lifetime=credential.settings.lifetime,
            self_admin=self._issuers.administers(credential),
        )
        return BoundIssuer(issuer=issuer, principal=own.service_principal_id)

    def _graph(self, credential: Credential) -> RestClient:
        from lifecycle.clients.entra import GRAPH, EntraLogin, EntraPlace, default_scope
        from lifecycle.clients.rest import RestClient
        from lifecycle.clients.web import WebClient

        own = credential.settings
        login = EntraLogin(
            scope=default_scope(own.graph),
            read=self._issuers.admin(credential),
            place=EntraPlace(authority=own.authority, ca_file=own.ca_file),
        )
        return RestClient(own.graph, GRAPH, login.authorization, web=WebClient(ca_file=own.ca_file))


def storage_settings(credential: Credential) -> Any:
    """The target that shows whether a key of a storage account works."""
    from lifecycle.connectors.azure_blob import AzureBlobSettings

    own = credential.settings
    return AzureBlobSettings(account=own.account, container=own.container, url=own.blob_service, ca_file=own.ca_file)


def entra_settings(credential: Credential) -> Any:
    """The target that shows whether a login of an Entra application works."""
    from lifecycle.clients.entra import default_scope
    from lifecycle.connectors.entra_application import EntraApplicationSettings

    own = credential.settings
    return EntraApplicationSettings(scope=default_scope(own.graph), authority=own.authority, ca_file=own.ca_file)

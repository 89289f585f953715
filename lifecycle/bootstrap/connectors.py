"""Verifiers by kind, and what a credential is verified with when no connector uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.oauth_logins import client_login, login_with
from lifecycle.bootstrap.platform_verifiers import platform_builders
from lifecycle.bootstrap.service_verifiers import service_builders
from lifecycle.bootstrap.spooler_verifiers import spooler_builders
from lifecycle.bootstrap.stores import Stores, vault_server
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Connector, Credential

if TYPE_CHECKING:
    from lifecycle.clients.aws import AwsConnection
    from lifecycle.domain.ports import ConnectorVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundVerifier:
    """A verifier and the target it is asked about."""

    verifier: ConnectorVerifier
    target: Any


class Verifiers:
    """Makes the verifier of a connector.

    Args:
        around: settings, spec, sandbox.
        stores: whose reachability some connectors prove.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores
        self._builders: Mapping[str, Callable[[Any, Credential | None], ConnectorVerifier]] = {
            "aws_identity": self._aws_identity,
            "aws_secrets_manager": self._secrets_manager,
            "datarobot": self._datarobot,
            "oauth_access_token": self._access_token,
            "oauth_refresh_token": self._refresh_token,
            "oauth_token": self._oauth_token,
            "postgres": self._postgres,
            "s3": self._s3,
            "snowflake": self._snowflake,
            "vault": self._vault,
            "vault_approle": self._approle,
            "web_proxy": self._web_proxy,
            **platform_builders(around),
            **service_builders(around, stores),
            **spooler_builders(),
        }

    def of(self, connector: Connector) -> BoundVerifier:
        """The verifier of this connector."""
        credential = self._around.spec.credentials.get(connector.credential or "")
        verifier = self._builders[connector.kind](connector.settings, credential)
        return BoundVerifier(verifier=verifier, target=connector.settings)

    def login(self, credential: Credential) -> BoundVerifier:
        """What shows that a value of this kind logs in, where no connector uses it."""
        from lifecycle.bootstrap.issuers_cloud import entra_settings, storage_settings
        from lifecycle.connectors.aws_identity import AwsIdentitySettings
        from lifecycle.connectors.datarobot import DataRobotSettings
        from lifecycle.connectors.oauth_access_token import OAuthAccessTokenCheck
        from lifecycle.connectors.oauth_refresh_token import OAuthRefreshTokenCheck
        from lifecycle.connectors.oauth_token import OAuthTokenSettings
        from lifecycle.connectors.postgres import PostgresSettings
        from lifecycle.connectors.snowflake import SnowflakeSettings
        from lifecycle.connectors.vault_approle import VaultAppRoleCheck

        own = credential.settings
        settings: Any
        match credential.kind:
            case "aws_iam_access_key":
                kind, settings = "aws_identity", AwsIdentitySettings()
            case "datarobot_api_key":
                kind, settings = "datarobot", DataRobotSettings(datarobot=credential.settings.datarobot)
            case "entra_application_certificate" | "entra_application_password":
                kind, settings = "entra_application", entra_settings(credential)
            case "azure_storage_account_key":
                kind, settings = "azure_blob", storage_settings(credential)
            case "databricks_service_principal_secret" | "okta_client_secret":
                kind, settings = "oauth_token", OAuthTokenSettings(scope=own.scope)
            case "oauth_client_secret" | "oauth_private_key_jwt":
                kind, settings = "oauth_token", OAuthTokenSettings()
            case "oauth_access_token":
                kind, settings = "oauth_access_token", OAuthAccessTokenCheck()
            case "oauth_refresh_token":
                kind, settings = "oauth_refresh_token", OAuthRefreshTokenCheck()
            case "postgres_role_password":
                kind = "postgres"
                settings = PostgresSettings(host=own.host, port=own.port, database=own.database, ca_file=own.ca_file)
            case "snowflake_key_pair" | "snowflake_named_key_pair":
                kind, settings = "snowflake", SnowflakeSettings(endpoint=own.endpoint)
            case "vault_approle_secret_id":
                kind, settings = "vault_approle", VaultAppRoleCheck(mount=own.mount, server=own.server)
            case other:
                raise ConfigurationError(
                    f"credentials.{credential.name}: nothing shows that a fresh value of kind {other} works",
                    remedy=f"declare a connector with `credential: {credential.name}`",
                )
        return BoundVerifier(verifier=self._builders[kind](settings, credential), target=settings)

    def _anonymous(self) -> AwsConnection:
        """Where AWS is, without a login of ours: the value under test brings its own."""
        return replace(self._around.aws.connection, access_key_id=None, secret_access_key=None, role="")

    def _aws_identity(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.aws_identity import AwsIdentityVerifier

        return AwsIdentityVerifier(self._anonymous(), clock=utc_now)

    def _s3(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.s3 import S3Verifier

        return S3Verifier(self._anonymous(), clock=utc_now)

    def _datarobot(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.datarobot import DataRobotVerifier

        target = self._around.spec.datarobot[settings.datarobot]
        endpoint = self._around.resolve(target.endpoint)
        return DataRobotVerifier(endpoint, api_version=target.api_version, clock=utc_now)

    def _refresh_token(self, _settings: Any, credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.oauth_refresh_token import OAuthRefreshTokenVerifier

        if credential is None or credential.kind != "oauth_refresh_token":
            raise ConfigurationError(
                "an oauth_refresh_token connector names no credential of that kind", remedy="add `credential:`"
            )
        login = client_login(self._around, self._stores, credential)
        return OAuthRefreshTokenVerifier(self._around.resolve(credential.settings.issuer), login, clock=utc_now)

    def _access_token(self, _settings: Any, credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.oauth_access_token import OAuthAccessTokenVerifier

        if credential is None or credential.kind != "oauth_access_token":
            raise ConfigurationError(
                "an oauth_access_token connector names no credential of that kind", remedy="add `credential:`"
            )
        own = credential.settings
        client = own.exchange_client if own.exchange_issuer else own.client
        if not client:
            raise ConfigurationError(
                f"credentials.{credential.name}: nobody may introspect a token that is exchanged without a client",
                remedy=f"declare a connector of the service that takes it, with `credential: {credential.name}`",
            )
        login = login_with(self._around, self._stores, credential, client)
        issuer = self._around.resolve(own.exchange_issuer or own.issuer)
        return OAuthAccessTokenVerifier(issuer, login, clock=utc_now)

    def _oauth_token(self, _settings: Any, credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.oauth_token import OAuthTokenVerifier

        if credential is None:
            raise ConfigurationError("an oauth_token connector names no credential", remedy="add `credential:`")
        own = credential.settings
        issuer = self._around.resolve(own.issuer)
        if credential.kind == "oauth_private_key_jwt":
            return OAuthTokenVerifier(issuer, clock=utc_now, method="private_key_jwt", audience=own.audience)
        return OAuthTokenVerifier(issuer, clock=utc_now, method=own.token_endpoint_auth_method)

    def _postgres(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.postgres import PostgresVerifier

        return PostgresVerifier(clock=utc_now)

    def _secrets_manager(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.aws_secrets_manager import SecretsManagerVerifier

        prefix = self._around.spec.secret_stores[settings.store].settings.prefix
        return SecretsManagerVerifier(self._around.aws.connection, prefix=prefix, clock=utc_now)

    def _snowflake(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.snowflake import SnowflakeVerifier

        return SnowflakeVerifier(clock=utc_now)

    def _vault(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.vault import VaultVerifier

        store = self._around.spec.secret_stores[settings.store].settings
        client = self._stores.vault_client(store)
        return VaultVerifier(client, mount=store.mount, prefix=store.prefix, clock=utc_now)

    def _approle(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.vault_approle import VaultAppRoleVerifier

        server = vault_server(self._around.spec, settings.server)
        return VaultAppRoleVerifier(
            self._around.resolve(server.address), namespace=server.namespace, ca_file=server.ca_file, clock=utc_now
        )

    def _web_proxy(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.web_proxy import WebProxyVerifier

        return WebProxyVerifier(clock=utc_now)

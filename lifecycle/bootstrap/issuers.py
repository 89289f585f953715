"""Issuers by kind, one per credential."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lifecycle.bootstrap.oauth_logins import client_login
from lifecycle.bootstrap.stores import KeptValue, Stores, vault_server
from lifecycle.bootstrap.surroundings import SANDBOX, Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.naming import cloud_name
from lifecycle.domain.secret import Fingerprinter, SecretRef, VersionStage, secret_value
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.datarobot import DataRobotClient
    from lifecycle.domain.ports import MintingIssuer, SettingIssuer
    from lifecycle.operations.rotation_context import AdminReader


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundIssuer:
    """An issuer and the principal whose credential is rotated.

    Attributes:
        issuer: makes, lists and revokes.
        principal: whose credential it is at the provider.
        admin: reads the login that authorises changes; None = the credential changes itself, or is not asked.
    """

    issuer: MintingIssuer | SettingIssuer
    principal: str
    admin: AdminReader | None = None


class Issuers:
    """Makes the issuer of a credential.

    Args:
        around: settings, spec, sandbox.
        stores: where issuers keep what they need between runs.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        from lifecycle.bootstrap.issuers_cloud import cloud_builders
        from lifecycle.bootstrap.issuers_short_lived import short_lived_builders

        self._around = around
        self._stores = stores
        self._builders: Mapping[str, Callable[[Credential], BoundIssuer]] = {
            "aws_iam_access_key": self._access_key,
            "datarobot_api_key": self._api_key,
            "oauth_client_secret": self._client_secret,
            "oauth_private_key_jwt": self._private_key_jwt,
            "oauth_refresh_token": self._refresh_token,
            "postgres_role_password": self._role_password,
            "snowflake_key_pair": self._key_pair,
            "snowflake_named_key_pair": self._key_pair,
            "vault_approle_secret_id": self._secret_id,
            **cloud_builders(around, self),
            **short_lived_builders(around, stores),
        }

    def of(self, credential: Credential) -> BoundIssuer:
        """The issuer of this credential, bound to its principal."""
        return self._builders[credential.kind](credential)

    def datarobot_client(self, name: str) -> DataRobotClient:
        """The tool's own identity at one DataRobot installation."""
        from lifecycle.clients.datarobot import DataRobotClient

        around = self._around
        target = around.spec.datarobot.get(name)
        if target is None:
            raise ConfigurationError(f"the spec has no DataRobot {name!r}", remedy="add it under datarobot")
        own = around.settings.datarobot_api_token
        token = around.sandbox.bootstrap.datarobot.admin_key if around.sandbox else own
        return DataRobotClient(around.resolve(target.endpoint), token)

    def _access_key(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.aws_iam_access_key import AwsIamAccessKeyIssuer

        settings, env = credential.settings, self._around.spec.environment
        user = settings.user or cloud_name(env, settings.service_account)
        issuer = AwsIamAccessKeyIssuer(self._around.aws, self_admin=settings.self_admin)
        return BoundIssuer(issuer=issuer, principal=user)

    def _api_key(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.datarobot_api_key import DataRobotApiKeyIssuer

        settings = credential.settings
        return BoundIssuer(
            issuer=DataRobotApiKeyIssuer(self.datarobot_client(settings.datarobot)), principal=settings.principal
        )

    def _client_secret(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.oauth import OAuthClient
        from lifecycle.issuers.oauth_client_secret import OAuthClientSecretIssuer

        settings, kept = credential.settings, self._registration(credential)
        issuer = OAuthClientSecretIssuer(
            OAuthClient(self._around.resolve(settings.issuer)),
            kept,
            self._stores.fingerprinter,
            clock=utc_now,
            readback=settings.readback,
            overlap=settings.overlap,
            end_initial_secret=settings.end_initial_secret,
            registration_client_uri=settings.registration_client_uri,
        )
        # Without overlap the old secret dies with the call; whoever holds the registration can always make the next.
        admin = None if settings.overlap else kept.load
        return BoundIssuer(issuer=issuer, principal=settings.client_id, admin=admin)

    def _private_key_jwt(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.oauth import OAuthClient
        from lifecycle.issuers.oauth_private_key_jwt import OAuthPrivateKeyJwtIssuer

        own = credential.settings
        issuer = OAuthPrivateKeyJwtIssuer(
            OAuthClient(self._around.resolve(own.issuer)),
            self._registration(credential),
            client_id=own.client_id,
            algorithm=own.algorithm,
            registration_client_uri=own.registration_client_uri,
        )
        return BoundIssuer(issuer=issuer, principal=own.client_id)

    def _refresh_token(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.oauth import OAuthClient
        from lifecycle.issuers.oauth_refresh_token import OAuthRefreshTokenIssuer

        own = credential.settings
        issuer = OAuthRefreshTokenIssuer(
            OAuthClient(self._around.resolve(own.issuer)),
            client_login(self._around, self._stores, credential),
            self._stores.fingerprinter,
            current=self.current(credential),
            fapi2=own.fapi2,
            overlap=own.overlap,
        )
        return BoundIssuer(issuer=issuer, principal=own.client_id)

    def _role_password(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.postgres import PostgresTarget
        from lifecycle.issuers.postgres_role_password import PostgresRolePasswordIssuer

        own, admin = credential.settings, self.admin(credential)
        issuer = PostgresRolePasswordIssuer(
            PostgresTarget(host=own.host, port=own.port, database=own.database, ca_file=own.ca_file),
            own.roles or (own.role,),
            owner=own.member_of or "",
            admin=admin,
            self_admin=self.administers(credential),
        )
        return BoundIssuer(issuer=issuer, principal=own.member_of or own.role, admin=admin)

    def _key_pair(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.snowflake import SnowflakeClient, default_endpoint
        from lifecycle.issuers.snowflake_key_pair import SnowflakeKeyPairIssuer
        from lifecycle.issuers.snowflake_named_key_pair import SnowflakeNamedKeyPairIssuer

        made = SnowflakeNamedKeyPairIssuer if credential.kind == "snowflake_named_key_pair" else SnowflakeKeyPairIssuer
        own, admin = credential.settings, self.admin(credential)
        issuer = made(
            SnowflakeClient(own.endpoint or default_endpoint(own.account), clock=utc_now),
            account=own.account,
            user=own.user,
            admin=admin or self.current(credential),
            self_admin=self.administers(credential),
        )
        return BoundIssuer(issuer=issuer, principal=own.user, admin=admin)

    def _secret_id(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.vault_approle_secret_id import VaultAppRoleSecretIdIssuer

        own = credential.settings
        client = self._stores.vault_client(vault_server(self._around.spec, own.server))
        issuer = VaultAppRoleSecretIdIssuer(client, mount=own.mount, self_admin=own.self_admin)
        return BoundIssuer(issuer=issuer, principal=own.role)

    def admin(self, credential: Credential) -> AdminReader | None:
        """Reads the current value of the credential that `admin:` names."""
        if not credential.settings.admin:
            return None
        return self.current(self._around.spec.credentials[credential.settings.admin])

    def current(self, credential: Credential) -> AdminReader:
        """Reads the current value of a credential."""
        ref = SecretRef(store=credential.store, path=credential.name)
        return lambda: self._stores.named(credential.store).read(ref, VersionStage.CURRENT).value

    def administers(self, credential: Credential) -> bool:
        """Whether other credentials are changed with this one (class F: it comes last)."""
        others = self._around.spec.credentials.values()
        return any(getattr(other.settings, "admin", None) == credential.name for other in others)

    @property
    def fingerprinter(self) -> Fingerprinter:
        """Names values without revealing them."""
        return self._stores.fingerprinter

    def kept(self, credential: Credential, what: str) -> KeptValue:
        """Where an issuer keeps what it must know between runs, beside the credential."""
        ref = SecretRef(store=credential.store, path=f"{credential.name}-{what}")
        return KeptValue(store=self._stores.named(credential.store), ref=ref)

    def _registration(self, credential: Credential) -> KeptValue:
        """Where the registration access token is kept; the sandbox's first one is put there."""
        store = self._stores.named(credential.store)
        ref = SecretRef(store=credential.store, path=f"{credential.name}-registration")
        around, settings = self._around, credential.settings
        if around.sandbox and settings.issuer.startswith(SANDBOX):
            known = around.sandbox.bootstrap.oauth
            if known.client_id == settings.client_id:
                uri = around.resolve(settings.issuer) + known.registration_path
                first = secret_value({"registration_client_uri": uri})
                store.keep_once(ref, {**first, "registration_access_token": known.registration_access_token})
        return KeptValue(store=store, ref=ref)

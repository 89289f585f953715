"""Every product that a spec may name: one line each."""

from __future__ import annotations

from functools import cache

from lifecycle.bootstrap.destination_places import place_kinds
from lifecycle.bootstrap.platform_verifiers import platform_kinds
from lifecycle.bootstrap.service_verifiers import service_kinds
from lifecycle.bootstrap.spooler_verifiers import spooler_kinds
from lifecycle.domain.kinds import Kind, KindRegistry


@cache
def registry() -> KindRegistry:
    """All kinds, gathered once."""
    from lifecycle.connectors import (
        aws_identity,
        datarobot,
        oauth_token,
        postgres,
        s3,
        snowflake,
        vault_approle,
        web_proxy,
    )
    from lifecycle.connectors import aws_secrets_manager as secrets_manager_check
    from lifecycle.connectors import oauth_access_token as access_token_check
    from lifecycle.connectors import oauth_refresh_token as refresh_token_check
    from lifecycle.connectors import vault as vault_check
    from lifecycle.destinations import ecs_service, file
    from lifecycle.journals import dynamodb, sqlite
    from lifecycle.journals import vault_kv as vault_journal
    from lifecycle.renderers import TARGETS
    from lifecycle.secret_stores import aws_secrets_manager, vault_settings
    from lifecycle.terraform_cli import agent_kinds, backends

    return KindRegistry(
        [
            *TARGETS,
            *agent_kinds.KINDS,
            *backends.KINDS,
            *_issuers(),
            *place_kinds(),
            *platform_kinds(),
            *service_kinds(),
            *spooler_kinds(),
            aws_identity.KIND,
            aws_secrets_manager.KIND,
            datarobot.KIND,
            dynamodb.KIND,
            ecs_service.KIND,
            file.KIND,
            access_token_check.KIND,
            refresh_token_check.KIND,
            oauth_token.KIND,
            postgres.KIND,
            s3.KIND,
            secrets_manager_check.KIND,
            snowflake.KIND,
            sqlite.KIND,
            vault_approle.KIND,
            vault_check.KIND,
            vault_journal.KIND,
            vault_settings.KIND,
            web_proxy.KIND,
        ]
    )


def _issuers() -> tuple[Kind, ...]:
    from lifecycle.issuers import (
        aws_iam_access_key,
        aws_rotation_function,
        azure_storage_account_key,
        databricks_service_principal_secret,
        datarobot_api_key,
        entra_application_certificate,
        entra_application_password,
        oauth_access_token,
        oauth_client_secret,
        oauth_private_key_jwt,
        oauth_refresh_token,
        okta_client_secret,
        postgres_role_password,
        snowflake_key_pair,
        snowflake_named_key_pair,
        vault_approle_secret_id,
    )

    return (
        aws_iam_access_key.KIND,
        aws_rotation_function.KIND,
        azure_storage_account_key.KIND,
        databricks_service_principal_secret.KIND,
        datarobot_api_key.KIND,
        entra_application_certificate.KIND,
        entra_application_password.KIND,
        oauth_access_token.KIND,
        oauth_client_secret.KIND,
        oauth_private_key_jwt.KIND,
        oauth_refresh_token.KIND,
        okta_client_secret.KIND,
        postgres_role_password.KIND,
        snowflake_key_pair.KIND,
        snowflake_named_key_pair.KIND,
        vault_approle_secret_id.KIND,
    )

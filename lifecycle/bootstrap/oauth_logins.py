"""How a client of an authorization server authenticates: by another credential of the spec, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretRef, VersionStage
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.oauth import ClientLogin, SecretMethod

_KINDS = ("oauth_client_secret", "oauth_private_key_jwt")
_SECRETS = ("databricks_service_principal_secret", "entra_application_password", "okta_client_secret")


def client_login(around: Surroundings, stores: Stores, credential: Credential) -> Callable[[], ClientLogin]:
    """Reads, at each call, the current login of the client that a refresh token was issued to.

    Raises:
        ConfigurationError: `client` names a credential of another kind.
    """
    from lifecycle.clients.oauth import ClientLogin

    own = credential.settings
    if not own.client:
        return lambda: ClientLogin(client_id=own.client_id, method="none")
    return login_with(around, stores, credential, own.client, kinds=_KINDS)


def login_with(
    around: Surroundings, stores: Stores, credential: Credential, client: str, *, kinds: tuple[str, ...] = ()
) -> Callable[[], ClientLogin]:
    """Reads, at each call, the current login that the credential named `client` is.

    Args:
        around: settings, spec.
        stores: where its value lies.
        credential: whose settings name it, for messages.
        client: name of the credential that logs in.
        kinds: what it may be; empty = any kind whose value is a client secret or a signing key.

    Raises:
        ConfigurationError: it is of another kind.
    """
    other, kinds = around.spec.credentials[client], kinds or (*_KINDS, *_SECRETS)
    if other.kind not in kinds:
        raise ConfigurationError(
            f"credentials.{credential.name}: client {other.name} is of kind {other.kind}",
            remedy=f"name a credential of kind {' or '.join(kinds)}",
        )
    return lambda: _login(stores, other)


def _login(stores: Stores, other: Credential) -> ClientLogin:
    from lifecycle.clients.oauth import ClientLogin

    ref = SecretRef(store=other.store, path=other.name)
    value = stores.named(other.store).read(ref, VersionStage.CURRENT).value
    client_id = value["client_id"].get_secret_value()
    if other.kind != "oauth_private_key_jwt":
        method: SecretMethod = getattr(other.settings, "token_endpoint_auth_method", "client_secret_basic")
        return ClientLogin(client_id=client_id, client_secret=value["client_secret"], method=method)
    return ClientLogin(
        client_id=client_id,
        method="private_key_jwt",
        private_key=value["private_key"],
        key_id=value["key_id"].get_secret_value() if "key_id" in value else "",
        audience=other.settings.audience,
    )

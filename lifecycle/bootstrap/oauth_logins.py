"""How the client of a refresh token authenticates: by another credential of the spec, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretRef, VersionStage
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.oauth import ClientLogin

_KINDS = ("oauth_client_secret", "oauth_private_key_jwt")


def client_login(around: Surroundings, stores: Stores, credential: Credential) -> Callable[[], ClientLogin]:
    """Reads, at each call, the current login of the client that a refresh token was issued to.

    Raises:
        ConfigurationError: `client` names a credential of another kind.
    """
    from lifecycle.clients.oauth import ClientLogin

    own = credential.settings
    if not own.client:
        return lambda: ClientLogin(client_id=own.client_id, method="none")
    other = around.spec.credentials[own.client]
    if other.kind not in _KINDS:
        raise ConfigurationError(
            f"credentials.{credential.name}: client {other.name} is of kind {other.kind}",
            remedy=f"name a credential of kind {' or '.join(_KINDS)}",
        )
    ref = SecretRef(store=other.store, path=other.name)

    def read() -> ClientLogin:
        value = stores.named(other.store).read(ref, VersionStage.CURRENT).value
        client_id = value["client_id"].get_secret_value()
        if other.kind == "oauth_client_secret":
            method = other.settings.token_endpoint_auth_method
            return ClientLogin(client_id=client_id, client_secret=value["client_secret"], method=method)
        return ClientLogin(
            client_id=client_id,
            method="private_key_jwt",
            private_key=value["private_key"],
            key_id=value["key_id"].get_secret_value() if "key_id" in value else "",
            audience=other.settings.audience,
        )

    return read

"""Issuers of what lives for minutes, and of what somebody else rotates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lifecycle.bootstrap.issuers import BoundIssuer
from lifecycle.bootstrap.oauth_logins import login_with
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.domain.naming import secret_name
from lifecycle.domain.secret import SecretRef, SecretValue
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.oauth import ClientLogin


def short_lived_builders(around: Surroundings, stores: Stores) -> Mapping[str, Callable[[Credential], BoundIssuer]]:
    """One builder per kind."""
    made = _ShortLived(around, stores)
    return {"aws_rotation_function": made.rotation_function, "oauth_access_token": made.access_token}


class _ShortLived:
    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores

    def access_token(self, credential: Credential) -> BoundIssuer:
        from lifecycle.clients.oauth import OAuthClient
        from lifecycle.issuers.oauth_access_token import OAuthAccessTokenIssuer, ServerLogin

        own, around = credential.settings, self._around
        exchange = None
        if own.exchange_issuer:
            login = self._login(credential, own.exchange_client) if own.exchange_client else None
            server = OAuthClient(around.resolve(own.exchange_issuer))
            exchange = ServerLogin(server=server, login=login, scope=own.exchange_scope, audience=own.exchange_audience)
        issuer = OAuthAccessTokenIssuer(
            ServerLogin(
                server=OAuthClient(around.resolve(own.issuer)),
                login=self._login(credential, own.client),
                scope=own.scope,
                audience=own.audience,
            ),
            exchange,
            self._stores.fingerprinter,
            stored=lambda: self._stored(credential),
            clock=utc_now,
            lifetime=own.lifetime,
            subject_type=own.subject_type,
        )
        return BoundIssuer(issuer=issuer, principal=own.client)

    def rotation_function(self, credential: Credential) -> BoundIssuer:
        from lifecycle.issuers.aws_rotation_function import AwsRotationFunctionIssuer

        own, chosen = credential.settings, self._around.spec.secret_stores[credential.store]
        if chosen.kind == "aws_secrets_manager" and secret_name(chosen.settings.prefix, credential.name) == own.secret:
            raise ConfigurationError(
                f"credentials.{credential.name}: the function and this tool would move the labels of one secret",
                remedy="name the function's own secret, which the value is taken over from",
            )
        issuer = AwsRotationFunctionIssuer(
            self._around.aws, self._stores.fingerprinter, function=own.function, timeout=own.timeout
        )
        return BoundIssuer(issuer=issuer, principal=own.secret, admin=lambda: issuer.ready(own.secret))

    def _login(self, credential: Credential, client: str) -> Callable[[], ClientLogin]:
        return login_with(self._around, self._stores, credential, client)

    def _stored(self, credential: Credential) -> Iterator[SecretValue]:
        """Every value of this credential that its store still holds."""
        ref, store = SecretRef(store=credential.store, path=credential.name), self._stores.named(credential.store)
        state = store.describe(ref)
        for item in (state.current, state.previous, state.retiring, *state.pending):
            if item is None:
                continue
            try:
                yield store.read(ref, item.version).value
            except NotFoundError:  # tidied away between the two looks
                continue

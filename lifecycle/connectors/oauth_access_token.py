"""An access token: introspected as active at the server that issued it, by the client that asked for it.

Where that server does not let the client introspect (an exchange without a client of its own), use a connector of the
service that takes the token instead: `datarobot`, or `generic_https`.

Source: RFC 7662.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from lifecycle.clients.oauth import ClientLogin
from lifecycle.connectors.oauth_refresh_token import OAuthRefreshTokenVerifier
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, outcome


class OAuthAccessTokenCheck(KindSettings):
    """A connector of kind `oauth_access_token`; also the target that is verified. It has no settings."""


class OAuthAccessTokenVerifier:
    """Verifies access tokens at one authorization server.

    Args:
        issuer: its issuer identifier.
        login: reads how the client authenticates now.
        clock: the time.
    """

    def __init__(self, issuer: str, login: Callable[[], ClientLogin], *, clock: Clock) -> None:
        self._clock = clock
        self._introspection = OAuthRefreshTokenVerifier(issuer, login, clock=clock, kind="access_token")

    def verify(
        self, target: OAuthAccessTokenCheck, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask the server whether the token is active; one whose time is over has lapsed, nobody revoked it."""
        result = self._introspection.verify(target, value, deadline=deadline, via=via)
        if result.reason is not Reason.WRONG_VALUE or not self._lapsed(value):
            return result
        return VerificationResult(
            status=outcome(Reason.EXPIRED),
            reason=Reason.EXPIRED,
            detail=f"{result.detail}, its life is over",
            checked_at=result.checked_at,
        )

    def _lapsed(self, value: SecretValue) -> bool:
        try:
            return datetime.fromisoformat(value["expires"].get_secret_value()) <= self._clock()
        except (KeyError, ValueError, TypeError):
            return False


_: type[ConnectorVerifier] = OAuthAccessTokenVerifier

KIND = Kind(
    name="oauth_access_token",
    family=Family.CONNECTOR,
    settings=OAuthAccessTokenCheck,
    summary="An access token: active by introspection.",
)

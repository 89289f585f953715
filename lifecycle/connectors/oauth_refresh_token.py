"""A refresh token: introspected as active. It is never presented, since that would use it up.

Source: RFC 7662; a 401 there judges the client that asks, not the token.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from lifecycle.clients.oauth import ClientLogin, OAuthClient
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.errors import ConfigurationError, LifecycleError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

ACTIVE = "introspection"


class OAuthRefreshTokenCheck(KindSettings):
    """A connector of kind `oauth_refresh_token`; also the target that is verified. It has no settings."""


class OAuthRefreshTokenVerifier:
    """Verifies tokens at one authorization server.

    Args:
        issuer: its issuer identifier.
        login: reads how the client authenticates now.
        clock: the time.
        kind: `refresh_token`, or `access_token`: the value's field, and what the server is told that it is.
    """

    def __init__(
        self, issuer: str, login: Callable[[], ClientLogin], *, clock: Clock, kind: str = "refresh_token"
    ) -> None:
        self._issuer = issuer
        self._login = login
        self._clock = clock
        self._kind = kind

    def verify(
        self, target: KindSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask the server whether the token is active."""
        del target
        probe = Probe.begin((ACTIVE,), clock=self._clock, deadline=deadline, via=via)
        if self._kind not in value:
            return probe.result(Reason.NOT_CONFIGURED, f"the value has no {self._kind}")
        client = OAuthClient(self._issuer, web=WebClient(proxy=probe.proxy))
        try:
            return self._judge(probe, client, value)
        except LifecycleError as error:
            reason = Reason.NOT_CONFIGURED if isinstance(error, ConfigurationError) else Reason.AMBIGUOUS
            return probe.result(reason, "the server's metadata, or the client's own login, cannot be used")
        except Exception as error:
            return probe.failed_exchange(error)

    def _judge(self, probe: Probe, client: OAuthClient, value: SecretValue) -> VerificationResult:
        found = client.request_metadata(deadline=probe.deadline)
        if isinstance(found, Answer):
            reason = capped(Reason.AMBIGUOUS, found.status)
            return probe.result(reason, f"metadata: HTTP {found.status}", retry_after=retry_after(found.headers))
        if not found.introspection:
            return probe.result(Reason.NOT_CONFIGURED, "the server offers no introspection")
        answer = client.introspect(found, self._login(), value[self._kind], hint=self._kind, deadline=probe.deadline)
        document = answer.document()
        active = document.get("active") if isinstance(document, dict) else None
        if answer.status != 200 or not isinstance(active, bool):
            refused = answer.status in (401, 403) and bool(answer.text_field("error"))
            reason = Reason.NOT_CONFIGURED if refused else capped(reason_of_status(answer.status), answer.status)
            told = f"introspection: HTTP {answer.status}"
            return probe.result(reason, told, retry_after=retry_after(answer.headers))
        if not active:
            return probe.result(Reason.WRONG_VALUE, "introspection: inactive")
        probe.show(ACTIVE)
        return probe.works()


_: type[ConnectorVerifier] = OAuthRefreshTokenVerifier

KIND = Kind(
    name="oauth_refresh_token",
    family=Family.CONNECTOR,
    settings=OAuthRefreshTokenCheck,
    summary="A refresh token: active by introspection, without using it.",
)

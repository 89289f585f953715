"""An OAuth client: a token is issued to it and, if asked for, introspected as active.

Sources of the codes: RFC 6749 section 5.2, RFC 6750 section 3.1, RFC 7662, RFC 8693; Okta oauth2-error-codes
(server_error with status 400; causes told in `error_description`).
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.oauth import Audience, AuthMethod, ClientLogin, OAuthClient, OAuthEndpoints
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.errors import ConfigurationError, LifecycleError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus

TOKEN = "client_credentials"  # noqa: S105 - the name of a grant
INTROSPECTION = "introspection"
EXCHANGE = "token exchange"
_NONE = SecretText("")
_CODES = {
    "invalid_client": Reason.WRONG_VALUE,
    "invalid_grant": Reason.WRONG_VALUE,
    "invalid_token": Reason.WRONG_VALUE,
    "expired_token": Reason.EXPIRED,
    "unauthorized_client": Reason.NO_PERMISSION,
    "invalid_scope": Reason.NO_PERMISSION,
    "access_denied": Reason.NO_PERMISSION,
    "insufficient_scope": Reason.NO_PERMISSION,
    "unsupported_grant_type": Reason.NOT_CONFIGURED,
    "invalid_request": Reason.NOT_CONFIGURED,
    "invalid_target": Reason.NOT_CONFIGURED,
    "authorization_pending": Reason.APPROVAL_PENDING,
    "server_error": Reason.SERVICE_FAULT,
    "temporarily_unavailable": Reason.SERVICE_FAULT,
}
# Okta has one code for opposite causes and tells them apart in words: code, part of the description, reason.
_TEXTS = (
    ("invalid_client", "invalid value for 'client_id'", Reason.WRONG_TENANT),
    ("invalid_client", "token is expired", Reason.CLOCK_SKEW),  # the assertion that we have just signed
    ("invalid_client", "issued before", Reason.CLOCK_SKEW),
    ("invalid_client", "must use the private_key_jwt", Reason.NOT_CONFIGURED),
    ("invalid_grant", "mfa enabled", Reason.CONDITIONAL_ACCESS),
    ("invalid_grant", "sign on policy", Reason.CONDITIONAL_ACCESS),
    ("invalid_token", "revoked", Reason.REVOKED),
)


class OAuthTokenSettings(KindSettings):
    """A connector of kind `oauth_token`; also the target that is verified.

    Attributes:
        introspect: also ask whether the token is active.
        scope: what to ask for; empty = the client's default.
        exchange_for: the audience for which the token must be exchanged (RFC 8693); empty = it is not.
    """

    introspect: bool = False
    scope: str = ""
    exchange_for: str = ""


class OAuthTokenVerifier:
    """Verifies client secrets, or signing keys, at one authorization server.

    Args:
        issuer: its issuer identifier.
        clock: the time.
        method: how the client authenticates.
        audience: of `private_key_jwt`: whom assertions are addressed to.
    """

    def __init__(
        self,
        issuer: str,
        *,
        clock: Clock,
        method: AuthMethod = "client_secret_basic",
        audience: Audience = "issuer",
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        self._method = method
        self._audience = audience

    def verify(
        self, target: OAuthTokenSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Get a token; introspect it."""
        asked = (TOKEN, *((INTROSPECTION,) if target.introspect else ()), *((EXCHANGE,) if target.exchange_for else ()))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        proof = "private_key" if self._method == "private_key_jwt" else "client_secret"
        if not {"client_id", proof} <= value.keys():
            return probe.result(Reason.NOT_CONFIGURED, f"the value has no client_id and {proof}")
        client = OAuthClient(self._issuer, web=WebClient(proxy=probe.proxy))
        login = ClientLogin(
            client_id=value["client_id"].get_secret_value(),
            client_secret=value.get("client_secret", _NONE),
            method=self._method,
            private_key=value.get("private_key", _NONE),
            key_id=value["key_id"].get_secret_value() if "key_id" in value else "",
            audience=self._audience,
        )
        try:
            return self._judge(probe, client, login, target)
        except LifecycleError as error:
            reason = Reason.NOT_CONFIGURED if isinstance(error, ConfigurationError) else Reason.AMBIGUOUS
            return probe.result(reason, "the server's metadata cannot be used")
        except Exception as error:
            return probe.failed_exchange(error)

    def _judge(
        self, probe: Probe, client: OAuthClient, login: ClientLogin, target: OAuthTokenSettings
    ) -> VerificationResult:
        found = client.request_metadata(deadline=probe.deadline)
        if isinstance(found, Answer):
            reason = capped(Reason.AMBIGUOUS, found.status)
            return probe.result(reason, f"metadata: HTTP {found.status}", retry_after=retry_after(found.headers))
        # What is fetched is renewed once before anything is judged by it.
        for last in (False, True):
            answer = client.request_token(found, login, scope=target.scope, deadline=probe.deadline)
            token = answer.text_field("access_token")
            if answer.status != 200 or not token:
                return _refusal(probe, answer, "token")
            probe.show(TOKEN)
            refused = self._exchange(probe, client, found, login, SecretText(token), audience=target.exchange_for)
            if refused is not None or not target.introspect:
                return refused or probe.works()
            judged = self._introspect(probe, client, found, login, SecretText(token))
            if judged is not None or last:
                break
        return judged or probe.result(Reason.AMBIGUOUS, "fresh tokens are introspected as inactive")

    def _exchange(
        self,
        probe: Probe,
        client: OAuthClient,
        endpoints: OAuthEndpoints,
        login: ClientLogin,
        token: SecretText,
        *,
        audience: str,
    ) -> VerificationResult | None:
        """Why the token cannot be exchanged; None when it can, or need not."""
        if not audience:
            return None
        answer = client.exchange_token(endpoints, login, token, audience=audience, deadline=probe.deadline)
        if answer.status == 200 and answer.text_field("access_token") and answer.text_field("issued_token_type"):
            probe.show(EXCHANGE)
            return None
        refused = _refusal(probe, answer, EXCHANGE)
        if refused.status is VerificationStatus.INVALID:
            # The client has just been accepted: what is refused here is the exchange.
            return probe.result(Reason.NO_PERMISSION, refused.detail)
        return refused

    def _introspect(
        self, probe: Probe, client: OAuthClient, endpoints: OAuthEndpoints, login: ClientLogin, token: SecretText
    ) -> VerificationResult | None:
        """The result, or None when a token that was issued just now is not active."""
        if not endpoints.introspection:
            return probe.result(Reason.NOT_CONFIGURED, "the server offers no introspection")
        answer = client.introspect(endpoints, login, token, deadline=probe.deadline)
        document = answer.document()
        if answer.status != 200 or not isinstance(document, dict) or not isinstance(document.get("active"), bool):
            refused = _refusal(probe, answer, INTROSPECTION)
            # The token endpoint has just accepted this client: here it only lacks the right to introspect.
            return probe.result(Reason.NO_PERMISSION, refused.detail) if answer.status in (401, 403) else refused
        if not document["active"]:
            return None
        probe.show(INTROSPECTION)
        return probe.works()


def _refusal(probe: Probe, answer: Answer, step: str) -> VerificationResult:
    code = answer.text_field("error")
    told = f"{step}: HTTP {answer.status} {code if code in _CODES else ''}".rstrip()
    if answer.status < 400:
        return probe.result(Reason.AMBIGUOUS, f"{told}, no token in the answer")
    if not code and answer.status == 401:
        return probe.result(Reason.NOT_CONFIGURED, f"{told}: no error code, a header may have been stripped")
    reason = capped(_reason(code, answer), answer.status)
    return probe.result(reason, told, retry_after=retry_after(answer.headers))


def _reason(code: str, answer: Answer) -> Reason:
    words = answer.text_field("error_description").lower()
    told = next((reason for of, part, reason in _TEXTS if of == code and part in words), None)
    return told or _CODES.get(code, reason_of_status(answer.status))


_: type[ConnectorVerifier] = OAuthTokenVerifier

KIND = Kind(
    name="oauth_token",
    family=Family.CONNECTOR,
    settings=OAuthTokenSettings,
    summary="An OAuth client: a token by client credentials, introspected if asked for.",
)

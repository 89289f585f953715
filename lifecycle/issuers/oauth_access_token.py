"""Access tokens kept fresh: class B, replaced at two thirds of their life, stored and delivered like every credential.

1. A token comes from the client credentials grant (RFC 6749, 4.4). With an exchange (RFC 8693) that token is the
   subject, asked for anew each time, and the one that is kept is what the second server gives for it.
2. Servers list no tokens. The list is what the secret store holds and what has not lapsed, without what introspection
   (RFC 7662) calls inactive. A token whose answer was lost is in no store, is used by nobody and lapses by itself: it
   is not looked for, another one is asked for.
3. The old token is revoked (RFC 7009) where the server does that; elsewhere it is waited for until it has lapsed.
4. `lifetime` is what the spec relies on. A server that gives less is refused, as its token would lapse in use.

A token's id is its keyed fingerprint. Sources: the RFCs above; DataRobot, inbound OAuth (exchange of a token of the
company's identity provider, without a client of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lifecycle.clients.oauth import TOKEN_TYPES, ClientLogin, OAuthClient, OAuthEndpoints
from lifecycle.clients.web import Answer, exchange_error, retry_after
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, MintingIssuer
from lifecycle.domain.secret import Fingerprint, SecretText, SecretValue
from lifecycle.domain.spec import Duration

SubjectType = Literal["access_token", "jwt", "id_token"]
_ACCESS = "access_token"
_USABLE = (f"{TOKEN_TYPES}access_token", f"{TOKEN_TYPES}jwt")
_NOT_EXCHANGED = {
    "invalid_target": "gives no tokens for this audience: correct `exchange_audience`",
    "invalid_request": "does not take the subject token: it is expired, of another type or of another provider",
    "invalid_grant": "does not take the subject token: it is expired, of another type or of another provider",
    "invalid_scope": "does not give this scope: correct `exchange_scope`, or the scope of the subject token",
    "unsupported_grant_type": "exchanges no tokens: have it switched on",
    "unauthorized_client": "does not let this client exchange tokens",
}


class OAuthAccessTokenSettings(KindSettings):
    """A credential of kind `oauth_access_token`.

    Attributes:
        issuer: the authorization server of the client.
        client: the credential of this spec (a client secret or a signing key) that asks for tokens.
        scope: what to ask for; empty = the client's default.
        audience: whom the token is for, where the server asks for that; empty = not said.
        lifetime: how long a token lives at least; it is replaced after two thirds of that.
        exchange_issuer: the server that exchanges the token (RFC 8693); empty = it is used as it is.
        exchange_client: the credential that logs in there; empty = the token itself is the login.
        exchange_audience: whom the new token is for; empty = the server knows.
        exchange_scope: what to ask for there; empty = its default.
        subject_type: what the exchanged token is called.
    """

    issuer: str
    client: str
    scope: str = ""
    audience: str = ""
    lifetime: Duration = timedelta(minutes=10)
    exchange_issuer: str = ""
    exchange_client: str | None = None
    exchange_audience: str = ""
    exchange_scope: str = ""
    subject_type: SubjectType = "access_token"

    @property
    def refresh_after(self) -> timedelta:
        """When a token is replaced."""
        return self.lifetime * 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLogin:
    """One authorization server and how we log in there.

    Attributes:
        server: the server.
        login: reads the login; None = none, which an exchange may do without.
        scope, audience: what to ask for.
    """

    server: OAuthClient
    login: Callable[[], ClientLogin] | None
    scope: str = ""
    audience: str = ""


class OAuthAccessTokenIssuer:
    """Gets and revokes tokens; the principal names the client in messages.

    Args:
        grant: where the client asks for tokens.
        exchange: where they are exchanged; None = they are not.
        fingerprint: names a value without revealing it.
        stored: reads every value of this credential that the store still holds.
        clock: the time.
        lifetime: as declared.
        subject_type: of the exchange.
    """

    def __init__(
        self,
        grant: ServerLogin,
        exchange: ServerLogin | None,
        fingerprint: Callable[[SecretValue], Fingerprint],
        *,
        stored: Callable[[], Iterable[SecretValue]],
        clock: Clock,
        lifetime: timedelta,
        subject_type: SubjectType = "access_token",
    ) -> None:
        self._grant = grant
        self._exchange = exchange
        self._home = exchange or grant
        self._fingerprint = fingerprint
        self._stored = stored
        self._clock = clock
        self._lifetime = lifetime
        self._subject_type: SubjectType = subject_type
        self._ended: set[CredentialId] = set()

    @property
    def traits(self) -> Traits:
        """Class B, as many as one likes."""
        return TRAITS

    def list(self, principal: str) -> CompleteListing:
        """What is stored, has not lapsed, and is not called inactive."""
        endpoints = self._home.server.discover()
        found: dict[CredentialId, ProviderCredential] = {}
        for value in self._living():
            if self._active(endpoints, value) is not False:
                item = ProviderCredential(id=self.identify(value), expires=_expires(value))
                found[item.id] = item
        return CompleteListing(principal=principal, credentials=tuple(found.values()))

    def identify(self, value: SecretValue) -> CredentialId:
        """The keyed fingerprint of the token."""
        return CredentialId(self._fingerprint({_ACCESS: value[_ACCESS]}))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Ask for a token, and exchange it where that is declared."""
        del marker, previous
        asked = self._clock()
        what = f"asking {self._grant.server.issuer} for a token of {principal}"
        answer = self._send(what, self._request)
        if answer.status != 200:
            raise _refusal(answer, what)
        if self._exchange is not None:
            answer = self._exchanged(self._exchange, SecretText(_bearer(answer, what)), principal)
        what = f"the token of {principal} by {self._home.server.issuer}"
        token, expires = SecretText(_bearer(answer, what)), asked + self._life(answer, what)
        value = {_ACCESS: token, "expires": SecretText(expires.isoformat(timespec="seconds"))}
        return Minted(credential=ProviderCredential(id=self.identify(value), expires=_expires(value)), value=value)

    def read_back(self, principal: str) -> Minted | NotReported:
        """A token is shown once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Tokens have no soft off."""
        raise RemoteServiceError(
            f"access tokens of {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the token instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """End a token, or wait until it has ended by itself where the server ends none."""
        value = next((item for item in self._living() if self.identify(item) == credential_id), None)
        endpoints = self._home.server.discover()
        if value is None or self._active(endpoints, value) is False:
            raise NotFoundError(f"{principal} has no living token {credential_id}", remedy="nothing to do")
        if not self._revoked(endpoints, value, principal):
            expires = _expires(value)
            raise RemoteServiceError(
                f"{self._home.server.issuer} ends no tokens: {credential_id} lapses at {expires:%H:%M:%S} UTC",
                remedy="run again then",
                retryable=True,
                retry_after=max(timedelta(), expires - self._clock()),
            )
        self._ended.add(credential_id)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Authorization servers do not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _request(self) -> Answer:
        grant = self._grant
        assert grant.login is not None  # noqa: S101 - narrows for mypy; only an exchange goes without
        return grant.server.request_token(
            grant.server.discover(), grant.login(), scope=grant.scope, audience=grant.audience
        )

    def _exchanged(self, exchange: ServerLogin, subject: SecretText, principal: str) -> Answer:
        """What the second server gives for the subject token. It is presented once: the next run brings a fresh one."""
        what = f"exchanging the token of {principal} at {exchange.server.issuer}"
        answer = self._send(
            what,
            lambda: exchange.server.exchange_token(
                exchange.server.discover(),
                exchange.login() if exchange.login else None,
                subject,
                audience=exchange.audience,
                scope=exchange.scope,
                subject_type=self._subject_type,
            ),
        )
        if answer.status != 200:
            raise _not_exchanged(answer, what)
        issued = answer.text_field("issued_token_type")
        if issued not in _USABLE:
            told = issued if issued.startswith(TOKEN_TYPES) else "none"
            raise RemoteServiceError(
                f"{what}: it issued no access token (issued_token_type: {told})",
                remedy="have the server issue access tokens to this client",
            )
        return answer

    def _life(self, answer: Answer, what: str) -> timedelta:
        """What the server says, else what the spec says, which is then what the server's operator has documented."""
        document = answer.document()
        seconds = document.get("expires_in") if isinstance(document, dict) else None
        if not isinstance(seconds, int | float | str) or not str(seconds).isdecimal():
            return self._lifetime
        life = timedelta(seconds=int(seconds))
        if life < self._lifetime:
            raise RemoteServiceError(
                f"{what} lives {int(seconds)} seconds, less than the declared lifetime",
                remedy=f"set `lifetime: {int(seconds)}s`",
            )
        return life

    def _living(self) -> Iterable[SecretValue]:
        now = self._clock()
        for value in self._stored():
            if _ACCESS in value and _expires(value) > now and self.identify(value) not in self._ended:
                yield value

    def _active(self, endpoints: OAuthEndpoints, value: SecretValue) -> bool | None:
        """What introspection says; None where it is not offered to us."""
        login = self._home.login
        if not endpoints.introspection or login is None:
            return None
        server, what = self._home.server, "introspecting an access token"
        answer = self._send(what, lambda: server.introspect(endpoints, login(), value[_ACCESS]), writes=False)
        document = answer.document()
        said = document.get("active") if answer.status == 200 and isinstance(document, dict) else None
        if isinstance(said, bool):
            return said
        if answer.status in (401, 403):  # this client may ask for tokens, but not about them
            return None
        raise _refusal(answer, what, writes=False)

    def _revoked(self, endpoints: OAuthEndpoints, value: SecretValue, principal: str) -> bool:
        """Whether the server has ended the token; it may refuse to end this type (RFC 7009, 2.2.1)."""
        login = self._home.login
        if not endpoints.revocation or login is None:
            return False
        server, what = self._home.server, f"revoking an access token of {principal}"
        answer = self._send(what, lambda: server.revoke_token(endpoints, login(), value[_ACCESS], hint=_ACCESS))
        if answer.text_field("error") == "unsupported_token_type":
            return False
        if answer.status != 200:
            raise _refusal(answer, what)
        return True

    def _send(self, what: str, call: Callable[[], Answer], *, writes: bool = True) -> Answer:
        try:
            return call()
        except LifecycleError:
            raise
        except Exception as error:
            raise exchange_error(error, what=what, writes=writes) from None


def _expires(value: SecretValue) -> datetime:
    return datetime.fromisoformat(value["expires"].get_secret_value())


def _bearer(answer: Answer, what: str) -> str:
    """The token of an answer, which must be one that a consumer can simply send (RFC 6750)."""
    token, kind = answer.text_field(_ACCESS), answer.text_field("token_type")
    if not token or kind.lower() != "bearer":
        raise RemoteServiceError(
            f"{what}: the answer is no bearer token",
            remedy="register the client for bearer tokens; tokens bound to a key cannot be handed on",
        )
    return token


def _not_exchanged(answer: Answer, what: str) -> LifecycleError:
    told = _NOT_EXCHANGED.get(answer.text_field("error"))
    if told is None or answer.status >= 500:
        return _refusal(answer, what)
    return RemoteServiceError(f"{what}: the server {told}", remedy="compare the spec with the server's configuration")


def _refusal(answer: Answer, what: str, *, writes: bool = True) -> LifecycleError:
    code = answer.text_field("error")
    told = f"{what}: answered {answer.status} {code}".rstrip()
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)
    if answer.status >= 500 and writes:
        return AmbiguousEffectError(told, remedy="run again: another token is asked for")
    if code == "invalid_client" or answer.status in (401, 403):
        return AuthenticationError(told, remedy="check the credential that `client` names: `lifecycle verify`")
    return RemoteServiceError(told, remedy="correct scope and audience", retryable=answer.status >= 500)


_: type[MintingIssuer] = OAuthAccessTokenIssuer

TRAITS = Traits(credential_class=CredentialClass.B, settle=timedelta(seconds=5), request_timeout=timedelta(seconds=30))

KIND = Kind(
    name="oauth_access_token",
    family=Family.ISSUER,
    settings=OAuthAccessTokenSettings,
    summary="Access token by client credentials, exchanged where asked (RFC 8693), replaced at 2/3 of its life.",
    traits=TRAITS,
    references={"client": "credentials", "exchange_client": "credentials"},
)

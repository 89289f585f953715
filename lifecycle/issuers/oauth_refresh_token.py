"""Refresh tokens that the server replaces at each use: class E.

1. A token is presented once. Its answer holds the next one, which exists nowhere else until it is stored.
2. When that answer is lost, presenting the token again is what reuse detection takes for theft: the whole family is
   revoked. So nothing is repeated here, and the driver repeats once only where the server is declared to tolerate it:
   `fapi2` (FAPI 2.0: a client that did not receive the answer may repeat) or `overlap`. A wrong declaration costs the
   family; without one the operation is quarantined and a person authorises again.
3. Servers list no tokens. Where one offers introspection (RFC 7662) it says whether the stored token lives.
4. Retirement revokes the stored token (RFC 7009), and introspection must then call it inactive: a 200 proves nothing.

Prefer client credentials with a signed assertion: this class depends on a single answer at each rotation.

Sources: RFC 6749 section 6, RFC 7009, RFC 7662, RFC 9700 section 4.14; FAPI 2.0 Security Profile.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from lifecycle.clients.oauth import ClientLogin, OAuthClient
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
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import Fingerprint, SecretText, SecretValue
from lifecycle.domain.spec import Duration

_TIMEOUT = timedelta(seconds=30)
_FAPI2_WINDOW = timedelta(hours=1)  # FAPI 2.0 sets no end; a retry comes within minutes or not at all


class OAuthRefreshTokenSettings(KindSettings):
    """A credential of kind `oauth_refresh_token`. Its first token is stored by a person and adopted.

    Attributes:
        client_id: the client that the token was issued to.
        issuer: its authorization server.
        client: the credential of this spec (a client secret or a signing key) with which the client authenticates;
            empty = a public client.
        fapi2: the server tolerates a repeated request of a client that did not receive the answer.
        overlap: how long the previous token is tolerated after its first use; 0s = not declared.
    """

    client_id: str
    issuer: str
    client: str | None = None
    fapi2: bool = False
    overlap: Duration = timedelta()


def traits_of(*, fapi2: bool, overlap: timedelta) -> Traits:
    """The traits that the declared behaviour gives."""
    window = max(overlap, _FAPI2_WINDOW) if fapi2 else overlap
    return Traits(
        credential_class=CredentialClass.E, settle=timedelta(seconds=1), request_timeout=_TIMEOUT, overlap=window
    )


class OAuthRefreshTokenIssuer:
    """Exchanges and revokes the tokens of one family; the principal is the client id.

    Args:
        client: the authorization server.
        login: reads how the client authenticates now.
        fingerprint: names a value without revealing it.
        current: reads the stored value. Raises NotFoundError.
        fapi2: as declared.
        overlap: as declared.
    """

    def __init__(
        self,
        client: OAuthClient,
        login: Callable[[], ClientLogin],
        fingerprint: Callable[[SecretValue], Fingerprint],
        *,
        current: Callable[[], SecretValue],
        fapi2: bool = False,
        overlap: timedelta = timedelta(),
    ) -> None:
        self._client = client
        self._login = login
        self._fingerprint = fingerprint
        self._current = current
        self._traits = traits_of(fapi2=fapi2, overlap=overlap)

    @property
    def traits(self) -> Traits:
        """Class E, with the declared overlap."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """The stored token while the server calls it active; nothing where there is no introspection."""
        try:
            value = self._current()
        except NotFoundError:
            return CompleteListing(principal=principal, credentials=())
        alive = self._active(value)
        found = (ProviderCredential(id=self.identify(value)),) if alive else ()
        return CompleteListing(principal=principal, credentials=found)

    def identify(self, value: SecretValue) -> CredentialId:
        """The keyed fingerprint of client id and token."""
        return CredentialId(self._fingerprint({name: value[name] for name in ("client_id", "refresh_token")}))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Present the token, once."""
        del marker
        if previous is None:
            raise ConfigurationError(
                f"OAuth client {principal} has no refresh token yet",
                remedy="authorise once, store the token, then `lifecycle rotate adopt`",
            )
        what = f"exchanging the refresh token of OAuth client {principal}"
        endpoints = self._client.discover()
        try:
            answer = self._client.refresh(endpoints, self._login(), previous["refresh_token"])
        except LifecycleError:
            raise
        except Exception as error:
            raise exchange_error(error, what=what, writes=True) from None
        if answer.status != 200:
            raise _refusal(answer, what)
        fresh = SecretText(answer.text_field("refresh_token"))
        if not fresh.get_secret_value() or fresh == previous["refresh_token"]:
            raise RemoteServiceError(
                f"{self._client.issuer} does not replace the refresh tokens of {principal}",
                remedy="the stored token goes on; its lifetime is the server's, so take it out of rotation",
            )
        value = {"client_id": SecretText(principal), "refresh_token": fresh}
        return Minted(credential=ProviderCredential(id=self.identify(value)), value=value)

    def read_back(self, principal: str) -> Minted | NotReported:
        """A token is shown once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Tokens have no soft off."""
        raise RemoteServiceError(
            f"refresh tokens of {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the token instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Revoke the stored token; a token that is not stored cannot be named to the server."""
        value = self._current()
        if self.identify(value) != credential_id:
            raise NotFoundError(f"{principal} has no stored refresh token {credential_id}", remedy="nothing to do")
        what = f"revoking the refresh token of OAuth client {principal}"
        endpoints = self._client.discover()
        if not endpoints.revocation:
            raise ConfigurationError(
                f"{self._client.issuer} offers no revocation", remedy="revoke the grant at the server by hand"
            )
        if self._active(value) is False:
            raise NotFoundError(f"the refresh token of {principal} is not active any more", remedy="nothing to do")
        try:
            answer = self._client.revoke_token(endpoints, self._login(), value["refresh_token"])
        except LifecycleError:
            raise
        except Exception as error:
            raise exchange_error(error, what=what, writes=True) from None
        if answer.status != 200:
            raise _refusal(answer, what)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Authorization servers do not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _active(self, value: SecretValue) -> bool | None:
        """What introspection says; None where it is not offered."""
        endpoints = self._client.discover()
        if not endpoints.introspection:
            return None
        what = f"introspecting the refresh token of OAuth client {value['client_id'].get_secret_value()}"
        try:
            answer = self._client.introspect(endpoints, self._login(), value["refresh_token"], hint="refresh_token")
        except LifecycleError:
            raise
        except Exception as error:
            raise exchange_error(error, what=what, writes=False) from None
        document = answer.document()
        if answer.status != 200 or not isinstance(document, dict) or not isinstance(document.get("active"), bool):
            raise _refusal(answer, what, writes=False)
        return bool(document["active"])


def _refusal(answer: Answer, what: str, *, writes: bool = True) -> LifecycleError:
    code = answer.text_field("error")
    told = f"{what}: answered {answer.status} {code}".rstrip()
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)
    if answer.status >= 500 and writes:
        return AmbiguousEffectError(told, remedy="run again: the declared overlap decides whether it is repeated")
    if code == "invalid_client" or answer.status == 401:
        return AuthenticationError(told, remedy="check the credential that `client` names: `lifecycle verify`")
    return RemoteServiceError(told, remedy="authorise again at the provider", retryable=answer.status >= 500)


_: type[MintingIssuer] = OAuthRefreshTokenIssuer

KIND = Kind(
    name="oauth_refresh_token",
    family=Family.ISSUER,
    settings=OAuthRefreshTokenSettings,
    summary="Refresh token that the server replaces at each use; repeated once where that is declared safe.",
    traits=traits_of(fapi2=False, overlap=timedelta()),
    references={"client": "credentials"},
)

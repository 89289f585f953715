"""OAuth 2.0 over plain HTTP: discovery, tokens, introspection, and the management of a client's registration.

Sources: RFC 6749 (tokens), 7662 (introspection), 7592 (registration management), 8693 (exchange), 8414 and OpenID
Connect Discovery.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, exchange_error, retry_after
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.retry import retry_idempotent
from lifecycle.foundation.signed_jwt import load_key, signed_jwt

SecretMethod = Literal["client_secret_basic", "client_secret_post"]
AuthMethod = SecretMethod | Literal["private_key_jwt", "none"]
Audience = Literal["issuer", "token_endpoint"]
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60
TOKEN_TYPES = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - the prefix of names (RFC 8693, section 3)
_METHOD = "token_endpoint_auth_method"
PREVIOUS_EXPIRES = "previous_client_secret_expires_at"
_WELL_KNOWN = ("openid-configuration", "oauth-authorization-server")
# RFC 7592, 2.2: a client must not send these back; the last one is set by hand where it is meant.
_NOT_SENT = frozenset(
    {
        "client_secret",
        "client_secret_expires_at",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
        PREVIOUS_EXPIRES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthEndpoints:
    """Where an authorization server takes which request."""

    issuer: str
    token: str
    introspection: str = ""
    revocation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLogin:
    """A client and how it authenticates.

    Attributes:
        client_id: the client.
        client_secret: of the methods with a secret.
        method: how it authenticates.
        private_key: of `private_key_jwt`: PEM, PKCS 8.
        key_id: of `private_key_jwt`: the key's name in the registered key set.
        audience: of `private_key_jwt`: whom the assertion is addressed to.
    """

    client_id: str
    client_secret: SecretText = field(default=SecretText(""), repr=False)
    method: AuthMethod = "client_secret_basic"
    private_key: SecretText = field(default=SecretText(""), repr=False)
    key_id: str = ""
    audience: Audience = "issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A client's registration as the server shows it.

    Attributes:
        client_id: the client.
        client_secret: its secret; None when the server does not show it.
        access_token: what manages the registration from now on (it changes with updates).
        uri: where it is managed.
        metadata: what an update must send back, since an update replaces everything.
        previous_expires: when the replaced secret ends, seconds since 1970; None when the server does not tell.
    """

    client_id: str
    client_secret: SecretText | None = field(repr=False)
    access_token: SecretText = field(repr=False)
    uri: str
    metadata: Mapping[str, Any]
    previous_expires: int | None = None


class OAuthClient:
    """Requests to one authorization server.

    Args:
        issuer: its issuer identifier, also its base URL.
        web: sends requests; its timeout bounds each.
    """

    def __init__(self, issuer: str, *, web: WebClient | None = None) -> None:
        self.issuer = checked_endpoint(issuer, what="the OAuth issuer")
        self._web = web or WebClient()

    def discover(self, *, deadline: Deadline | None = None) -> OAuthEndpoints:
        """Read the server's metadata.

        Raises:
            RemoteServiceError: it has none, or they are of another issuer.
        """
        try:
            found = self.request_metadata(deadline=deadline)
        except LifecycleError:
            raise
        except Exception as error:
            raise exchange_error(error, what=f"reading the metadata of {self.issuer}", writes=False) from None
        if isinstance(found, Answer):
            raise RemoteServiceError(
                f"{self.issuer} shows no metadata (status {found.status})", remedy="check the issuer", retryable=True
            )
        return found

    def request_metadata(self, *, deadline: Deadline | None = None) -> OAuthEndpoints | Answer:
        """Read the server's metadata, or the last refusal; failed exchanges are let through: for verification.

        Raises:
            RemoteServiceError: they are of another issuer.
        """
        answer = self._web.exchange("GET", f"{self.issuer}/.well-known/{_WELL_KNOWN[0]}", deadline=deadline)
        if answer.status == 404:
            answer = self._web.exchange("GET", f"{self.issuer}/.well-known/{_WELL_KNOWN[1]}", deadline=deadline)
        return self._endpoints(answer) if answer.status == 200 else answer

    def _endpoints(self, answer: Answer) -> OAuthEndpoints:
        # A server that names another issuer is not the one we trust (RFC 8414, 3.3).
        if answer.text_field("issuer").rstrip("/") != self.issuer or not answer.text_field("token_endpoint"):
            raise RemoteServiceError(
                f"{self.issuer} shows the metadata of another server",
                remedy="write the issuer exactly as it names itself",
            )
        introspection = answer.text_field("introspection_endpoint")
        revocation = answer.text_field("revocation_endpoint")
        return OAuthEndpoints(
            issuer=self.issuer,
            token=checked_endpoint(answer.text_field("token_endpoint"), what="the token endpoint"),
            introspection=checked_endpoint(introspection, what="the introspection endpoint") if introspection else "",
            revocation=checked_endpoint(revocation, what="the revocation endpoint") if revocation else "",
        )

    def request_token(
        self,
        endpoints: OAuthEndpoints,
        login: ClientLogin,
        *,
        scope: str = "",
        audience: str = "",
        deadline: Deadline | None = None,
    ) -> Answer:
        """Ask for an access token with the client credentials grant; returns whatever was answered."""
        form = {"grant_type": "client_credentials", **_given(scope=scope, audience=audience)}
        return self._form(endpoints.token, login, form, deadline)

    def introspect(
        self,
        endpoints: OAuthEndpoints,
        login: ClientLogin,
        token: SecretText,
        *,
        hint: str = "access_token",
        deadline: Deadline | None = None,
    ) -> Answer:
        """Ask whether a token is active; returns whatever was answered."""
        form = {"token": token.get_secret_value(), "token_type_hint": hint}
        return self._form(endpoints.introspection, login, form, deadline)

    def exchange_token(
        self,
        endpoints: OAuthEndpoints,
        login: ClientLogin | None,
        token: SecretText,
        *,
        audience: str = "",
        scope: str = "",
        subject_type: str = "access_token",
        deadline: Deadline | None = None,
    ) -> Answer:
        """Exchange a token for one of another audience (RFC 8693); returns whatever was answered.

        Args:
            endpoints: of the server that exchanges.
            login: the client there; None = the subject token alone counts.
            token: the subject token.
            audience: whom the new token is for; empty = the server knows.
            scope: of the new token; empty = the server's default.
            subject_type: what the subject token is: the last part of its URN.
            deadline: bounds the request.
        """
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token.get_secret_value(),
            "subject_token_type": f"{TOKEN_TYPES}{subject_type}",
            **_given(audience=audience, scope=scope),
        }
        return self._form(endpoints.token, login, form, deadline)

    def refresh(self, endpoints: OAuthEndpoints, login: ClientLogin, token: SecretText) -> Answer:
        """Present a refresh token, once; returns whatever was answered."""
        form = {"grant_type": "refresh_token", "refresh_token": token.get_secret_value()}
        return self._form(endpoints.token, login, form, None)

    def revoke_token(
        self, endpoints: OAuthEndpoints, login: ClientLogin, token: SecretText, *, hint: str = "refresh_token"
    ) -> Answer:
        """Revoke a token (RFC 7009); returns whatever was answered. A 200 does not prove that it lived."""
        form = {"token": token.get_secret_value(), "token_type_hint": hint}
        return self._form(endpoints.revocation, login, form, None)

    def _form(self, url: str, login: ClientLogin | None, form: dict[str, str], deadline: Deadline | None) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if login is None:
            return self._web.exchange("POST", url, headers=headers, content=urlencode(form).encode(), deadline=deadline)
        secret = login.client_secret.get_secret_value()
        if login.method == "private_key_jwt":
            form = form | self._assertion(url, login)
        elif login.method == "none":
            form = form | {"client_id": login.client_id}
        elif login.method == "client_secret_basic":
            # RFC 6749, 2.3.1: both halves are form-encoded before they are joined.
            pair = f"{quote_plus(login.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form = form | {"client_id": login.client_id, "client_secret": secret}
        return self._web.exchange("POST", url, headers=headers, content=urlencode(form).encode(), deadline=deadline)

    def _assertion(self, token_endpoint: str, login: ClientLogin) -> dict[str, str]:
        """What stands for a secret: a JWT that the client's key signs (RFC 7523), good for one minute and one use."""
        key, now = load_key(login.private_key, of=f"OAuth client {login.client_id}"), int(time.time())
        claims = {
            "iss": login.client_id,
            "sub": login.client_id,
            "aud": self.issuer if login.audience == "issuer" else token_endpoint,
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        assertion = signed_jwt(claims, key, kid=login.key_id).get_secret_value()
        return {"client_id": login.client_id, "client_assertion_type": _ASSERTION, "client_assertion": assertion}

    def read_registration(self, uri: str, access_token: SecretText) -> Registration:
        """Read a registration back (RFC 7592, 2.1); repeated after faults."""
        return retry_idempotent(lambda: self._manage("GET", uri, access_token, None))

    def update_registration(
        self,
        registration: Registration,
        *,
        keep_secret: SecretText | None = None,
        end_previous_at: int | None = None,
    ) -> Registration:
        """Replace a registration by itself (RFC 7592, 2.2), once; its management token may change.

        Args:
            registration: as it was read.
            keep_secret: the current secret, to keep it; None asks the server for a new one.
            end_previous_at: with `keep_secret`: when the replaced secret shall end, seconds since 1970. An extension
                of some servers, recognised by their showing `previous_client_secret_expires_at`.
        """
        body = {name: item for name, item in registration.metadata.items() if name not in _NOT_SENT}
        method = body.get(_METHOD)
        if isinstance(method, list) and len(method) == 1:
            # A text by RFC 7591; glewlwyd shows a list, refuses one, and without it makes the client a public one.
            body[_METHOD] = method[0]
        if keep_secret is not None:
            body["client_secret"] = keep_secret.get_secret_value()
        if end_previous_at is not None:
            body[PREVIOUS_EXPIRES] = end_previous_at
        return self._manage("PUT", registration.uri, registration.access_token, body)

    def _manage(self, method: str, uri: str, token: SecretText, body: Mapping[str, Any] | None) -> Registration:
        what = f"{method} of the client registration {uri}"
        checked_endpoint(uri, what="the registration_client_uri")
        headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        answer = self._web.call(method, uri, what=what, headers=headers, content=content)
        if answer.status != 200:
            raise _refusal(answer, what, writes=method != "GET")
        return _registration(answer, uri, token, what)


def _given(**parameters: str) -> dict[str, str]:
    """Only those that say something."""
    return {name: text for name, text in parameters.items() if text}


def _registration(answer: Answer, uri: str, token: SecretText, what: str) -> Registration:
    document = answer.document()
    if not isinstance(document, dict) or not isinstance(document.get("client_id"), str):
        raise RemoteServiceError(f"{what}: the answer is no registration", remedy="check the registration_client_uri")
    secret, expires = document.get("client_secret"), document.get(PREVIOUS_EXPIRES)
    fresh = document.get("registration_access_token")
    return Registration(
        client_id=document["client_id"],
        client_secret=SecretText(secret) if isinstance(secret, str) and secret else None,
        access_token=SecretText(fresh) if isinstance(fresh, str) and fresh else token,
        uri=str(document.get("registration_client_uri") or uri),
        metadata={name: item for name, item in document.items() if name not in _NOT_SENT},
        previous_expires=expires if isinstance(expires, int) else None,
    )


def _refusal(answer: Answer, what: str, *, writes: bool) -> LifecycleError:
    told = f"{what}: answered {answer.status} {answer.text_field('error')}".rstrip()
    if answer.status in (401, 403):
        return AuthenticationError(
            told,
            remedy="the registration access token is not the current one (the answer of an update may have been lost): "
            "get a new one from the server's operator and store it again",
        )
    if answer.status == 404:
        return NotFoundError(told, remedy="check the registration_client_uri; the client may have been removed")
    if answer.status == 429:
        return RemoteServiceError(
            told, remedy="run again later", retryable=True, retry_after=retry_after(answer.headers)
        )
    if answer.status >= 500 and writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again, or ask the server's operator", retryable=answer.status >= 500)

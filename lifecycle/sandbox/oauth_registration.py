"""Dynamic client registration (RFC 7591) and its management (RFC 7592) with two overlapping secrets."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.oauth_clients import EXPIRY, bring_forward, checked_metadata, new_client, replace_secret
from lifecycle.sandbox.oauth_errors import NO_STORE, invalid_token, no_token, oauth_error
from lifecycle.sandbox.oauth_state import OAuthState, digest, draw
from lifecycle.sandbox.wsgi import Reply, Route, json_body

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

PATH = "/reg"
_FORBIDDEN = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


class Registration:
    """The registration endpoint.

    Args:
        state: what the double remembers.
        issuer: base URL.
        initial_access_token: opens registration.
        overlap_seconds: how long a replaced secret lives on.
    """

    def __init__(
        self, state: OAuthState, *, issuer: str, initial_access_token: SecretText, overlap_seconds: float
    ) -> None:
        self._state = state
        self._issuer = issuer
        self._initial_access_token = initial_access_token
        self._overlap_seconds = overlap_seconds

    def routes(self) -> list[Route]:
        """Its paths."""
        one = f"{PATH}/<client_id>"
        return [
            Route(method="POST", rule=PATH, handler=self.register),
            Route(method="GET", rule=one, handler=self.read),
            Route(method="PUT", rule=one, handler=self.update),
            Route(method="DELETE", rule=one, handler=self.delete),
        ]

    def register(self, request: Request, _: None) -> Reply:
        """Register a client: 201 with its secret and its registration access token."""
        given, expected = _bearer(request), self._initial_access_token.get_secret_value()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise invalid_token("initial access token not found")
        metadata = checked_metadata(_object(request))
        client_id, token = draw("client"), draw("rat")
        self._state.clients[client_id] = new_client(metadata, now=self._state.clock(), registration_token=token)
        return self._answer(client_id, token, status=201)

    def read(self, request: Request, _: None, client_id: str) -> Reply:
        """Read a client back, its current secret included."""
        self._authenticated(request, client_id)
        return self._answer(client_id, _bearer(request))

    def update(self, request: Request, _: None, client_id: str) -> Reply:
        """Replace the metadata; without `client_secret` the secret too; always the registration access token."""
        client = self._authenticated(request, client_id)
        body = _object(request)
        _check_update(body, client_id, client["client_secret"])
        metadata = checked_metadata(body)
        if "client_secret" in body:
            bring_forward(client, body.get(EXPIRY))
        elif body.get(EXPIRY) is not None:
            raise oauth_error("invalid_client_metadata", f"{EXPIRY} needs the current client_secret beside it")
        else:
            replace_secret(client, now=self._state.clock(), overlap_seconds=self._overlap_seconds)
        token = draw("rat")
        client |= {"metadata": metadata, "registration": digest(token)}
        return self._answer(client_id, token)

    def delete(self, request: Request, _: None, client_id: str) -> Reply:
        """Forget a client; its secrets and tokens end with it."""
        self._authenticated(request, client_id)
        del self._state.clients[client_id]
        self._state.save()
        return Reply(status=204, headers=NO_STORE)

    def _authenticated(self, request: Request, client_id: str) -> dict[str, Any]:
        token = digest(_bearer(request))
        owner = next((name for name, client in self._state.clients.items() if client["registration"] == token), None)
        if owner is None:
            raise invalid_token("registration access token not found")
        if owner != client_id:  # RFC 7592, 3: a token used on another client should be revoked
            self._state.clients[owner]["registration"] = ""
            self._state.save()
            raise invalid_token("client mismatch")
        return self._state.clients[client_id]

    def _answer(self, client_id: str, token: str, *, status: int = 200) -> Reply:
        self._state.save()
        client = self._state.clients[client_id]
        body = client["metadata"] | {
            "client_id": client_id,
            "client_id_issued_at": client["client_id_issued_at"],
            "client_secret": client["client_secret"],
            "client_secret_expires_at": 0,
            "registration_access_token": token,
            "registration_client_uri": f"{self._issuer}{PATH}/{client_id}",
        }
        if client["previous"] is not None:
            body[EXPIRY] = client["previous"]["expires_at"]
        return Reply(status=status, body=body, headers=NO_STORE)


def _check_update(body: dict[str, Any], client_id: str, secret: str) -> None:
    for name in _FORBIDDEN:
        if body.get(name) is not None:
            raise oauth_error("invalid_request", f"request MUST NOT include the {name} field")
    if body.get("client_id") != client_id:
        raise oauth_error("invalid_request", "provided client_id does not match the authenticated client's one")
    if "client_secret" in body and not hmac.compare_digest(str(body["client_secret"]).encode(), secret.encode()):
        raise oauth_error("invalid_request", "provided client_secret does not match the authenticated client's one")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise no_token()
    return token


def _object(request: Request) -> dict[str, Any]:
    return json_body(request, lambda reason: oauth_error("invalid_request", reason))

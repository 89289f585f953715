"""The token endpoint (RFC 6749, 8693), introspection (RFC 7662) and revocation (RFC 7009) of the OAuth double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.oauth_clients import TOKEN_EXCHANGE, authenticated_client
from lifecycle.sandbox.oauth_errors import NO_STORE, oauth_error
from lifecycle.sandbox.oauth_state import OAuthState, digest, draw
from lifecycle.sandbox.wsgi import Reply, Route

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

TOKEN_PATH, INTROSPECTION_PATH, REVOCATION_PATH = "/token", "/token/introspection", "/token/revocation"
_ACCESS_TYPE = "urn:ietf:params:oauth:token-type:access_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTimes:
    """Lifetimes in seconds; `refresh_overlap`: how long a used refresh token may be presented once more."""

    access: float = 600
    refresh: float = 86_400
    refresh_overlap: float = 0


class Tokens:
    """The endpoints that hand out, explain and end tokens.

    Args:
        state: what the double remembers.
        times: lifetimes.
    """

    def __init__(self, state: OAuthState, times: TokenTimes) -> None:
        self._state = state
        self._times = times
        self._grants = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh,
            TOKEN_EXCHANGE: self._exchange,
        }

    def routes(self) -> list[Route]:
        """Their paths."""
        return [
            Route(method="POST", rule=TOKEN_PATH, handler=self.token),
            Route(method="POST", rule=INTROSPECTION_PATH, handler=self.introspect),
            Route(method="POST", rule=REVOCATION_PATH, handler=self.revoke),
        ]

    def token(self, request: Request, _: None) -> Reply:
        """Grant a token."""
        _check_form(request)
        client_id = authenticated_client(request, self._state)
        grant_type = _parameter(request, "grant_type")
        grant = self._grants.get(grant_type)
        if grant is None:
            raise oauth_error("unsupported_grant_type", "unsupported grant_type requested")
        if grant_type not in self._state.clients[client_id]["metadata"]["grant_types"]:
            raise oauth_error("unauthorized_client", "requested grant type is not allowed for this client")
        body = grant(request, client_id)
        self._state.save()
        return Reply(body=body, headers=NO_STORE)

    def introspect(self, request: Request, _: None) -> Reply:
        """Say whether a token is alive; of a dead or unknown one nothing but that."""
        _check_form(request)
        authenticated_client(request, self._state)
        token = _parameter(request, "token")
        found = self._state.live(self._state.access, token)
        kind = "Bearer"
        if found is None:
            found = self._state.live(self._state.refresh, token)
            kind = "refresh_token"
            if found is not None and found["used_at"] is not None:
                found = None
        if found is None:
            return Reply(body={"active": False}, headers=NO_STORE)
        body = {"active": True, "client_id": found["client_id"], "scope": found["scope"], "token_type": kind}
        return Reply(body=body | {"exp": int(found["expires_at"]), "iat": int(found["issued_at"])}, headers=NO_STORE)

    def revoke(self, request: Request, _: None) -> Reply:
        """End a token, and with it its family; 200 also for one that is unknown or another client's."""
        _check_form(request)
        client_id = authenticated_client(request, self._state)
        name = digest(_parameter(request, "token"))
        for tokens in (self._state.access, self._state.refresh):
            found = tokens.get(name)
            if found is not None and found["client_id"] == client_id:
                del tokens[name]
                self._state.kill_family(found["family"])
        self._state.save()
        return Reply(headers=NO_STORE)

    def grant_refresh_token(self, client_id: str, scope: str) -> str:
        """Start a token family, as a person's consent would."""
        token = self._new_refresh(client_id, scope, family=draw("family"))
        self._state.save()
        return token

    def _client_credentials(self, request: Request, client_id: str) -> dict[str, Any]:
        return self._new_access(client_id, self._scope(request, client_id), family="")

    def _refresh(self, request: Request, client_id: str) -> dict[str, Any]:
        presented = _parameter(request, "refresh_token")
        found = self._state.live(self._state.refresh, presented)
        if found is None or found["client_id"] != client_id:
            raise oauth_error("invalid_grant", "refresh token not found")
        now = self._state.clock()
        if found["used_at"] is not None and now >= found["used_at"] + self._times.refresh_overlap:
            self._state.kill_family(found["family"])
            self._state.save()
            raise oauth_error("invalid_grant", "refresh token already used")
        if found["used_at"] is None:
            found["used_at"] = now
        scope = request.form.get("scope", found["scope"])
        if not set(scope.split()) <= set(found["scope"].split()):
            raise oauth_error("invalid_scope", "refresh token missing requested scopes")
        body = self._new_access(client_id, scope, family=found["family"])
        return body | {"refresh_token": self._new_refresh(client_id, found["scope"], family=found["family"])}

    def _exchange(self, request: Request, client_id: str) -> dict[str, Any]:
        subject, kind = _parameter(request, "subject_token"), _parameter(request, "subject_token_type")
        found = self._state.live(self._state.access, subject)
        if kind != _ACCESS_TYPE or found is None:
            raise oauth_error("invalid_request", "subject_token is not a live access token")
        body = self._new_access(client_id, self._scope(request, client_id), family=found["family"])
        return body | {"issued_token_type": _ACCESS_TYPE}

    def _scope(self, request: Request, client_id: str) -> str:
        allowed = self._state.clients[client_id]["metadata"]["scope"]
        wanted = request.form.get("scope", allowed)
        if not set(wanted.split()) <= set(allowed.split()):
            raise oauth_error("invalid_scope", "requested scope is not allowed for this client")
        return str(wanted)

    def _new_access(self, client_id: str, scope: str, *, family: str) -> dict[str, Any]:
        token, now = draw("at"), self._state.clock()
        self._state.access[digest(token)] = {
            "client_id": client_id,
            "scope": scope,
            "family": family,
            "issued_at": now,
            "expires_at": now + self._times.access,
        }
        return {"access_token": token, "token_type": "Bearer", "expires_in": int(self._times.access), "scope": scope}

    def _new_refresh(self, client_id: str, scope: str, *, family: str) -> str:
        token, now = draw("rt"), self._state.clock()
        self._state.refresh[digest(token)] = {
            "client_id": client_id,
            "scope": scope,
            "family": family,
            "issued_at": now,
            "used_at": None,
            "expires_at": now + self._times.refresh,
        }
        return token


def _check_form(request: Request) -> None:
    if request.mimetype != "application/x-www-form-urlencoded":
        raise oauth_error("invalid_request", "only application/x-www-form-urlencoded content-type bodies are supported")
    repeated = [name for name, values in request.form.lists() if len(values) > 1]
    if repeated:
        raise oauth_error("invalid_request", f"{repeated[0]} parameter must not be provided twice")


def _parameter(request: Request, name: str) -> str:
    value = request.form.get(name, "")
    if not value:
        raise oauth_error("invalid_request", f"missing required parameter '{name}'")
    return value

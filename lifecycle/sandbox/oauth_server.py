"""The OAuth 2.0 double as a process of its own: `python -m lifecycle.sandbox.oauth_server --state DIR`.

It does

- `POST /token`: client_credentials, refresh_token, token exchange (RFC 8693, of its own access tokens).
  Client authentication by client_secret_basic or client_secret_post, whichever the client is registered with.
- Refresh tokens rotate. One that was used before kills its whole family (`invalid_grant`, also for the newest), except
  within `refresh_overlap` seconds of its use (default 0).
- `POST /token/introspection` (RFC 7662), `POST /token/revocation` (RFC 7009), discovery (RFC 8414, OpenID).
- `POST /reg` (RFC 7591) with the initial access token, 401 without; `GET`, `PUT`, `DELETE /reg/ID` (RFC 7592) with the
  registration access token:

  - every PUT changes the registration access token; the old one gets 401;
  - PUT without `client_secret`: a new secret; the replaced one stays valid for the overlap, one that was replaced
    earlier ends at once, so never more than two are live;
  - PUT with the current `client_secret`: keeps it; any other value is refused with 400;
  - `previous_client_secret_expires_at` (seconds since 1970; not in the RFC): shown by GET and PUT once a secret was
    replaced; a PUT that keeps the secret may bring it forward (a past time ends the overlap at once), never back;
  - GET reads the current secret back.

  The same as the real provider of the test suite with its two-secret policy, so that one suite judges both.
- `POST /__control__/refresh-tokens` {"client_id", "scope"} with the control token: a refresh token, as after a
  person's consent.

It has no browser flows, no ID tokens, no JWT client authentication, no TLS, no rate limits. State survives a restart.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.bootstrap_file import OAuthBootstrap
from lifecycle.sandbox.control import PREFIX, Control
from lifecycle.sandbox.oauth_clients import AUTH_METHODS, GRANT_TYPES, SCOPES, new_client
from lifecycle.sandbox.oauth_errors import oauth_error
from lifecycle.sandbox.oauth_registration import PATH as REGISTRATION_PATH
from lifecycle.sandbox.oauth_registration import Registration
from lifecycle.sandbox.oauth_state import Clock, OAuthState
from lifecycle.sandbox.oauth_tokens import INTROSPECTION_PATH, REVOCATION_PATH, TOKEN_PATH, Tokens, TokenTimes
from lifecycle.sandbox.server_process import ServerContext, run_server
from lifecycle.sandbox.wsgi import JsonApi, Reply, Route, json_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.wrappers import Request

NAME = "oauth"
OVERLAP_SECONDS = 3600.0
_GRANTS = ["client_credentials", "refresh_token"]


def build(
    context: ServerContext,
    *,
    clock: Clock = time.time,
    overlap_seconds: float = OVERLAP_SECONDS,
    times: TokenTimes | None = None,
) -> WSGIApplication:
    """Make the double.

    Args:
        context: URL, data folder and the bootstrap values it starts with.
        clock: seconds since 1970.
        overlap_seconds: how long a replaced client secret stays valid.
        times: token lifetimes.
    """
    state = OAuthState(context.data_dir / "state.json", clock)
    _provision(state, context.bootstrap.oauth)
    tokens = Tokens(state, times or TokenTimes())
    registration = Registration(
        state,
        issuer=context.url,
        initial_access_token=context.bootstrap.oauth.initial_access_token,
        overlap_seconds=overlap_seconds,
    )
    discovery = _discovery(context.url)
    routes = [
        Route(method="GET", rule=f"/.well-known/{name}", handler=lambda *_: Reply(body=discovery))
        for name in ("openid-configuration", "oauth-authorization-server")
    ]
    api = JsonApi([*routes, *tokens.routes(), *registration.routes()], on_unrouted=_unrouted)
    consent = Route(method="POST", rule=f"{PREFIX}refresh-tokens", handler=_consent(state, tokens))
    return Control(
        api,
        name=NAME,
        instance_id=context.bootstrap.instance_id,
        token=context.bootstrap.control_token,
        extra=[consent],
        lock=api.lock,
    )


def _provision(state: OAuthState, values: OAuthBootstrap) -> None:
    now = state.clock()
    if values.admin_client_id not in state.clients:
        state.clients[values.admin_client_id] = new_client(
            {"token_endpoint_auth_method": "client_secret_basic", "grant_types": _GRANTS, "scope": "read write"},
            now=now,
            registration_token="",
            secret=values.admin_client_secret.get_secret_value(),
        )
        state.clients[values.client_id] = new_client(
            {
                "client_name": values.client_id,
                "token_endpoint_auth_method": "client_secret_basic",
                "grant_types": _GRANTS,
                "scope": "read",
                "redirect_uris": [],
                "response_types": [],
            },
            now=now,
            registration_token=values.registration_access_token.get_secret_value(),
        )
        state.save()


def _consent(state: OAuthState, tokens: Tokens) -> Any:
    def grant(request: Request, _: None) -> Reply:
        body = json_body(request, lambda reason: oauth_error("invalid_request", reason))
        client = state.clients.get(str(body.get("client_id")))
        if client is None:
            raise oauth_error("invalid_request", "no such client", 404)
        scope = str(body.get("scope", client["metadata"]["scope"]))
        return Reply(status=201, body={"refresh_token": tokens.grant_refresh_token(str(body["client_id"]), scope)})

    return grant


def _discovery(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "introspection_endpoint": issuer + INTROSPECTION_PATH,
        "revocation_endpoint": issuer + REVOCATION_PATH,
        "registration_endpoint": issuer + REGISTRATION_PATH,
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "scopes_supported": list(SCOPES),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
    }


def _unrouted(status: int) -> Reply:
    return Reply(status=status, body={"error": "invalid_request", "error_description": "unrecognized route or method"})


def main() -> int:
    """Entry of the process."""
    return run_server(NAME, build)


if __name__ == "__main__":
    raise SystemExit(main())

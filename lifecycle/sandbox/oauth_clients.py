"""Clients of the OAuth double: their metadata, their one or two live secrets, and how they authenticate."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from lifecycle.sandbox.oauth_errors import invalid_client, oauth_error
from lifecycle.sandbox.oauth_state import OAuthState, digest, draw

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

EXPIRY = "previous_client_secret_expires_at"
SCOPES = ("openid", "offline_access", "read", "write")
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name from RFC 8693
GRANT_TYPES = ("client_credentials", "refresh_token", TOKEN_EXCHANGE)
AUTH_METHODS = ("client_secret_basic", "client_secret_post")
_DEFAULTS: Mapping[str, Any] = {
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": "read",
    "redirect_uris": [],
    "response_types": [],
}
_OURS = frozenset(
    {
        "client_id",
        "client_secret",
        "client_secret_expires_at",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
        EXPIRY,
    }
)


def checked_metadata(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a registration, completed by defaults (RFC 7591, 2).

    Raises:
        ReplyError: `invalid_client_metadata`.
    """
    given = {name: value for name, value in wanted.items() if name not in _OURS and value not in (None, "")}
    metadata: dict[str, Any] = dict(_DEFAULTS) | given
    for name in ("grant_types", "redirect_uris", "response_types"):
        if not isinstance(metadata[name], list) or not all(isinstance(item, str) for item in metadata[name]):
            raise oauth_error("invalid_client_metadata", f"{name} must be a list of strings")
    if not metadata["grant_types"] or not set(metadata["grant_types"]) <= set(GRANT_TYPES):
        raise oauth_error("invalid_client_metadata", f"grant_types can be: {', '.join(GRANT_TYPES)}")
    if metadata["token_endpoint_auth_method"] not in AUTH_METHODS:
        raise oauth_error("invalid_client_metadata", f"token_endpoint_auth_method can be: {', '.join(AUTH_METHODS)}")
    scope = metadata["scope"]
    if not isinstance(scope, str) or not set(scope.split()) <= set(SCOPES):
        raise oauth_error("invalid_client_metadata", f"scope can hold: {' '.join(SCOPES)}")
    return metadata


def new_client(metadata: dict[str, Any], *, now: float, registration_token: str, secret: str = "") -> dict[str, Any]:
    """A client as it is remembered; its secret never expires until it is replaced."""
    return {
        "metadata": metadata,
        "client_secret": secret or draw("cs"),
        "client_id_issued_at": int(now),
        "previous": None,
        "registration": digest(registration_token),
    }


def replace_secret(client: dict[str, Any], *, now: float, overlap_seconds: float) -> None:
    """Give a new secret; the replaced one lives on for the overlap, one replaced earlier ends at once."""
    client["previous"] = {"secret": client["client_secret"], "expires_at": math.ceil(now + overlap_seconds)}
    client["client_secret"] = draw("cs")


def bring_forward(client: dict[str, Any], wanted: Any) -> None:
    """Let the overlap end earlier; a time in the past ends it at once.

    Raises:
        ReplyError: `invalid_client_metadata`, the time is none or later than the one that stands.
    """
    previous = client["previous"]
    if previous is None or wanted is None:
        return
    if type(wanted) is not int or not 0 < wanted <= previous["expires_at"]:
        raise oauth_error("invalid_client_metadata", f"{EXPIRY} can only be brought forward")
    previous["expires_at"] = wanted


def authenticated_client(request: Request, state: OAuthState) -> str:
    """The client that authenticates itself at a token, introspection or revocation endpoint.

    Returns:
        Its id.

    Raises:
        ReplyError: `invalid_client` (401), or `invalid_request` if two methods are used at once.
    """
    client_id, secret, method = _presented(request)
    client = state.clients.get(client_id)
    if client is None or not _accepts(client, secret, state.clock()):
        raise invalid_client()
    if client["metadata"]["token_endpoint_auth_method"] != method:
        raise invalid_client()
    return client_id


def _presented(request: Request) -> tuple[str, str, str]:
    header, form = request.headers.get("Authorization", ""), request.form
    if not header:
        return form.get("client_id", ""), form.get("client_secret", ""), "client_secret_post"
    if "client_secret" in form:
        raise oauth_error("invalid_request", "client authentication must only be provided using one mechanism")
    scheme, _, encoded = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_client() from None
    if scheme.lower() != "basic" or not colon:
        raise invalid_client()
    client_id = unquote_plus(user)
    if form.get("client_id", client_id) != client_id:
        raise oauth_error("invalid_request", "mismatch in body and authorization client ids")
    return client_id, unquote_plus(password), "client_secret_basic"


def _accepts(client: Mapping[str, Any], secret: str, now: float) -> bool:
    live = [client["client_secret"]]
    previous = client["previous"]
    if previous is not None and now < previous["expires_at"]:
        live.append(previous["secret"])
    return any([hmac.compare_digest(secret.encode(), known.encode()) for known in live])

"""The error answers of RFC 6749 (5.2), RFC 6750 (3) and RFC 7591 (3.2.2)."""

from __future__ import annotations

from lifecycle.sandbox.wsgi import ReplyError

REALM = "lifecycle-sandbox"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def oauth_error(error: str, description: str, status: int = 400, authenticate: str = "") -> ReplyError:
    """An error of the token, introspection, revocation or registration endpoint.

    Args:
        error: the code that the RFC names.
        description: for the developer.
        status: HTTP status.
        authenticate: the WWW-Authenticate header, where the RFC wants one.
    """
    headers = dict(NO_STORE)
    if authenticate:
        headers["WWW-Authenticate"] = authenticate
    return ReplyError(status, {"error": error, "error_description": description}, headers)


def invalid_client() -> ReplyError:
    """Client authentication failed: 401 with a Basic challenge (RFC 6749, 5.2)."""
    return oauth_error("invalid_client", "client authentication failed", 401, f'Basic realm="{REALM}"')


def invalid_token(description: str) -> ReplyError:
    """A bearer token is unknown, expired or replaced (RFC 6750, 3.1)."""
    challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{description}"'
    return oauth_error("invalid_token", description, 401, challenge)


def no_token() -> ReplyError:
    """No bearer token came along: a bare challenge without an error code (RFC 6750, 3.1)."""
    return ReplyError(401, None, NO_STORE | {"WWW-Authenticate": f'Bearer realm="{REALM}"'})

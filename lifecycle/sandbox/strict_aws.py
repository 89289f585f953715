"""The WSGI shim in front of moto: refuses what AWS refuses and moto does not, before moto sees it.

- An unsigned or presigned request (moto would not check either).
- A key whose status is Inactive: InvalidClientTokenId 403 (query services), UnrecognizedClientException 400 (JSON
  services), AuthFailure 401 (EC2), InvalidAccessKeyId 403 (S3). moto goes on accepting such keys.
- moto's own control pages (`/moto-api`), unless the control token comes along: they show every stored value.
- The header that lets a caller choose another account.

Denials that moto words in XML for JSON services are reworded as AWS words them (400, AccessDeniedException). What
Secrets Manager itself must refuse is in `strict_secrets`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.aws_requests import (
    AwsCaller,
    Protocol,
    RawReply,
    Refusal,
    caller_of,
    protocol_of,
    refusal_reply,
    translate_denial,
)
from lifecycle.sandbox.control import TOKEN_HEADER, is_control_token

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_TOKEN_ENVIRON = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
_LIGHT_SERVICES = frozenset({"s3", "iam", "sts", "secretsmanager", "kms", "dynamodb", "ssm"})
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}
_SEEDING_PATIENCE = 60.0


class StrictAws:
    """The shim.

    Args:
        app: moto.
        is_inactive: whether an access key id exists with status Inactive.
        control_token: opens `/moto-api`.
        seeded: set once the services that load slowly (EC2, ECS) hold their first resources; requests to them wait.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        is_inactive: Callable[[str], bool],
        control_token: SecretText,
        seeded: threading.Event,
    ) -> None:
        self._app = app
        self._is_inactive = is_inactive
        self._control_token = control_token
        self._seeded = seeded
        self._serial = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO", "").startswith("/moto-api"):
            return self._control_page(environ, start_response)
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        caller = caller_of(environ)
        protocol = protocol_of(environ, caller.service if caller else None)
        refusal = self._refusal(caller)
        if refusal is not None or caller is None:
            return _send(refusal_reply(protocol, refusal or Refusal.UNSIGNED), start_response)
        if caller.service not in _LIGHT_SERVICES:
            self._seeded.wait(_SEEDING_PATIENCE)
        return self._forward(caller, protocol, environ, start_response)

    def _control_page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_control_token(environ.get(_TOKEN_ENVIRON), self._control_token):
            return self._app(environ, start_response)
        return _send(refusal_reply(Protocol.S3, Refusal.UNSIGNED), start_response)

    def _refusal(self, caller: AwsCaller | None) -> Refusal | None:
        if caller is None:
            return Refusal.UNSIGNED
        return Refusal.INACTIVE_KEY if self._is_inactive(caller.access_key_id) else None

    def _forward(
        self, caller: AwsCaller, protocol: Protocol, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if protocol is Protocol.S3:
            return self._app(environ, start_response)
        captured = _Captured()
        with self._serial:  # moto checks, then acts, and walks its tables without a lock: one call at a time
            body = captured.run(self._app, environ)
        denied = protocol is Protocol.JSON and captured.status.startswith("403")
        reply = translate_denial(body) if denied else None
        if reply is not None:
            return _send(reply, start_response)
        start_response(captured.status, captured.headers)
        return [body]


class _Captured:
    """Runs an application and keeps its answer."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []

    def run(self, app: WSGIApplication, environ: WSGIEnvironment) -> bytes:
        chunks = app(environ, self._start)
        try:
            return b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _start(self, status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Any:
        self.status, self.headers = status, headers
        return lambda _data: None


def _send(reply: RawReply, start_response: StartResponse) -> Iterable[bytes]:
    headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
    start_response(f"{reply.status} {_REASONS[reply.status]}", headers)
    return [reply.body]

"""The part of every double that is not the product: health, and faults that a test injects.

`GET /__control__/health` is open and names the instance. Everything else under `/__control__/` needs the header
`X-Control-Token` with the control token of `bootstrap.json`:

`POST /__control__/faults` adds a fault, `GET` lists them with how often each has struck, `DELETE` removes all::

    {"method": "POST", "path": "/api/v2/account/apiKeys/*",   what it strikes; * is a shell pattern, default any
     "when": "before" | "after",     after: the effect lands and only the answer is lost; default before
     "status": 503, "body": {...}, "headers": {"Deprecation": "true"}, "retry_after": 2,
     "delay_seconds": 1.5,           sleep first (with neither status nor reset the real answer follows)
     "reset": true,                  close the connection with a TCP reset instead of an answer
     "skip": 0, "times": 1}          let the first `skip` matching requests pass, strike `times`; null: for ever

Faults strike before authentication, as a proxy in front of the real service would.
"""

from __future__ import annotations

import fnmatch
import hmac
import socket
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.wsgi import Handler, JsonApi, Reply, ReplyError, Route, json_body, respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.wrappers import Request

PREFIX = "/__control__/"
HEALTH_PATH = "/__control__/health"
TOKEN_HEADER = "X-Control-Token"  # noqa: S105 - the name of a header
_METHODS = ("GET", "POST", "DELETE")


class Fault(BaseModel):
    """One injected fault; the fields are explained in the module's text."""

    model_config = ConfigDict(extra="forbid")

    method: str = "*"
    path: str = "*"
    when: str = Field(default="before", pattern="^(before|after)$")
    status: int | None = Field(default=None, ge=100, le=599)
    body: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    retry_after: int | None = None
    delay_seconds: float = Field(default=0.0, ge=0, le=600)
    reset: bool = False
    skip: int = Field(default=0, ge=0)
    times: int | None = 1
    struck: int = 0

    def takes(self, method: str, path: str) -> bool:
        """Whether this request is struck; counts it."""
        if not (fnmatch.fnmatchcase(method, self.method) and fnmatch.fnmatchcase(path, self.path)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True

    def reply(self) -> Reply:
        """The answer sent instead of the real one."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        body = self.body if self.body is not None else {"message": "injected fault"}
        return Reply(status=self.status or 500, body=body, headers=headers)


class Control:
    """WSGI wrapper that answers `/__control__/` and lets faults strike everything else.

    Args:
        app: the double.
        name: its name in the instance.
        instance_id: what health names.
        token: the control token.
        extra: further controls of this double, below `/__control__/`.
        lock: the double's own, which its further controls need.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        name: str,
        instance_id: str,
        token: SecretText,
        extra: Iterable[Route] = (),
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._app = app
        faults = [Route(method=method, rule=f"{PREFIX}faults", handler=self._faults_of(method)) for method in _METHODS]
        self._api = JsonApi(
            [*faults, *extra],
            before=self._check_token,
            on_unrouted=lambda status: Reply(status=status, body={"message": "no such control"}),
            lock=lock,
        )
        self._about = {"server": name, "instance": instance_id}
        self._token = token
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "GET")
        if path == HEALTH_PATH and method == "GET":
            return respond(Reply(body=self._about), environ, start_response)
        if path.startswith(PREFIX):
            return self._api(environ, start_response)
        with self._lock:
            fault = next((fault for fault in self._faults if fault.takes(method, path)), None)
        if fault is None:
            return self._app(environ, start_response)
        return self._strike(fault, environ, start_response)

    def _strike(self, fault: Fault, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        time.sleep(fault.delay_seconds)
        if not fault.reset and fault.status is None:
            return self._app(environ, start_response)
        if fault.when == "after":
            for _ in self._app(environ, _swallow):  # the effect happens, the answer is dropped
                pass
        if fault.reset:
            _reset_connection(environ)
        return respond(fault.reply(), environ, start_response)

    def _check_token(self, request: Request) -> None:
        if not is_control_token(request.headers.get(TOKEN_HEADER), self._token):
            raise ReplyError(403, {"message": f"{TOKEN_HEADER} is missing or wrong."})

    def _faults_of(self, method: str) -> Handler:
        def change(request: Request, _: None) -> Reply:
            fault = _parse_fault(request) if method == "POST" else None
            with self._lock:
                if method == "DELETE":
                    self._faults.clear()
                if fault is not None:
                    self._faults.append(fault)
                return Reply(body={"faults": [fault.model_dump() for fault in self._faults]})

        return change


def _parse_fault(request: Request) -> Fault:
    document = json_body(request, lambda reason: ReplyError(422, {"message": reason}))
    try:
        return Fault.model_validate(document)
    except ValidationError as error:
        raise ReplyError(422, {"message": str(error)}) from None


def is_control_token(given: str | None, token: SecretText) -> bool:
    """Compare in constant time."""
    return given is not None and hmac.compare_digest(given.encode(), token.get_secret_value().encode())


def _swallow(_status: str, _headers: list[tuple[str, str]], _error: Any = None, /) -> Any:
    return lambda _data: None


def _reset_connection(environ: WSGIEnvironment) -> None:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() then sends RST
    connection.shutdown(socket.SHUT_RD)
    connection.close()
    raise ConnectionAbortedError("injected reset")

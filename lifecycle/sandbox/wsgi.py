"""The little web frame of the doubles: JSON and form requests in, replies out, routing by werkzeug."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.routing import Map
    from werkzeug.wrappers import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. `body` None means an empty body; everything else is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ReplyError(Exception):
    """Ends a handler at once with this answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.reply = Reply(status=status, body=body, headers=headers or {})


Handler = Callable[..., Reply]
OnUnrouted = Callable[[int], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path rule (werkzeug syntax) with its method and handler."""

    method: str
    rule: str
    handler: Handler


def routes(*rows: tuple[str, str, Handler]) -> list[Route]:
    """A table of routes: method, rule, handler."""
    return [Route(method=method, rule=rule, handler=handler) for method, rule, handler in rows]


class JsonApi:
    """A WSGI application over a table of routes.

    One lock around every handler: the doubles promise the atomicity of the real services, not their speed.

    Args:
        routes: the table.
        on_unrouted: answers 404 and 405.
        before: runs first on every routed request and may raise `ReplyError` (authentication); its result is handed to
            the handler as second argument.
        lock: shared with another application over the same state.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        on_unrouted: OnUnrouted,
        before: Callable[[Request], Any] = lambda _: None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._map, self._handlers = _build_map(routes)
        self._on_unrouted = on_unrouted
        self._before = before
        self.lock: AbstractContextManager[Any] = lock or threading.RLock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        from werkzeug.wrappers import Request

        reply = self._answer(Request(environ))
        return respond(reply, environ, start_response)

    def _answer(self, request: Request) -> Reply:
        from werkzeug.exceptions import HTTPException
        from werkzeug.routing import RequestRedirect

        try:
            endpoint, values = self._map.bind_to_environ(request.environ).match()
        except RequestRedirect:  # the real services redirect too, but a redirect would hide a wrong path
            return self._on_unrouted(404)
        except HTTPException as error:
            return self._on_unrouted(error.code or 404)
        try:
            with self.lock:
                return self._handlers[endpoint](request, self._before(request), **values)
        except ReplyError as error:
            return error.reply


def _build_map(routes: Iterable[Route]) -> tuple[Map, dict[str, Handler]]:
    from werkzeug.routing import Map, Rule

    handlers: dict[str, Handler] = {}
    rules: list[Any] = []
    for route in routes:
        endpoint = f"{route.method} {route.rule}"
        handlers[endpoint] = route.handler
        rules.append(Rule(route.rule, endpoint=endpoint, methods=[route.method], strict_slashes=True))
    return Map(rules), handlers


def respond(reply: Reply, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a reply; JSON with exactly `application/json` as content type, as DataRobot's client needs it."""
    from werkzeug.wrappers import Response

    body = b"" if reply.body is None else json.dumps(reply.body).encode()
    headers = dict(reply.headers)
    if reply.body is not None:
        headers.setdefault("Content-Type", "application/json")
    response = Response(body, status=reply.status, headers=headers)
    if reply.body is None:
        response.headers.pop("Content-Type", None)
    return response(environ, start_response)


def json_body(request: Request, on_error: Callable[[str], ReplyError]) -> dict[str, Any]:
    """The request's JSON object, or the error that `on_error` makes of the reason."""
    try:
        document = json.loads(request.get_data())
    except ValueError:
        raise on_error("The request body is not JSON.") from None
    if not isinstance(document, dict):
        raise on_error("The request body is not a JSON object.")
    return document


def chain(app: WSGIApplication, *wrappers: Callable[[WSGIApplication], WSGIApplication]) -> WSGIApplication:
    """Wrap an application; the first wrapper ends up outermost."""
    for wrap in reversed(wrappers):
        app = wrap(app)
    return app

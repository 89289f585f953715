"""A small DataRobot REST client: bearer token, a deadline per request, complete pages, no repeated writes.

The official client keeps its state in a global, reads only the first page of some lists and prints rejected tokens.
Source: DataRobot REST API v2 conventions (docs.datarobot.com, API reference).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.retry import RetryPolicy, retry_idempotent

_PAGE = 100
_MAX_PAGES = 1000


class DataRobotClient:
    """One identity at one installation.

    Args:
        endpoint: ends in /api/v2.
        token: an API key.
        web: sends requests; its timeout bounds each.
        retry: for reading requests only.
    """

    def __init__(
        self,
        endpoint: str,
        token: SecretText,
        *,
        web: WebClient | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.endpoint = checked_endpoint(endpoint, what="the DataRobot endpoint")
        self._token = token
        self._web = web or WebClient(timeout=timedelta(seconds=30))
        self._retry = retry or RetryPolicy()

    def get(self, path: str) -> Any:
        """Read one object; repeated after throttling and faults."""
        return retry_idempotent(lambda: self._call("GET", path), policy=self._retry)

    def list_all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read every page. Raises RemoteServiceError rather than return a part."""
        found: list[dict[str, Any]] = []
        for _ in range(_MAX_PAGES):
            page = self.get(f"{path}?{urlencode({**query, 'offset': len(found), 'limit': _PAGE})}")
            # `next` is an absolute URL of the server's choice: it says that there is more, and is never followed.
            if not isinstance(page, dict) or not isinstance(page.get("data"), list) or "next" not in page:
                raise _odd(path)
            found.extend(page["data"])
            if page["next"] is None:
                return found
            if not page["data"]:
                break
        raise _odd(path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create something, once. Raises AmbiguousEffectError when the answer was lost."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something, once."""
        return self._call("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete something, once. Raises NotFoundError when it is gone."""
        self._call("DELETE", path)

    def through(self, proxy: str) -> DataRobotClient:
        """The same identity from another network position; itself where no proxy is named."""
        if not proxy:
            return self
        return DataRobotClient(self.endpoint, self._token, web=WebClient(proxy=proxy), retry=self._retry)

    def exchange(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, deadline: Deadline | None = None
    ) -> Answer:
        """Send one request and return whatever was answered, untranslated: for verification."""
        headers = self._headers()
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return self._web.exchange(method, self.endpoint + path, headers=headers, content=content, deadline=deadline)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.get_secret_value()}", "Accept": "application/json"}

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        what = f"DataRobot {method} {path.partition('?')[0]}"
        headers = self._headers()
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        answer = self._web.call(method, self.endpoint + path, what=what, headers=headers, content=content)
        if answer.status >= 300:
            raise _refusal(answer, what, writes=method != "GET")
        return answer.document()


def _refusal(answer: Answer, what: str, *, writes: bool) -> LifecycleError:
    """Translate an error answer. Its message is left out: it may repeat what was sent."""
    told = f"{what}: answered {answer.status} (request {answer.headers.get('x-request-id', 'unknown')})"
    if answer.status == 401:
        return AuthenticationError(told, remedy="check that the API key is live and its user active and not expired")
    if answer.status == 403:
        return AuthenticationError(told, remedy="give this user the role or entitlement that the call needs")
    if answer.status == 404:
        return NotFoundError(told, remedy="check the id; an object may also be hidden from this user")
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)
    return _failed(told, answer.status, writes=writes)


def _failed(told: str, status: int, *, writes: bool) -> LifecycleError:
    if status < 500:
        return RemoteServiceError(told, remedy="look the request id up in DataRobot's log")
    if writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again", retryable=True)


def _odd(path: str) -> RemoteServiceError:
    return RemoteServiceError(
        f"DataRobot GET {path}: the list is not paginated as documented",
        remedy="check the API version: lifecycle is made for 2.49",
    )

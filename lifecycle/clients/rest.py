"""JSON administration APIs behind an `Authorization` header: Graph, Azure Resource Manager, Okta, Databricks.

They differ in where an error code stands and which header names the request; that is what `Service` says. Reads are
repeated after throttling and faults, writes never. What comes without the vendor's form judges nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

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
from lifecycle.foundation.retry import RetryPolicy, retry_idempotent

_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One vendor's API.

    Attributes:
        name: for messages.
        request_id: the response header that names a request.
        code: path to the error code in a refusal's body.
        login: what to do when the login is refused (401).
        rights: what to do when it lacks a right (403).
    """

    name: str
    request_id: str
    code: tuple[str, ...]
    login: str
    rights: str

    def code_of(self, answer: Answer) -> str:
        """The vendor's error code; empty when there is none. Messages are left out: they may repeat what was sent."""
        found = answer.document()
        for name in self.code:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, str) and _CODE.fullmatch(found) else ""

    def spoke(self, answer: Answer) -> bool:
        """Whether a refusal is the vendor's own, and not of something in between."""
        return bool(self.code_of(answer) or answer.headers.get(self.request_id))


class RestClient:
    """One identity at one API.

    Args:
        base: base URL.
        service: whose API it is.
        authorization: gives the `Authorization` header, before each request.
        web: sends requests; its timeout bounds each.
        retry: for reading requests only.
    """

    def __init__(
        self,
        base: str,
        service: Service,
        authorization: Callable[[], SecretText],
        *,
        web: WebClient | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.base = checked_endpoint(base, what=f"the address of {service.name}")
        self.service = service
        self._authorization = authorization
        self._web = web or WebClient()
        self._retry = retry or RetryPolicy()

    def read(self, path: str, *, what: str, method: str = "GET") -> Mapping[str, Any]:
        """Read one JSON object; repeated after throttling and faults.

        Args:
            path: below the base, with its query.
            what: says in messages what was attempted.
            method: some vendors read by POST.
        """
        document = retry_idempotent(lambda: self._read(method, path, what), policy=self._retry).document()
        if not isinstance(document, Mapping):
            raise self._odd(what)
        return document

    def read_list(self, path: str, *, what: str) -> list[Mapping[str, Any]]:
        """Read a JSON array that is never paged; refused if the answer says that there is more."""
        answer = retry_idempotent(lambda: self._read("GET", path, what), policy=self._retry)
        document = answer.document()
        if not isinstance(document, list) or 'rel="next"' in answer.headers.get("link", ""):
            raise self._odd(what)
        return [item for item in document if isinstance(item, Mapping)]

    def write(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str, judged: Collection[int] = ()
    ) -> Answer:
        """Change something, once.

        Args:
            method: HTTP method.
            path: below the base.
            body: sent as JSON; None = no body.
            what: says in messages what was attempted.
            judged: refusals with these statuses are returned to the caller, if the vendor spoke them.

        Raises:
            AmbiguousEffectError: the answer was lost, or the service failed while it worked.
        """
        answer = self._send(method, path, body, what)
        if answer.status < 300 or (answer.status in judged and self.service.spoke(answer)):
            return answer
        raise self.refusal(answer, what, writes=True)

    def refusal(self, answer: Answer, what: str, *, writes: bool) -> LifecycleError:
        """Translate an answer that is no success."""
        service = self.service
        named = answer.headers.get(service.request_id, "unknown")
        told = f"{what}: {service.name} answered {answer.status} {service.code_of(answer)}".rstrip()
        told = f"{told} (request {named})"
        if answer.status == 429 or answer.status >= 500:
            return _for_now(answer, told, writes=writes)
        if not service.spoke(answer):
            return RemoteServiceError(
                f"{what}: answered {answer.status}, and not by {service.name}",
                remedy="look for a proxy or firewall that answers in its place",
            )
        if answer.status in (401, 403):
            return AuthenticationError(told, remedy=service.login if answer.status == 401 else service.rights)
        if answer.status == 404:
            return NotFoundError(told, remedy="check the id; it may also be hidden from this identity")
        return RemoteServiceError(told, remedy=f"look the request up in the log of {service.name}")

    def _read(self, method: str, path: str, what: str) -> Answer:
        answer = self._send(method, path, None, what)
        if answer.status >= 300:
            raise self.refusal(answer, what, writes=False)
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, what: str) -> Answer:
        headers = {"Authorization": self._authorization().get_secret_value(), "Accept": "application/json"}
        content = b"" if method == "POST" else None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return self._web.call(method, self.base + path, what=what, headers=headers, content=content)

    def _odd(self, what: str) -> RemoteServiceError:
        return RemoteServiceError(
            f"{what}: the answer is not as {self.service.name} documents it", remedy="check the address in the spec"
        )


def _for_now(answer: Answer, told: str, *, writes: bool) -> LifecycleError:
    """Throttled, which made nothing, or failed, after which a write may have landed."""
    if answer.status == 429:
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=_wait(answer))
    if writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again", retryable=True, retry_after=_wait(answer))


def _wait(answer: Answer) -> timedelta | None:
    """How long the service asks to wait: Retry-After, else Okta's X-Rate-Limit-Reset, by the service's own clock."""
    now = _date(answer)
    asked = retry_after(answer.headers, now)
    reset = answer.headers.get("x-rate-limit-reset", "")
    if asked is not None or now is None or not reset.isdigit():
        return asked
    return max(timedelta(), datetime.fromtimestamp(int(reset), UTC) - now)


def _date(answer: Answer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None

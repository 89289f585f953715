"""A small Kubernetes API client: read an object, apply part of one server-side, never by force.

Server-side apply makes the API server keep who owns which field: what we leave out and owned before is removed, what
another manager owns is refused.

Source: Kubernetes API concepts, "Server-Side Apply"; API conventions, "Response Status Kind".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    LostRaceError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.retry import RetryPolicy, retry_idempotent

_REFUSALS: Mapping[int, tuple[type[LifecycleError], str]] = {
    401: (AuthenticationError, "check that the token is live and of this cluster"),
    403: (AuthenticationError, "give this service account get and patch on the object (RBAC)"),
    404: (NotFoundError, "check name and namespace"),
}
_MANAGER = re.compile(r'conflict with "([A-Za-z0-9_./ -]{1,128})"')


class KubernetesClient:
    """One identity at one API server.

    Args:
        server: base URL.
        token: gives the bearer token, before each request: mounted ones are renewed.
        web: sends requests.
        retry: for reading requests only.
    """

    def __init__(
        self, server: str, token: Callable[[], SecretText], *, web: WebClient, retry: RetryPolicy | None = None
    ) -> None:
        self._server = checked_endpoint(server, what="the address of the Kubernetes API")
        self._token = token
        self._web = web
        self._retry = retry or RetryPolicy()

    def get(self, path: str) -> Mapping[str, Any]:
        """Read one object. Raises NotFoundError."""
        what = f"Kubernetes GET {path}"
        return retry_idempotent(lambda: self._object("GET", path, what), policy=self._retry)

    def apply(self, path: str, body: Mapping[str, Any], *, manager: str) -> Mapping[str, Any]:
        """Apply our fields of one object, once; made when it is not there.

        Args:
            path: of the object.
            body: our fields; with `metadata.resourceVersion` it is refused when the object has changed since.
            manager: as whom the fields are owned.

        Raises:
            SlotOccupiedError: another manager owns a field; nothing was changed.
            LostRaceError: the object has changed.
        """
        query = urlencode({"fieldManager": manager, "fieldValidation": "Strict"})
        return self._object("PATCH", f"{path}?{query}", f"Kubernetes apply {path}", body)

    def _object(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._token().get_secret_value()}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"  # JSON is YAML
            content = json.dumps(body).encode()
        answer = self._web.call(method, self._server + path, what=what, headers=headers, content=content)
        document = answer.document()
        if answer.status >= 300:
            raise _refusal(answer, what, writes=method != "GET")
        if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
            raise RemoteServiceError(
                f"{what}: the answer is no Kubernetes object", remedy="check the address of the API server in the spec"
            )
        return document


def _refusal(answer: Answer, what: str, *, writes: bool) -> LifecycleError:
    """Translate a Status. Its message is left out: it may repeat what was sent."""
    told = f"{what}: answered {answer.status} {_word(answer.text_field('reason'))}".rstrip()
    if answer.status in _REFUSALS:
        made, remedy = _REFUSALS[answer.status]
        return made(told, remedy=remedy)
    if answer.status == 409:
        return _conflict(answer, what)
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)
    return _failed(told, answer.status, writes=writes)


def _failed(told: str, status: int, *, writes: bool) -> LifecycleError:
    if status < 500:
        return RemoteServiceError(told, remedy="look the request up in the audit log of the API server")
    if writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again", retryable=True)


def _conflict(answer: Answer, what: str) -> LifecycleError:
    owners = sorted({owner for cause in _causes(answer) for owner in _MANAGER.findall(cause)})
    if owners:
        return SlotOccupiedError(
            f"{what}: {', '.join(owners)} owns a field that would be changed",
            remedy="take the field out of what that manager applies, or name another object",
        )
    return LostRaceError(f"{what}: the object was changed meanwhile", remedy="run again: it is read anew")


def _causes(answer: Answer) -> list[str]:
    document = answer.document()
    details = document.get("details") if isinstance(document, dict) else None
    causes = details.get("causes") if isinstance(details, dict) else None
    found = causes if isinstance(causes, list) else []
    return [str(cause.get("message", "")) for cause in found if isinstance(cause, dict)]


def _word(text: str) -> str:
    return text if text.isalpha() else ""

"""Small JSON calls to servers on 127.0.0.1: no proxy, no redirects, no heavy client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackAnswer:
    """Status and JSON object of an answer; an answer that is no JSON object reads as an empty one."""

    status: int
    document: Mapping[str, Any]


def call(
    method: str, url: str, body: Mapping[str, Any] | None = None, *, token: str | None = None, timeout: float = 5.0
) -> LoopbackAnswer | None:
    """Send one request.

    Args:
        method: HTTP method.
        url: of a server on 127.0.0.1.
        body: JSON object to send.
        token: Vault token to send along.
        timeout: seconds for each of connect and read.

    Returns:
        The answer, or None when nobody answers.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    headers = {"X-Vault-Token": token} if token else {}
    try:
        connection.request(method, parts.path or "/", None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    try:
        document = json.loads(text) if text else {}
    except ValueError:
        document = {}
    return LoopbackAnswer(status=response.status, document=document if isinstance(document, dict) else {})

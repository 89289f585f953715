"""Plain HTTP exchanges with a deadline that really ends them, verified TLS and no redirects.

httpx limits each read, not the whole answer: a server that sends a byte now and then holds a caller for ever. Here the
body is read in pieces against one deadline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.clients.endpoints import is_loopback
from lifecycle.clients.transport import nothing_was_sent, transport_reason
from lifecycle.domain.errors import AmbiguousEffectError, LifecycleError, RemoteServiceError, UnreachableError
from lifecycle.foundation.deadline import Deadline

if TYPE_CHECKING:
    import ssl

    import httpx

_CONNECT_SECONDS = 6.0
_MAX_BODY = 8 * 1024 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class AnswerTooSlowError(TimeoutError):
    """The whole answer did not arrive in time. Caught inside clients and connectors only."""


class AnswerTooLongError(OSError):
    """The answer is longer than anything we ask for. Caught inside clients and connectors only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete response. The body may hold a secret, so it never shows."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def document(self) -> Any:
        """The JSON body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def text_field(self, name: str) -> str:
        """A text member of a JSON object body; empty when there is none."""
        document = self.document()
        value = document.get(name) if isinstance(document, dict) else None
        return value if isinstance(value, str) else ""


class WebClient:
    """Sends requests to one kind of target.

    Args:
        timeout: upper bound of one exchange, from connecting to the last byte.
        ca_file: trust only this authority; empty = the system's.
        proxy: an http proxy URL without a login; empty = the environment's, or none for this machine.
    """

    def __init__(self, *, timeout: timedelta = timedelta(seconds=30), ca_file: str = "", proxy: str = "") -> None:
        self.timeout = timeout
        self._ca_file = ca_file
        self._proxy = proxy

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Send one request, once, and read the whole answer, whatever its status.

        Raises:
            httpx.HTTPError, OSError (AnswerTooSlowError, AnswerTooLongError among them): see `transport_reason`;
                callers translate.
        """
        deadline = deadline or Deadline.after(self.timeout)
        with self._client(url, deadline) as client:
            request = client.build_request(method, url, headers=dict(headers or {}), content=content)
            response = client.send(request, stream=True)
            try:
                return Answer(status=response.status_code, headers=response.headers, body=_read(response, deadline))
            finally:
                response.close()

    def call(self, method: str, url: str, *, what: str, **options: Any) -> Answer:
        """As `exchange`, but failures are errors of ours.

        Args:
            method: HTTP method; anything but GET, HEAD and OPTIONS may have landed when its answer is lost.
            url: target.
            what: says in messages what was attempted, without values.
            options: as for `exchange`.

        Raises:
            UnreachableError: nothing was sent.
            AmbiguousEffectError: a writing request was sent and its answer lost.
            RemoteServiceError: a reading request failed; retryable.
        """
        try:
            return self.exchange(method, url, **options)
        except Exception as error:
            raise exchange_error(error, what=what, writes=method not in _SAFE_METHODS) from None

    def _client(self, url: str, deadline: Deadline) -> httpx.Client:
        import httpx

        environment = not is_loopback(url) and not self._proxy
        timeout = httpx.Timeout(deadline.cap(deadline.seconds_left), connect=deadline.cap(_CONNECT_SECONDS))
        return httpx.Client(
            timeout=timeout,
            verify=_trust(self._ca_file, environment=environment),
            proxy=self._proxy or None,
            trust_env=environment,
            follow_redirects=False,  # a redirect would carry the Authorization header where nobody reviewed it
        )


def _trust(ca_file: str, *, environment: bool) -> ssl.SSLContext:
    """Whom to trust, read once: reading the authorities takes longer than the whole rest of an exchange.

    A replaced file is read again, and the system's authorities when the environment names others.
    """
    import ssl

    if not ca_file:
        return _system_trust(ssl.get_default_verify_paths(), environment)
    found = Path(ca_file).stat()
    return _private_trust(ca_file, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(maxsize=8)
def _system_trust(paths: object, environment: bool) -> ssl.SSLContext:
    import httpx

    del paths  # part of the key: SSL_CERT_FILE and SSL_CERT_DIR change it
    return httpx.create_ssl_context(trust_env=environment)


@lru_cache(maxsize=64)
def _private_trust(ca_file: str, version: tuple[int, int, int]) -> ssl.SSLContext:
    import ssl

    del version  # part of the key: a replaced file is read again
    return ssl.create_default_context(cafile=ca_file)


def _read(response: httpx.Response, deadline: Deadline) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _MAX_BODY:
            raise AnswerTooLongError("the answer is too long")
        if deadline.passed:
            raise AnswerTooSlowError("the answer took too long")
        parts.append(part)
    return b"".join(parts)


def exchange_error(error: Exception, *, what: str, writes: bool) -> LifecycleError:
    """Translate a failed exchange of httpx, requests or botocore; the caller raises it `from None`."""
    reason = transport_reason(error)
    if nothing_was_sent(error):
        return UnreachableError(
            f"{what}: {reason}" if str(reason) != "ambiguous" else f"{what}: no connection",
            remedy="check the address, the network path and the proxy, then run again",
        )
    if writes:
        return AmbiguousEffectError(
            f"{what}: the request was sent and its answer lost ({type(error).__name__})",
            remedy="run again: the effect is looked up before anything is repeated",
        )
    return RemoteServiceError(f"{what}: {reason} ({type(error).__name__})", remedy="run again", retryable=True)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> timedelta | None:
    """How long a Retry-After header asks to wait; None when it does not ask.

    Args:
        headers: of the answer.
        now: for the form with a date; without it such a header counts as absent.
    """
    value = headers.get("Retry-After", headers.get("retry-after", "")).strip()
    if value.isdigit():
        return timedelta(seconds=int(value))
    if not value or now is None:
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(timedelta(), at.astimezone(UTC) - now)

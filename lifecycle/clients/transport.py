"""Reads why an exchange failed below the protocol: name, connection, TLS, time. For httpx, requests and botocore alike.

All of them chain the operating system's error somewhere; this module finds it by walking causes, contexts and
arguments, and never looks at message texts that could hold a request.

Source: OpenSSL x509_vfy.h (verification codes), Python ssl and socket documentation.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from lifecycle.domain.verification import Reason

_TLS_REASONS = {
    10: Reason.TLS_EXPIRED,  # certificate has expired
    9: Reason.CLOCK_SKEW,  # not yet valid: our own clock first
    18: Reason.TLS_UNKNOWN_ISSUER,
    19: Reason.TLS_UNKNOWN_ISSUER,
    20: Reason.TLS_UNKNOWN_ISSUER,
    21: Reason.TLS_UNKNOWN_ISSUER,
    62: Reason.TLS_NAME_MISMATCH,
    64: Reason.TLS_NAME_MISMATCH,  # IP address mismatch
}
_ALERTS = {
    "WRONG_VERSION_NUMBER": Reason.TLS_NOT_SPOKEN,  # a plain port
    "CERTIFICATE_REQUIRED": Reason.NOT_CONFIGURED,  # it wants one of ours, and none was presented
}
_VERSION_ALERTS = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "VERSION_TOO_LOW")
_CONNECT_TIMEOUTS = frozenset({"ConnectTimeout", "ConnectTimeoutError", "PoolTimeout"})
_READ_TIMEOUTS = frozenset({"ReadTimeout", "ReadTimeoutError", "WriteTimeout"})
_PROXY = frozenset({"ProxyError", "ProxyConnectionError"})


def transport_reason(error: BaseException) -> Reason:
    """Classify a failed exchange; `AMBIGUOUS` when nothing in the chain tells."""
    chain = tuple(_chain(error))
    for item in chain:
        reason = _exact(item)
        if reason is not None:
            return reason
    names = {type(item).__name__ for item in chain}
    if names & _PROXY:
        return Reason.PROXY_REFUSED
    if names & _CONNECT_TIMEOUTS:
        return Reason.TIMEOUT_CONNECT
    if names & _READ_TIMEOUTS or any(isinstance(item, TimeoutError) for item in chain):
        return Reason.TIMEOUT_READ
    return Reason.AMBIGUOUS


def nothing_was_sent(error: BaseException) -> bool:
    """Whether the failure came before any byte of the request left, so that the call cannot have landed."""
    if transport_reason(error) in _BEFORE_SENDING:
        return True
    return any(type(item).__name__ in _BEFORE_NAMES for item in _chain(error))


_BEFORE_SENDING = frozenset(
    {
        Reason.NAME_NOT_RESOLVED,
        Reason.CONNECTION_REFUSED,
        Reason.TLS_EXPIRED,
        Reason.TLS_UNKNOWN_ISSUER,
        Reason.TLS_NAME_MISMATCH,
        Reason.TLS_NOT_SPOKEN,
        Reason.CLOCK_SKEW,
        Reason.TIMEOUT_CONNECT,
        Reason.PROXY_REFUSED,
    }
)
_BEFORE_NAMES = frozenset({"ConnectError", "NewConnectionError", "EndpointConnectionError", "SSLCertVerificationError"})


def _exact(error: BaseException) -> Reason | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _TLS_REASONS.get(error.verify_code, Reason.TLS_UNKNOWN_ISSUER)
    if isinstance(error, ssl.SSLError):
        alert = (error.reason or "").upper()
        if any(name in alert for name in _VERSION_ALERTS):
            return Reason.VERSION_NOT_SUPPORTED
        return next((reason for name, reason in _ALERTS.items() if name in alert), None)
    if isinstance(error, socket.gaierror) or type(error).__name__ == "NameResolutionError":
        return Reason.NAME_NOT_RESOLVED
    if isinstance(error, ConnectionRefusedError):
        return Reason.CONNECTION_REFUSED
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Everything an exception was raised from, in whatever way its library keeps it; each item once."""
    waiting, seen = [error], set[int]()
    while waiting:
        item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        waiting.extend(_linked(item))


def _linked(error: BaseException) -> list[BaseException]:
    linked: list[object] = [error.__cause__, error.__context__, *error.args]
    linked.append(getattr(error, "reason", None))  # urllib3.MaxRetryError
    linked.append(getattr(error, "inner_exception", None))  # azure.core
    keywords = getattr(error, "kwargs", None)  # botocore keeps the cause there
    if isinstance(keywords, dict):
        linked.append(keywords.get("error"))
    return [item for item in linked if isinstance(item, BaseException)]

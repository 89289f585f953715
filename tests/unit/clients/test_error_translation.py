import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import botocore.exceptions
import httpx
import hvac.exceptions
import pytest
import requests

from lifecycle.clients.aws import AwsClients, AwsConnection, aws_errors
from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.transport import nothing_was_sent, transport_reason
from lifecycle.clients.vault import vault_error
from lifecycle.clients.web import exchange_error, retry_after
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    LostRaceError,
    NotFoundError,
    RemoteServiceError,
    UnreachableError,
)
from lifecycle.domain.verification import Reason

CANARY = "canary-in-the-body"


def _caused(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


def _verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "reason", "unsent"),
    [
        (_caused(httpx.ConnectError("x"), socket.gaierror(-2, "x")), Reason.NAME_NOT_RESOLVED, True),
        (_caused(httpx.ConnectError("x"), ConnectionRefusedError()), Reason.CONNECTION_REFUSED, True),
        (requests.ConnectionError(_verification(10)), Reason.TLS_EXPIRED, True),
        (_caused(httpx.ConnectError("x"), _verification(62)), Reason.TLS_NAME_MISMATCH, True),
        (_caused(httpx.ConnectError("x"), _verification(19)), Reason.TLS_UNKNOWN_ISSUER, True),
        (_caused(httpx.ConnectError("x"), _verification(9)), Reason.CLOCK_SKEW, True),
        (httpx.ConnectTimeout("x"), Reason.TIMEOUT_CONNECT, True),
        (httpx.ReadTimeout("x"), Reason.TIMEOUT_READ, False),
        (requests.ReadTimeout("x"), Reason.TIMEOUT_READ, False),
        (httpx.ProxyError("x"), Reason.PROXY_REFUSED, True),
        (httpx.RemoteProtocolError("x"), Reason.AMBIGUOUS, False),
        (
            botocore.exceptions.EndpointConnectionError(endpoint_url="x", error=ConnectionRefusedError()),
            Reason.CONNECTION_REFUSED,
            True,
        ),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), Reason.TIMEOUT_READ, False),
    ],
)
def test_failed_exchanges_are_classified(error: Exception, reason: Reason, unsent: bool) -> None:
    assert transport_reason(error) is reason
    assert nothing_was_sent(error) is unsent


def test_lost_answer_is_ambiguous_for_writes_only() -> None:
    lost = httpx.ReadTimeout(CANARY)
    assert isinstance(exchange_error(lost, what="x", writes=True), AmbiguousEffectError)
    read = exchange_error(lost, what="x", writes=False)
    assert isinstance(read, RemoteServiceError)
    assert read.retryable
    assert CANARY not in f"{read}{read.remedy}"
    assert isinstance(exchange_error(httpx.ConnectTimeout("x"), what="x", writes=True), UnreachableError)


def _client_error(code: str, status: int) -> botocore.exceptions.ClientError:
    response = {"Error": {"Code": code, "Message": CANARY}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(response, "Operation")  # type: ignore[arg-type]  # the parts that are read


def _aws(error: Exception, *, writes: bool = False) -> LifecycleError:
    with pytest.raises(LifecycleError) as caught, aws_errors("reading x", writes=writes):
        raise error
    assert CANARY not in f"{caught.value}{caught.value.remedy}"
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "expected", "retryable"),
    [
        ("InvalidClientTokenId", 403, AuthenticationError, None),
        ("AccessDeniedException", 400, AuthenticationError, None),
        ("403", 403, AuthenticationError, None),
        ("ThrottlingException", 400, RemoteServiceError, True),
        ("SlowDown", 503, RemoteServiceError, True),
        ("ResourceNotFoundException", 400, NotFoundError, False),
        ("NoSuchEntity", 404, NotFoundError, False),
        ("InternalServiceError", 500, RemoteServiceError, True),
        ("InvalidParameterException", 400, RemoteServiceError, False),
    ],
)
def test_aws_answers(code: str, status: int, expected: type[LifecycleError], retryable: bool | None) -> None:
    error = _aws(_client_error(code, status))
    assert type(error) is expected
    assert getattr(error, "retryable", None) is retryable


def test_aws_fault_is_ambiguous_for_writes() -> None:
    assert isinstance(_aws(_client_error("InternalServiceError", 500), writes=True), AmbiguousEffectError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (botocore.exceptions.NoCredentialsError(), AuthenticationError),
        (botocore.exceptions.ParamValidationError(report=CANARY), RemoteServiceError),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x", error=OSError()), UnreachableError),
    ],
)
def test_aws_without_an_answer(error: Exception, expected: type[LifecycleError]) -> None:
    assert type(_aws(error)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (hvac.exceptions.InvalidRequest(errors=["check-and-set parameter did not match"]), LostRaceError),
        (hvac.exceptions.InvalidRequest(errors=["invalid role or secret ID"]), AuthenticationError),
        (hvac.exceptions.InvalidRequest(errors=[CANARY]), RemoteServiceError),
        (hvac.exceptions.Forbidden(errors=["permission denied"]), AuthenticationError),
        (hvac.exceptions.Forbidden(), RemoteServiceError),
        (hvac.exceptions.InvalidPath(), NotFoundError),
        (hvac.exceptions.VaultDown(errors=["Vault is sealed"]), RemoteServiceError),
        (hvac.exceptions.InternalServerError(errors=[CANARY]), AmbiguousEffectError),
        (hvac.exceptions.BadGateway(), AmbiguousEffectError),
    ],
)
def test_vault_answers_to_a_write(error: hvac.exceptions.VaultError, expected: type[LifecycleError]) -> None:
    translated = vault_error(error, what="writing x", writes=True)
    assert type(translated) is expected
    assert CANARY not in f"{translated}{translated.remedy}"


@pytest.mark.parametrize("name", ["VaultDown", "RateLimitExceeded", "PreconditionFailed", "VaultNotInitialized"])
def test_vault_that_asks_to_wait_has_done_nothing(name: str) -> None:
    error = getattr(hvac.exceptions, name)(errors=["x"])
    translated = vault_error(error, what="writing x", writes=True)
    assert isinstance(translated, RemoteServiceError)
    assert translated.retryable


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        ({"Retry-After": "Tue, 24 Nov 2026 12:00:30 GMT"}, timedelta(seconds=30)),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: timedelta | None) -> None:
    assert retry_after(headers, datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) == expected


@pytest.mark.parametrize("url", ["https://vault.example/", "http://127.0.0.1:8200", "http://localhost:1/x"])
def test_safe_addresses(url: str) -> None:
    assert checked_endpoint(url, what="x") == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://vault.example", "ftp://127.0.0.1", "vault", "https://user:canary-in-the-body@vault.example", ""]
)
def test_unsafe_addresses_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_endpoint(url, what="x")
    assert CANARY not in str(caught.value)


def _make_clients() -> AwsClients:
    return AwsClients(AwsConnection(region="eu-west-1", endpoint="http://aws.example"))


def _make_nothing() -> AwsClients:
    return AwsClients(AwsConnection(region="eu-west-1"))


@pytest.mark.parametrize(("make", "safe"), [(_make_clients, False), (_make_nothing, True)])
def test_aws_endpoint_is_checked(make: Callable[[], AwsClients], safe: bool) -> None:
    if safe:
        assert make().connection.endpoint == ""
        return
    with pytest.raises(ConfigurationError):
        make()

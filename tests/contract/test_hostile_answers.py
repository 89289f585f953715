"""Servers that answer for ever, far too much, from elsewhere, or with the secret: none holds a run or learns it."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from lifecycle.bootstrap.surroundings import utc_now
from lifecycle.connectors.azure_blob import AzureBlobSettings, AzureBlobVerifier
from lifecycle.connectors.github import GitHubSettings, GitHubVerifier
from lifecycle.connectors.postgres import PostgresSettings, PostgresVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from lifecycle.foundation.breaker import Breakers
from lifecycle.operations.verify_connectors import ConnectorProbe, ConnectorResult, verify_connectors
from tests.contract.http_doubles import Reply, Request, http_double

SECRET = "canary-that-no-answer-may-bring-back"
SHORT = timedelta(seconds=1)


@contextmanager
def streaming(feed: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A server that feeds every connection until the test ends; gives its port."""
    listener, ended = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            feed(connection, ended)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    ended.set()
    listener.close()


def drip(connection: socket.socket, ended: threading.Event) -> None:
    """One byte a second of an answer that has begun well."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not ended.wait(1):
        connection.sendall(b" ")


def flood(connection: socket.socket, ended: threading.Event) -> None:
    """A gibibyte."""
    size, part = 1 << 30, b" " * (1 << 20)
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode())
    for _ in range(size // len(part)):
        if ended.is_set():
            return
        connection.sendall(part)


def _github(url: str, deadline: timedelta = SHORT) -> ConnectorProbe:
    return ConnectorProbe(
        name="github",
        target=GitHubSettings(),
        verifier=GitHubVerifier(url, clock=utc_now),
        value=lambda: secret_value({"token": SECRET}),
        deadline=deadline,
    )


def _azure(url: str) -> ConnectorProbe:
    return ConnectorProbe(
        name="azure",
        target=AzureBlobSettings(account="acme", container="features", url=url),
        verifier=AzureBlobVerifier(url, clock=utc_now),
        value=lambda: secret_value({"account_key": "a2V5"}),
        deadline=SHORT,
    )


def _postgres(port: int) -> ConnectorProbe:
    return ConnectorProbe(
        name="postgres",
        target=PostgresSettings(host="127.0.0.1", port=port),
        verifier=PostgresVerifier(clock=utc_now),
        value=lambda: secret_value({"username": "svc", "password": SECRET}),
        deadline=SHORT,
    )


def _run(probe: ConnectorProbe) -> ConnectorResult:
    (only,) = verify_connectors([probe], clock=utc_now, breaker=Breakers())
    return only


@pytest.mark.parametrize("product", ["github", "azure", "postgres"])
def test_a_byte_a_second_ends_with_the_deadline(product: str) -> None:
    with streaming(drip) as port:
        url = f"http://127.0.0.1:{port}"
        probe = {"github": _github(url), "azure": _azure(url), "postgres": _postgres(port)}[product]
        found = _run(probe).result
    assert found.status is VerificationStatus.INDETERMINATE
    assert found.reason in (Reason.TIMEOUT_TOTAL, Reason.TIMEOUT_READ, Reason.AMBIGUOUS), found


def test_a_gibibyte_is_not_read() -> None:
    with streaming(flood) as port:
        found = _run(_github(f"http://127.0.0.1:{port}", timedelta(seconds=30))).result
    assert found.status is VerificationStatus.INDETERMINATE
    assert found.detail.startswith("AnswerToo")


def test_a_redirect_to_another_host_is_not_followed() -> None:
    seen: list[Request] = []

    def elsewhere(request: Request) -> Reply:
        seen.append(request)
        return Reply(body=b'{"login": "svc"}')

    with (
        http_double(elsewhere) as other,
        http_double(lambda _request: Reply(status=302, headers={"Location": f"{other}/user"})) as url,
    ):
        found = _run(_github(url)).result
    assert found.reason is Reason.AMBIGUOUS
    assert seen == []


def test_an_answer_that_contains_the_secret_does_not_show_it() -> None:
    def echo(_request: Request) -> Reply:
        body = json.dumps({"message": f"no such token {SECRET}", "login": ""}).encode()
        return Reply(status=401, body=body, headers={"X-GitHub-Request-Id": "1", "Content-Type": "application/json"})

    with http_double(echo) as url:
        found = _run(_github(url))
    assert SECRET not in repr(found)

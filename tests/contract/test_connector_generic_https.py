import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from lifecycle.connectors.generic_https import LOGIN, GenericHttpsSettings, GenericHttpsVerifier, Rejection
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server
from tests.servers.https_target import HttpsTarget

_TOKEN, _KEY = "generic-token", "generic-key"
_BASIC = base64.b64encode(b"svc:generic-password").decode()
_BODY = {"status": "ok", "version": {"major": 2}, "shards": [{"up": True}], "a/b": None}
_EXPECT = {"/status": "ok", "/version/major": 2, "/shards/0/up": True, "/a~1b": None}


def _answer(request: Request) -> Reply:
    """A service with three ways to log in; its gateway tells a wrong key in a 403, as many do."""
    form = {"Content-Type": "application/json"}
    if request.path == "/open":
        return Reply(body=b"{}", headers=form)
    if request.path == "/moved":
        return Reply(status=302, headers={"Location": "/health"})
    if request.path == "/gateway":
        if request.headers.get("X-Api-Key") == _KEY:
            return Reply(body=b"{}", headers=form)
        return Reply(status=403, body=b'{"error": {"code": "bad_key"}}', headers=form)
    if request.headers.get("Authorization") in (f"Bearer {_TOKEN}", f"Basic {_BASIC}"):
        return Reply(body=json.dumps(_BODY).encode(), headers=form)
    return Reply(status=401, body=b"{}", headers={**form, "WWW-Authenticate": "Bearer"})


def _target(path: str = "/health", **settings: object) -> GenericHttpsSettings:
    return GenericHttpsSettings.model_validate({"url": f"https://service.example{path}", **settings})


class TestWithToken(ConnectorContract):
    """Against a double, logged in with a bearer token."""

    @pytest.fixture
    def bench(self) -> Iterator[ConnectorBench]:
        target = _target(expect=_EXPECT)
        with http_double(_answer) as url:
            yield ConnectorBench(
                make=lambda base: GenericHttpsVerifier(f"{base}/health", clock=lambda: NOW),
                url=url,
                target=target,
                valid=secret_value({"token": _TOKEN}),
                invalid=secret_value({"token": "wrong-token"}),
                proves=(
                    "GET /health",
                    LOGIN,
                    "/status is ok",
                    "/version/major is 2",
                    "/shards/0/up is True",
                    "/a~1b is null",
                ),
            )

    def test_basic_login(self, bench: ConnectorBench) -> None:
        value = secret_value({"username": "svc", "password": "generic-password"})
        assert bench.verify(value).proved == bench.proves

    def test_status_alone_by_head(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=_target(method="HEAD"))
        assert (result.reason, result.proved) == (Reason.WORKS, ("HEAD /health", LOGIN))

    @pytest.mark.parametrize(
        ("pointer", "wanted"),
        [("/status", "down"), ("/version/minor", 1), ("/shards/1/up", True), ("/version/major", True)],
    )
    def test_content_that_differs_is_named_and_its_text_is_not(
        self, bench: ConnectorBench, pointer: str, wanted: object
    ) -> None:
        result = bench.verify(target=_target(expect={**_EXPECT, pointer: wanted}))
        assert result.reason is Reason.NOT_CONFIGURED
        assert pointer in result.detail
        assert result.not_proved == (f"{pointer} is {wanted}",)

    def test_login_nobody_asks_for_is_not_proved(self, bench: ConnectorBench) -> None:
        result = GenericHttpsVerifier(f"{bench.url}/open", clock=lambda: NOW).verify(
            _target("/open"), bench.valid, deadline=LONG, via=None
        )
        assert (result.reason, result.not_proved) == (Reason.NOT_CONFIGURED, (LOGIN,))

    def test_value_of_another_kind_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"api_token": "x"})).reason is Reason.NOT_CONFIGURED


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with http_double(_answer) as url:
        yield url


def _at(url: str, path: str) -> GenericHttpsVerifier:
    return GenericHttpsVerifier(f"{url}{path}", clock=lambda: NOW)


class TestWithHeader:
    """A key in a header of its own, refused by a body that the spec declares."""

    target = _target(
        "/gateway",
        header="X-Api-Key",
        field="api_token",
        rejection=Rejection(status=403, at="/error/code", equals="bad_key"),
    )

    def test_valid(self, service: str) -> None:
        value = secret_value({"api_token": _KEY})
        assert _at(service, "/gateway").verify(self.target, value, deadline=LONG, via=None).reason is Reason.WORKS

    def test_declared_rejection_is_invalid(self, service: str) -> None:
        value = secret_value({"api_token": "wrong-key"})
        result = _at(service, "/gateway").verify(self.target, value, deadline=LONG, via=None)
        assert (result.status, result.reason) == (VerificationStatus.INVALID, Reason.WRONG_VALUE)

    def test_same_status_without_the_declared_body_is_not(self) -> None:
        with raw_server(page("403 Forbidden", '{"error": {"code": "blocked"}}', "application/json")) as url:
            value = secret_value({"api_token": "wrong-key"})
            result = _at(url, "/gateway").verify(self.target, value, deadline=LONG, via=None)
        assert result.reason is Reason.NO_PERMISSION

    @pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error"])
    def test_overload_is_never_a_declared_rejection(self, status: str) -> None:
        declared = self.target.model_copy(
            update={"rejection": Rejection(status=int(status[:3]), at="/error", equals="bad_key")}
        )
        with raw_server(page(status, '{"error": "bad_key"}', "application/json")) as url:
            value = secret_value({"api_token": "wrong-key"})
            result = _at(url, "/gateway").verify(declared, value, deadline=LONG, via=None)
        assert result.status is VerificationStatus.INDETERMINATE


def test_without_credential_the_answer_alone_is_proved(service: str) -> None:
    result = _at(service, "/open").verify(_target("/open"), {}, deadline=LONG, via=None)
    assert (result.reason, result.proved, result.not_proved) == (Reason.WORKS, ("GET /open",), ())


def test_redirect_is_not_followed(service: str) -> None:
    value = secret_value({"token": _TOKEN})
    result = _at(service, "/moved").verify(_target("/moved"), value, deadline=LONG, via=None)
    assert (result.reason, result.proved) == (Reason.AMBIGUOUS, ())


def test_other_success_than_declared_is_told(service: str) -> None:
    result = _at(service, "/open").verify(_target("/open", status=[204]), {}, deadline=LONG, via=None)
    assert result.reason is Reason.NOT_CONFIGURED


def test_answer_that_drips_ends_with_the_deadline() -> None:
    ended = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b" ")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = _at(url, "/").verify(_target("/"), {}, deadline=timedelta(milliseconds=400), via=None)
        ended.set()
        server.shutdown()
    assert result.reason is Reason.TIMEOUT_TOTAL


def test_answer_without_end_is_cut() -> None:
    huge = page("200 OK", " " * (9 * 1024 * 1024))
    with raw_server(huge) as url:
        result = _at(url, "/").verify(_target("/"), {}, deadline=LONG, via=None)
    assert (result.reason, result.detail) == (Reason.AMBIGUOUS, "AnswerTooLongError")


class TestTls:
    """Against a real https server with a certificate of a private authority."""

    def test_private_authority_by_setting(self, https_target: HttpsTarget) -> None:
        url = https_target.url("127.0.0.1")
        target = GenericHttpsSettings(url=url, ca_file=str(https_target.ca_file))
        result = GenericHttpsVerifier(url, clock=lambda: NOW).verify(target, {}, deadline=LONG, via=None)
        assert result.reason is Reason.WORKS

    def test_missing_authority_file_is_a_wrong_setting(self, https_target: HttpsTarget) -> None:
        url = https_target.url("127.0.0.1")
        target = GenericHttpsSettings(url=url, ca_file="/nonexistent/ca.pem")
        result = GenericHttpsVerifier(url, clock=lambda: NOW).verify(target, {}, deadline=LONG, via=None)
        assert result.reason is Reason.NOT_CONFIGURED

    def test_unknown_authority_is_refused(self, https_target: HttpsTarget) -> None:
        url = https_target.url("127.0.0.1")
        result = GenericHttpsVerifier(url, clock=lambda: NOW).verify(
            GenericHttpsSettings(url=url), {}, deadline=LONG, via=None
        )
        assert result.reason is Reason.TLS_UNKNOWN_ISSUER


def test_expectations_need_a_body() -> None:
    with pytest.raises(ValidationError, match="HEAD has no body"):
        _target(method="HEAD", expect={"/status": "ok"})


def test_pointer_must_be_one() -> None:
    with pytest.raises(ValidationError):
        _target(expect={"status": "ok"})

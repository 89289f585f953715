import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from lifecycle.clients.entra import EntraPlace, default_scope, refused_with
from lifecycle.connectors.entra_application import LOGIN, EntraApplicationSettings, EntraApplicationVerifier
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import closed_port
from tests.servers.certificates import ServerCertificate, write_server_certificate
from tests.servers.entra import SCOPE, EntraAuthority

_VALUE = secret_value({"tenant_id": "t", "client_id": "c", "client_secret": "wrong-login"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return write_server_certificate(tmp_path_factory.mktemp("entra"))


@pytest.fixture
def serve(certificate: ServerCertificate) -> Callable[[Callable[[Request], Reply]], AbstractContextManager[str]]:
    return partial(http_double, certificate=certificate)


Serve = Callable[[Callable[[Request], Reply]], AbstractContextManager[str]]


def _verify(
    value: SecretValue, url: str, ca_file: Path, *, deadline: timedelta = LONG, via: Egress | None = None
) -> VerificationResult:
    target = EntraApplicationSettings(scope=SCOPE, authority=url, ca_file=str(ca_file))
    return EntraApplicationVerifier(clock=lambda: NOW).verify(target, value, deadline=deadline, via=via)


def _token_endpoint(url: list[str], refusal: Reply) -> Callable[[Request], Reply]:
    """An authority whose token endpoint always answers this."""

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            return refusal
        metadata = '{"issuer": "%s/t/v2.0", "token_endpoint": "%s/token", "authorization_endpoint": "%s/a"}'
        return Reply(body=(metadata % (url[0], url[0], url[0])).encode(), headers={"Content-Type": "application/json"})

    return answer


@pytest.mark.parametrize("kind", ["secret", "certificate"])
def test_valid(entra_authority: EntraAuthority, kind: str) -> None:
    value = {"tenant_id": entra_authority.tenant}
    if kind == "secret":
        application = entra_authority.register_with_secret()
        value |= {"client_secret": application.secret}
    else:
        application = entra_authority.register_with_certificate()
        private, _, certificate = application.certificate.decode().partition("-----BEGIN CERTIFICATE-----")
        certificate, end, private = (certificate or private).partition("-----END CERTIFICATE-----\n")
        value |= {"certificate": f"-----BEGIN CERTIFICATE-----{certificate}{end}", "private_key": private}
    value |= {"client_id": application.client_id}
    result = _verify(secret_value(value), entra_authority.authority, entra_authority.ca_file)
    assert result.status is VerificationStatus.VALID, result
    assert (result.proved, result.checked_at) == ((LOGIN,), NOW)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (7000215, Reason.WRONG_VALUE),
        (700027, Reason.WRONG_VALUE),
        (7000222, Reason.EXPIRED),
        (700016, Reason.WRONG_TENANT),
        (53003, Reason.CONDITIONAL_ACCESS),
        (7000112, Reason.LOCKED),
        (700024, Reason.CLOCK_SKEW),
        (99999, Reason.AMBIGUOUS),
    ],
)
def test_refusal_by_code(serve: Serve, certificate: ServerCertificate, number: int, reason: Reason) -> None:
    url: list[str] = []
    body = f'{{"error": "invalid_client", "error_description": "AADSTS{number}: wrong-login"}}'.encode()
    refusal = Reply(status=401, body=body, headers={"Content-Type": "application/json"})
    with serve(_token_endpoint(url, refusal)) as address:
        url.append(address)
        result = _verify(_VALUE, address, certificate.ca_file)
    assert result.reason is reason, result
    assert "wrong-login" not in repr(result)


@pytest.mark.parametrize(
    "body", [b'{"error": "temporarily_unavailable"}', b'{"error_description": "AADSTS7000215"}', b""]
)
@pytest.mark.parametrize(
    ("status", "reason"),
    [(429, Reason.THROTTLED), (503, Reason.SERVICE_FAULT), (500, Reason.SERVICE_FAULT), (504, Reason.TIMEOUT_READ)],
)
def test_overload_is_told_whatever_the_body_says(
    serve: Serve, certificate: ServerCertificate, status: int, reason: Reason, body: bytes
) -> None:
    url: list[str] = []
    headers = {"Content-Type": "application/json", "Retry-After": "7"}
    with serve(_token_endpoint(url, Reply(status=status, body=body, headers=headers))) as address:
        url.append(address)
        result = _verify(_VALUE, address, certificate.ca_file)
    assert (result.reason, result.retry_after) == (reason, timedelta(seconds=7)), result
    assert result.detail.startswith(f"HTTP {status}, ")


def test_answer_that_is_no_json_reaches_no_log(
    serve: Serve, certificate: ServerCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    url: list[str] = []
    with serve(_token_endpoint(url, Reply(status=400, body=b"wrong-login"))) as address:
        url.append(address)
        _verify(_VALUE, address, certificate.ca_file)
    assert "wrong-login" not in caplog.text


def test_time_out(serve: Serve, certificate: ServerCertificate) -> None:
    over = threading.Event()

    def silent(request: Request) -> Reply:
        del request
        over.wait(10)
        return Reply()

    with serve(silent) as url:
        result = _verify(_VALUE, url, certificate.ca_file, deadline=timedelta(milliseconds=600))
        over.set()
    assert result.reason in (Reason.TIMEOUT_READ, Reason.TIMEOUT_TOTAL), result


@pytest.mark.parametrize("status", [200, 401, 403, 429, 503])
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b""])
def test_unexpected_answer_judges_nothing(
    serve: Serve, certificate: ServerCertificate, status: int, body: bytes
) -> None:
    reply = Reply(status=status, body=body, headers={"Content-Type": "text/html"})
    with serve(lambda _: reply) as url:
        result = _verify(_VALUE, url, certificate.ca_file)
    assert result.status is VerificationStatus.INDETERMINATE, result


def test_refused_connection(certificate: ServerCertificate) -> None:
    url = closed_port().replace("http:", "https:")
    result = _verify(_VALUE, url, certificate.ca_file)
    assert result.reason is Reason.CONNECTION_REFUSED, result


def test_unknown_issuer_of_tls_is_told(serve: Serve, entra_authority: EntraAuthority) -> None:
    with serve(lambda _: Reply()) as url:
        result = _verify(_VALUE, url, entra_authority.ca_file)
    assert result.reason is Reason.TLS_UNKNOWN_ISSUER, result


def test_goes_through_the_consumers_proxy(entra_authority: EntraAuthority) -> None:
    via = Egress(allowlist="egress", proxy_url=closed_port())
    result = _verify(_VALUE, entra_authority.authority, entra_authority.ca_file, via=via)
    assert result.status is VerificationStatus.INDETERMINATE, result


@pytest.mark.parametrize(
    "value",
    [
        secret_value({"token": "x"}),
        secret_value({"tenant_id": "t", "client_id": "c", "certificate": "x", "private_key": "y"}),
    ],
)
def test_what_is_no_login_is_not_configured(value: SecretValue, certificate: ServerCertificate) -> None:
    result = _verify(value, "https://127.0.0.1:1", certificate.ca_file)
    assert result.reason is Reason.NOT_CONFIGURED


def test_public_cloud_takes_the_environments_proxy_and_looks_its_authority_up() -> None:
    options = EntraPlace().options()
    assert not options.keys() & {"use_env_settings", "proxies", "authority", "disable_instance_discovery"}


def test_scope_is_of_the_host() -> None:
    assert default_scope("https://graph.microsoft.us/v1.0") == "https://graph.microsoft.us/.default"


def test_refusal_without_a_code_says_so() -> None:
    assert refused_with("no") == "no AADSTS code"
    assert refused_with("AADSTS90002 because AADSTS700016: x") == "AADSTS700016"

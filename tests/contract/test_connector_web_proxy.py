from datetime import timedelta

import pytest

from lifecycle.connectors.web_proxy import WebProxySettings, WebProxyVerifier
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW
from tests.contract.odd_servers import closed_port, page, raw_server

_HOST = "app.example:443"
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


def _verify(
    proxy: str, value: SecretValue | None = None, *, deadline: timedelta = LONG, refuses: tuple[str, ...] = ()
) -> VerificationResult:
    target = WebProxySettings(passes=(_HOST,), refuses=refuses)
    via = Egress(allowlist="egress", proxy_url=proxy)
    return WebProxyVerifier(clock=lambda: NOW).verify(target, value or {}, deadline=deadline, via=via)


def test_open_tunnel_is_valid() -> None:
    with raw_server(_OPEN) as proxy:
        result = _verify(proxy)
    assert result.status is VerificationStatus.VALID
    assert result.proved == (f"passes {_HOST}",)


def test_refused_login_of_the_proxy_is_invalid_only_when_it_is_under_test() -> None:
    login = secret_value({"username": "lifecycle", "password": "wrong-login"})
    with raw_server(page("407 Proxy Authentication Required")) as proxy:
        assert _verify(proxy, login).status is VerificationStatus.INVALID
        assert _verify(proxy).reason is Reason.PROXY_REFUSED


@pytest.mark.parametrize(
    ("status", "extra", "reason"),
    [
        ("403 Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0\r\n", Reason.PROXY_REFUSED),
        ("503 Service Unavailable", "X-Squid-Error: ERR_DNS_FAIL 0\r\n", Reason.NAME_NOT_RESOLVED),
        ("503 Service Unavailable", "X-Squid-Error: ERR_CONNECT_FAIL 111\r\n", Reason.CONNECTION_REFUSED),
        ("404 Not Found", "", Reason.PROXY_REFUSED),
        ("502 Bad Gateway", "", Reason.AMBIGUOUS),
        ("429 Too Many Requests", "", Reason.THROTTLED),
    ],
)
def test_codes_of_proxies(status: str, extra: str, reason: Reason) -> None:
    with raw_server(page(status, extra=extra)) as proxy:
        result = _verify(proxy)
    assert result.reason is reason
    assert result.status is VerificationStatus.INDETERMINATE


def test_proxy_that_lets_everything_through_fails_its_control() -> None:
    with raw_server(_OPEN) as proxy:
        result = _verify(proxy, refuses=("evil.example:443",))
    assert result.reason is Reason.NOT_CONFIGURED
    assert result.not_proved == ("refuses evil.example:443",)


def test_time_out() -> None:
    with raw_server(None) as proxy:
        result = _verify(proxy, deadline=timedelta(milliseconds=400))
    assert result.reason in (Reason.TIMEOUT_READ, Reason.TIMEOUT_TOTAL)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b""])
def test_unexpected_answer(answer: bytes) -> None:
    with raw_server(answer) as proxy:
        assert _verify(proxy).status is VerificationStatus.INDETERMINATE


def test_refused_connection() -> None:
    assert _verify(closed_port()).reason is Reason.CONNECTION_REFUSED


def test_no_proxy_named_is_a_wrong_setting() -> None:
    target = WebProxySettings(passes=(_HOST,))
    result = WebProxyVerifier(clock=lambda: NOW).verify(target, {}, deadline=LONG, via=None)
    assert result.reason is Reason.NOT_CONFIGURED

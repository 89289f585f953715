import json
from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx
import pytest

from lifecycle.connectors.oauth_token import EXCHANGE, INTROSPECTION, TOKEN, OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server
from tests.contract.sandbox_server import Double, running_double
from tests.servers.glewlwyd import Glewlwyd
from tests.servers.oidc import OidcProvider


def _make(url: str) -> OAuthTokenVerifier:
    return OAuthTokenVerifier(url, clock=lambda: NOW)


def _bench(url: str, initial_access_token: str) -> ConnectorBench:
    metadata = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "read"}
    with httpx.Client(trust_env=False) as client:
        endpoint = client.get(f"{url}/.well-known/openid-configuration").json()["registration_endpoint"]
        headers = {"Authorization": f"Bearer {initial_access_token}"}
        registered = client.post(endpoint, json=metadata, headers=headers).json()
    valid = {name: registered[name] for name in ("client_id", "client_secret")}
    return ConnectorBench(
        make=_make,
        url=url,
        target=OAuthTokenSettings(introspect=True, scope="read"),
        valid=secret_value(valid),
        invalid=secret_value({**valid, "client_secret": "wrong-secret"}),
        proves=(TOKEN, INTROSPECTION),
    )


class OAuthContract(ConnectorContract):
    """What OAuth adds."""

    def test_without_introspection_a_token_is_enough(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=OAuthTokenSettings()).proved == (TOKEN,)

    def test_scope_that_is_not_granted_is_a_missing_right(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=OAuthTokenSettings(scope="write"))
        assert result.reason is Reason.NO_PERMISSION

    def test_unknown_client_is_invalid(self, bench: ConnectorBench) -> None:
        assert bench.verify({**bench.valid, "client_id": SecretText("nobody")}).reason is Reason.WRONG_VALUE

    def test_value_that_is_no_client_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED

    def test_metadata_of_another_issuer_are_not_used(self, bench: ConnectorBench) -> None:
        body = '{"issuer": "https://elsewhere.example", "token_endpoint": "https://elsewhere.example/token"}'
        with raw_server(page("200 OK", body, "application/json")) as other:
            result = bench.verify(url=other)
        assert result.status is VerificationStatus.INDETERMINATE


class TestOnOidcProvider(OAuthContract):
    """Against a certified provider."""

    @pytest.fixture
    def bench(self, oidc_provider: OidcProvider) -> ConnectorBench:
        return _bench(oidc_provider.issuer, oidc_provider.initial_access_token)


class TestOnDouble(OAuthContract):
    """Against the sandbox's double."""

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        return _bench(double.url, double.bootstrap.oauth.initial_access_token.get_secret_value())

    @pytest.mark.parametrize(
        ("status", "code", "reason"),
        [
            (401, "invalid_client", Reason.WRONG_VALUE),
            (400, "invalid_grant", Reason.WRONG_VALUE),
            (400, "server_error", Reason.SERVICE_FAULT),
            (503, "invalid_client", Reason.SERVICE_FAULT),
            (429, "invalid_client", Reason.THROTTLED),
            (400, "unsupported_grant_type", Reason.NOT_CONFIGURED),
            (400, "unheard_of", Reason.AMBIGUOUS),
            (401, "", Reason.NOT_CONFIGURED),
        ],
    )
    def test_codes_of_the_token_endpoint(
        self, bench: ConnectorBench, double: Double, status: int, code: str, reason: Reason
    ) -> None:
        double.fault(path="/token", status=status, body={"error": code} if code else {})
        assert bench.verify().reason is reason

    def test_fresh_token_that_is_inactive_is_renewed_once(self, bench: ConnectorBench, double: Double) -> None:
        double.fault(path="/token/introspection", status=200, body={"active": False}, times=1)
        assert bench.verify().reason is Reason.WORKS
        double.fault(path="/token/introspection", status=200, body={"active": False}, times=2)
        assert bench.verify().reason is Reason.AMBIGUOUS

    def test_client_that_may_not_introspect_is_not_invalid(self, bench: ConnectorBench, double: Double) -> None:
        double.fault(path="/token/introspection", status=401, body={"error": "invalid_client"})
        result = bench.verify()
        assert result.reason is Reason.NO_PERMISSION
        assert result.proved == (TOKEN,)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("oauth", tmp_path_factory.mktemp("oauth")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()


class TestOnGlewlwyd(ConnectorContract):
    """Against a second provider, which says a bare 403 where RFC 6749 wants 401 and `invalid_client`."""

    def test_invalid(self, bench: ConnectorBench) -> None:
        """Without an error code nobody can tell the provider from a firewall: no verdict."""
        result = bench.verify(bench.invalid)
        assert (result.reason, result.detail) == (Reason.AMBIGUOUS, "token: HTTP 403")

    @pytest.fixture
    def bench(self, glewlwyd: Glewlwyd) -> ConnectorBench:
        registered = glewlwyd.register()
        valid = {name: registered[name] for name in ("client_id", "client_secret")}
        return ConnectorBench(
            make=_make,
            url=glewlwyd.url,
            target=OAuthTokenSettings(introspect=True, scope="read"),
            valid=secret_value(valid),
            invalid=secret_value({**valid, "client_secret": "wrong-secret"}),
            proves=(TOKEN, INTROSPECTION),
        )


class Exchanger:
    """A double of RFC 8693: exchanges its own tokens, for the audiences that it knows."""

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self.url = ""

    def __call__(self, request: Request) -> Reply:
        if request.method == "GET":
            return _json(200, {"issuer": self.url, "token_endpoint": f"{self.url}/token"})
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form["grant_type"] == "client_credentials":
            return _json(200, {"access_token": "first", "token_type": "Bearer"})
        access_token = "urn:ietf:params:oauth:token-type:access_token"
        if form["subject_token"] != "first" or form["subject_token_type"] != access_token:
            return _json(400, {"error": "invalid_request"})
        if form["audience"] == "forbidden":
            return _json(401, {"error": "invalid_client"})
        if form["audience"] != self._audience:
            return _json(400, {"error": "invalid_target"})
        return _json(200, {"access_token": "second", "token_type": "N_A", "issued_token_type": access_token})


def _json(status: int, body: object) -> Reply:
    return Reply(status=status, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("audience", "reason", "proved"),
    [
        ("features", Reason.WORKS, (TOKEN, EXCHANGE)),
        ("unknown", Reason.NOT_CONFIGURED, (TOKEN,)),
        ("forbidden", Reason.NO_PERMISSION, (TOKEN,)),
    ],
)
def test_token_exchange(audience: str, reason: Reason, proved: tuple[str, ...]) -> None:
    exchanger = Exchanger("features")
    with http_double(exchanger) as url:
        exchanger.url = url
        value = secret_value({"client_id": "svc", "client_secret": "right"})
        target = OAuthTokenSettings(exchange_for=audience)
        result = _make(url).verify(target, value, deadline=LONG, via=None)
    assert (result.reason, result.proved) == (reason, proved)

import pytest

from lifecycle.clients.oauth import ClientLogin
from lifecycle.connectors.oauth_refresh_token import ACTIVE, OAuthRefreshTokenCheck, OAuthRefreshTokenVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.servers.oidc import OidcProvider
from tests.servers.oidc_login import RefreshClient, register_refresh_client


class TestOnOidcProvider(ConnectorContract):
    """Against a certified provider."""

    @pytest.fixture
    def client(self, oidc_provider: OidcProvider) -> RefreshClient:
        return register_refresh_client(oidc_provider)

    @pytest.fixture
    def bench(self, oidc_provider: OidcProvider, client: RefreshClient) -> ConnectorBench:
        login = ClientLogin(client_id=client.id, client_secret=SecretText(client.secret))
        return ConnectorBench(
            make=lambda url: OAuthRefreshTokenVerifier(url, lambda: login, clock=lambda: NOW),
            url=oidc_provider.issuer,
            target=OAuthRefreshTokenCheck(),
            valid=secret_value({"refresh_token": client.refresh_token}),
            invalid=secret_value({"refresh_token": "wrong-token"}),
            proves=(ACTIVE,),
        )

    def test_probe_does_not_use_the_token_up(self, bench: ConnectorBench) -> None:
        assert {bench.verify().reason for _ in range(3)} == {Reason.WORKS}

    def test_refused_client_judges_no_token(self, bench: ConnectorBench, client: RefreshClient) -> None:
        wrong = ClientLogin(client_id=client.id, client_secret=SecretText("wrong-login"))
        verifier = OAuthRefreshTokenVerifier(bench.url, lambda: wrong, clock=lambda: NOW)
        assert verifier.verify(bench.target, bench.valid, deadline=LONG, via=None).reason is Reason.NOT_CONFIGURED

    def test_value_that_is_no_token_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"other": "x"})).reason is Reason.NOT_CONFIGURED

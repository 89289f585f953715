from collections.abc import Iterator

import httpx
import pytest

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.web import WebClient
from lifecycle.domain.credential import NotReported
from lifecycle.domain.errors import AmbiguousEffectError, ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.issuers.datarobot_api_key import DataRobotApiKeyIssuer
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.contract.sandbox_server import Double, running_double
from tests.servers.process import free_port

_USER = "svc-scoring@sandbox.example"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()


def _issuer(url: str, token: SecretText) -> DataRobotApiKeyIssuer:
    return DataRobotApiKeyIssuer(DataRobotClient(f"{url}/api/v2", token, web=WebClient()))


class TestOnDouble(IssuerContract):
    """Against the sandbox's double, which the official client has judged."""

    @pytest.fixture
    def bench(self, double: Double) -> IssuerBench:
        def works(value: SecretValue) -> bool:
            headers = {"Authorization": f"Bearer {value['api_token'].get_secret_value()}"}
            with httpx.Client(trust_env=False) as client:
                return client.get(f"{double.url}/api/v2/account/info/", headers=headers).status_code == 200

        admin = double.bootstrap.datarobot.admin_key
        return IssuerBench(
            issuer=_issuer(double.url, admin),
            principal=_USER,
            works=works,
            unreachable=_issuer(f"http://127.0.0.1:{free_port()}", admin),
            refused=_issuer(double.url, SecretText("wrong-login")),
        )

    def test_lost_answer_is_ambiguous_and_found_by_its_marker(self, bench: IssuerBench, double: Double) -> None:
        marker = f"{MARKER}-lost"
        double.fault(method="POST", path="/api/v2/account/apiKeys/", when="after", reset=True)
        with pytest.raises(AmbiguousEffectError):
            bench.mint(marker)
        found = [item for item in bench.issuer.list(bench.principal).credentials if item.marker == marker]
        assert len(found) == 1

    def test_creation_is_never_repeated(self, bench: IssuerBench, double: Double) -> None:
        before = bench.ids()
        double.fault(method="POST", path="/api/v2/account/apiKeys/", status=503, times=1)
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
        assert bench.ids() == before

    def test_reading_is_repeated_after_a_fault(self, bench: IssuerBench, double: Double) -> None:
        double.fault(method="GET", path="/api/v2/account/apiKeys/", status=503, times=2)
        assert bench.ids() is not None

    def test_every_page_is_read(self, bench: IssuerBench) -> None:
        ids = {bench.mint(f"page-{number}").credential.id for number in range(105)}
        assert ids <= bench.ids()
        for credential_id in ids:
            bench.issuer.revoke(bench.principal, credential_id)

    def test_a_list_that_is_not_paginated_as_documented_is_refused(self, bench: IssuerBench, double: Double) -> None:
        double.fault(method="GET", path="/api/v2/account/apiKeys/", status=200, body={"data": []}, times=None)
        with pytest.raises(RemoteServiceError, match="not paginated"):
            bench.ids()

    def test_unknown_user_is_named(self, bench: IssuerBench) -> None:
        with pytest.raises(ConfigurationError, match=r"nobody@sandbox\.example"):
            bench.issuer.list("nobody@sandbox.example")

    def test_a_key_of_the_principal_itself_serves_as_login(self, bench: IssuerBench, double: Double) -> None:
        own = _issuer(double.url, bench.mint().value["api_token"])
        minted = own.mint(_USER, "by itself", None)
        assert bench.works(minted.value)
        assert bench.issuer.list(_USER).find(minted.credential.id) is not None

    def test_reported_use_is_a_time(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        bench.works(minted.value)
        assert not isinstance(bench.issuer.last_used(_USER, minted.credential.id), NotReported)

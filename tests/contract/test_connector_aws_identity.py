from collections.abc import Iterator

import pytest

from lifecycle.clients.aws import AwsConnection
from lifecycle.connectors.aws_identity import LOGIN, AwsIdentitySettings, AwsIdentityVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double


def _make(url: str) -> AwsIdentityVerifier:
    return AwsIdentityVerifier(AwsConnection(region="eu-west-1", endpoint=url), clock=lambda: NOW)


class TestOnStrictAws(ConnectorContract):
    """Against the sandbox's emulator."""

    overloaded = ("<ErrorResponse><Error><Code></Code></Error></ErrorResponse>", "text/xml")  # STS speaks XML

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        admin = double.bootstrap.aws
        valid = {
            "access_key_id": SecretText(admin.access_key_id),
            "secret_access_key": admin.secret_access_key,
        }
        return ConnectorBench(
            make=_make,
            url=double.url,
            target=AwsIdentitySettings(account_id=admin.account_id),
            valid=valid,
            invalid={**valid, "secret_access_key": SecretText("wrong" * 8)},
            proves=(LOGIN,),
        )

    def test_key_of_another_account_is_told(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=AwsIdentitySettings(account_id="999999999999")).reason is Reason.WRONG_TENANT

    def test_value_that_is_no_key_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsConnection
from lifecycle.connectors.aws_secrets_manager import SecretsManagerCheckSettings, SecretsManagerVerifier
from lifecycle.domain.ports import ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double


class _Login:
    """The verifier with the login that a case asks for: it takes none from the value, being about the tool's own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def verify(self, target: object, value: SecretValue, *, deadline: object, via: Egress | None) -> VerificationResult:
        connection = AwsConnection(
            region="eu-west-1",
            endpoint=self._url,
            access_key_id=value["access_key_id"],
            secret_access_key=value["secret_access_key"],
        )
        verifier = SecretsManagerVerifier(connection, prefix="acme", clock=lambda: NOW)
        return verifier.verify(target, {}, deadline=deadline, via=via)  # type: ignore[arg-type]  # passed through


class TestOnStrictAws(ConnectorContract):
    """Against the sandbox's emulator."""

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        names = [f"credential-{uuid4()}" for _ in range(2)]
        for name in names:
            double.aws().writer("secretsmanager").create_secret(Name=f"acme/{name}")
        admin = double.bootstrap.aws
        valid = {
            "access_key_id": SecretText(admin.access_key_id),
            "secret_access_key": admin.secret_access_key,
        }
        make: type[ConnectorVerifier] = _Login
        return ConnectorBench(
            make=make,
            url=double.url,
            target=SecretsManagerCheckSettings(can_describe=tuple(names)),
            valid=valid,
            invalid={**valid, "secret_access_key": SecretText("wrong" * 8)},
            proves=("login", *names),
        )

    def test_absent_secret_is_named(self, bench: ConnectorBench) -> None:
        target = SecretsManagerCheckSettings(can_describe=(*bench.target.can_describe, "absent"))
        result = bench.verify(target=target)
        assert result.reason is Reason.NOT_CONFIGURED
        assert result.not_proved == ("absent",)
        assert result.detail.startswith("absent: ResourceNotFoundException")

    def test_secret_scheduled_for_deletion_is_told(self, bench: ConnectorBench, double: Double) -> None:
        name = bench.target.can_describe[0]
        double.aws().writer("secretsmanager").delete_secret(SecretId=f"acme/{name}", RecoveryWindowInDays=7)
        result = bench.verify()
        assert result.detail == f"{name}: scheduled for deletion"
        assert result.status is VerificationStatus.INDETERMINATE

    def test_without_names_a_listing_shows_the_login(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=SecretsManagerCheckSettings()).proved == ("login",)

    def test_missing_right_is_told(self, bench: ConnectorBench, double: Double) -> None:
        iam, user = double.aws().writer("iam"), f"user-{uuid4()}"
        iam.create_user(UserName=user)
        deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
        iam.put_user_policy(UserName=user, PolicyName="other", PolicyDocument=json.dumps(deny))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        value = {
            "access_key_id": SecretText(key["AccessKeyId"]),
            "secret_access_key": SecretText(key["SecretAccessKey"]),
        }
        result = bench.verify(value)
        assert result.reason in (Reason.NO_PERMISSION, Reason.AMBIGUOUS)
        assert result.status is VerificationStatus.INDETERMINATE


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.connectors.s3 import S3Settings, S3Verifier
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double
from tests.servers.versitygw import VersityGateway

_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::BUCKET"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/allowed/*"},
        ],
    }
)


def _make(url: str) -> S3Verifier:
    return S3Verifier(AwsConnection(region="us-east-1", endpoint=url), clock=lambda: NOW)


def _admin(endpoint: str, key_id: str, secret: SecretText) -> AwsClients:
    return AwsClients(
        AwsConnection(region="us-east-1", endpoint=endpoint, access_key_id=SecretText(key_id), secret_access_key=secret)
    )


def _bench(s3_url: str, s3: AwsClients, iam: AwsClients) -> ConnectorBench:
    bucket, user = f"bucket-{uuid4()}", f"user-{uuid4()}"
    s3.writer("s3").create_bucket(Bucket=bucket)
    for key in ("allowed/a", "denied/b"):
        s3.writer("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.writer("s3").put_object(Bucket=bucket, Key="allowed/empty", Body=b"")
    iam.writer("iam").create_user(UserName=user)
    document = _POLICY.replace("BUCKET", bucket)
    iam.writer("iam").put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
    key = iam.writer("iam").create_access_key(UserName=user)["AccessKey"]
    plain = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    can = ("s3:ListBucket", "s3:GetObject")
    return ConnectorBench(
        make=_make,
        url=s3_url,
        target=S3Settings(bucket=bucket, can=can, object="allowed/a"),
        valid=secret_value(plain),
        invalid=secret_value({**plain, "secret_access_key": "wrong" * 8}),
        proves=("login", *can),
    )


class S3Contract(ConnectorContract):
    """What S3 adds."""

    def test_missing_right_is_told_and_what_works_is_shown(self, bench: ConnectorBench) -> None:
        target = bench.target.model_copy(update={"object": "denied/b"})
        result = bench.verify(target=target)
        assert result.status is VerificationStatus.INDETERMINATE
        assert result.proved == ("login", "s3:ListBucket")
        assert result.not_proved == ("s3:GetObject",)

    def test_absent_bucket_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=S3Settings(bucket=f"absent-{uuid4()}"))
        assert result.status is VerificationStatus.INDETERMINATE

    def test_empty_object_can_be_read(self, bench: ConnectorBench) -> None:
        target = bench.target.model_copy(update={"object": "allowed/empty"})
        assert bench.verify(target=target).reason is Reason.WORKS

    def test_unknown_key_is_invalid(self, bench: ConnectorBench) -> None:
        unknown = {**bench.valid, "access_key_id": SecretText("AKIAAAAAAAAAAAAAAAAA")}
        assert bench.verify(unknown).reason is Reason.WRONG_VALUE

    def test_a_value_that_is_no_key_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


class TestOnStrictAws(S3Contract):
    """Against the sandbox's emulator."""

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        admin = double.bootstrap.aws
        clients = _admin(double.url, admin.access_key_id, admin.secret_access_key)
        return _bench(double.url, clients, clients)

    def test_deactivated_key_is_invalid(self, bench: ConnectorBench, double: Double) -> None:
        _deactivate(double.aws(), bench.valid)
        assert bench.verify().reason is Reason.WRONG_VALUE


class TestOnVersityGateway(S3Contract):
    """Against a real S3 with real signatures."""

    @pytest.fixture
    def bench(self, versitygw: VersityGateway) -> ConnectorBench:
        root = versitygw.root
        secret = SecretText(root.secret_access_key)
        s3 = _admin(versitygw.s3_endpoint, root.access_key_id, secret)
        return _bench(versitygw.s3_endpoint, s3, _admin(versitygw.iam_endpoint, root.access_key_id, secret))

    def test_deactivated_key_is_invalid(self, bench: ConnectorBench, versitygw: VersityGateway) -> None:
        root = versitygw.root
        _deactivate(_admin(versitygw.iam_endpoint, root.access_key_id, SecretText(root.secret_access_key)), bench.valid)
        assert bench.verify().status is VerificationStatus.INVALID


def _deactivate(iam: AwsClients, value: SecretValue) -> None:
    key_id = value["access_key_id"].get_secret_value()
    for user in iam.reader("iam").list_users()["Users"]:
        keys = iam.reader("iam").list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
        if any(key["AccessKeyId"] == key_id for key in keys):
            iam.writer("iam").update_access_key(UserName=user["UserName"], AccessKeyId=key_id, Status="Inactive")


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running

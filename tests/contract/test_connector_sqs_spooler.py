from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsConnection
from lifecycle.connectors.sqs_spooler import DEPTH, QUEUE, SqsSpoolerSettings, SqsSpoolerVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double


class TestOnStrictAws(ConnectorContract):
    """Against the sandbox's emulator."""

    @pytest.fixture
    def queue(self, double: Double) -> str:
        name = f"spool-{uuid4()}"
        double.aws().writer("sqs").create_queue(QueueName=name)
        return name

    @pytest.fixture
    def bench(self, double: Double, queue: str) -> ConnectorBench:
        admin = double.bootstrap.aws
        valid = {"access_key_id": SecretText(admin.access_key_id), "secret_access_key": admin.secret_access_key}

        def make(url: str) -> SqsSpoolerVerifier:
            return SqsSpoolerVerifier(AwsConnection(region=admin.region, endpoint=url), clock=lambda: NOW)

        return ConnectorBench(
            make=make,
            url=double.url,
            target=SqsSpoolerSettings(queue=queue),
            valid=valid,
            invalid={**valid, "secret_access_key": SecretText("wrong" * 8)},
            proves=("login", QUEUE, DEPTH),
        )

    def test_depth_is_told_and_the_message_stays_as_it_was(
        self, bench: ConnectorBench, double: Double, queue: str
    ) -> None:
        sqs = double.aws().writer("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="record")
        assert bench.verify().detail == "1 messages wait"
        shown = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
        assert [item["Attributes"]["ApproximateReceiveCount"] for item in shown] == ["1"]

    def test_queue_that_nobody_empties_is_told(self, bench: ConnectorBench, double: Double, queue: str) -> None:
        sqs = double.aws().writer("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        for _ in range(3):
            sqs.send_message(QueueUrl=url, MessageBody="record")
        result = bench.verify(target=SqsSpoolerSettings(queue=queue, most_waiting=2))
        assert result.status is VerificationStatus.INDETERMINATE
        assert result.not_proved == (DEPTH,)

    def test_absent_queue_decides_nothing(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=SqsSpoolerSettings(queue="absent")).reason is Reason.AMBIGUOUS

    def test_value_that_is_no_access_key_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("aws")) as running:
        yield running

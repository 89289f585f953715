import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.destinations.secrets_manager_copy import SecretsManagerCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import LifecycleError, NotFoundError
from lifecycle.domain.secret import OperationId, SecretValue, secret_value
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.sandbox_server import Double, running_double


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running


@pytest.fixture
def clients(double: Double) -> AwsClients:
    return double.aws()


@pytest.fixture
def name(clients: AwsClients) -> str:
    """A shell without a value, as Terraform makes it."""
    made = f"acme/agent-{uuid4()}"
    clients.writer("secretsmanager").create_secret(Name=made)
    return made


def _copy(clients: AwsClients, name: str, *, create: bool = False) -> SecretsManagerCopy:
    return SecretsManagerCopy(clients, name, FINGERPRINT, create=create)


def _holds(clients: AwsClients, name: str, value: SecretValue) -> bool:
    plain = {field: text.get_secret_value() for field, text in value.items()}
    found = clients.reader("secretsmanager").get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    return bool(json.loads(found["SecretString"]) == plain)


def _versions(clients: AwsClients, name: str) -> int:
    listed = clients.reader("secretsmanager").list_secret_version_ids(SecretId=name, IncludeDeprecated=True)
    return len(listed["Versions"])


class TestOnEmulator(DestinationContract):
    """Against the sandbox's emulator, which refuses what AWS refuses."""

    @pytest.fixture
    def bench(self, clients: AwsClients, name: str) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_copy(clients, name), kept),
            again=NotedCopy(_copy(clients, name), kept),
            holds=lambda value: _holds(clients, name, value),
            effects=lambda: _versions(clients, name),
        )


def test_reader_finds_each_field_by_its_name(clients: AwsClients, name: str) -> None:
    deliver(_copy(clients, name), Kept(), ONE)
    found = clients.reader("secretsmanager").get_secret_value(SecretId=name)
    assert json.loads(found["SecretString"]) == {"id": "1", "token": "value-one"}


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_the_write_is_finished_by_the_next_run(
    clients: AwsClients, name: str, fails_at: int
) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_copy(clients, name), kept, ONE)
    assert NotedCopy(_copy(clients, name), kept).acknowledged("agent") is NotKnown.NOT_YET
    deliver(_copy(clients, name), kept, ONE)
    assert _holds(clients, name, ONE)
    assert _versions(clients, name) == 1


def test_value_written_by_somebody_else_is_no_acknowledgement(clients: AwsClients, name: str) -> None:
    destination = deliver(_copy(clients, name), Kept(), ONE)
    for text in ("not json", "[]", '{"token": 3}', '{"token": "other"}'):
        clients.writer("secretsmanager").put_secret_value(SecretId=name, SecretString=text)
        assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("later"), 2)
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)


def test_withdrawn_value_has_no_label_left(clients: AwsClients, name: str) -> None:
    destination = deliver(_copy(clients, name), Kept(), ONE)
    destination.withdraw("agent", OperationId("end"), 2)
    listed = clients.reader("secretsmanager").list_secret_version_ids(SecretId=name)["Versions"]
    assert {label for item in listed for label in item["VersionStages"]} == {"AWSCURRENT"}
    assert _holds(clients, name, {})


def test_absent_secret_is_made_only_where_that_is_declared(clients: AwsClients) -> None:
    absent = f"acme/{uuid4()}"
    with pytest.raises(NotFoundError):
        deliver(_copy(clients, absent), Kept(), ONE)
    NotedCopy(_copy(clients, absent), Kept()).withdraw("agent", OperationId("op"), 1)
    deliver(_copy(clients, absent, create=True), Kept(), ONE)
    deliver(_copy(clients, absent, create=True), Kept(), TWO)
    assert _holds(clients, absent, TWO)


def test_value_shows_nowhere(double: Double, clients: AwsClients, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    canary, kept = secret_value({"token": "canary-91cc"}), Kept()
    deliver(_copy(clients, name), kept, canary)
    stranger = double.aws(canary["token"], canary["token"])
    with pytest.raises(LifecycleError) as caught:
        deliver(_copy(stranger, name), Kept(), canary)
    assert "canary-91cc" not in f"{kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text}"

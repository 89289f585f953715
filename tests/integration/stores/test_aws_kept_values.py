from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.domain.errors import AuthenticationError, LostRaceError, NotFoundError, UnreachableError
from lifecycle.domain.secret import CandidateId, OperationId, SecretRef, SecretText, VersionStage, secret_value
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.secret_stores.aws_secrets_manager import AwsSecretsManagerStore
from tests.contract.sandbox_server import Double, running_double
from tests.servers.process import free_port

ONE, TWO = secret_value({"token": "value-one"}), secret_value({"token": "value-two"})


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running


@pytest.fixture
def ref() -> SecretRef:
    return SecretRef(store="default", path=f"kept-{uuid4()}")


def test_kept_value_is_written_once_and_replaced_on_purpose(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws(), prefix="acme")
    with pytest.raises(NotFoundError):
        store.recall(ref)
    assert store.keep_once(ref, ONE) == ONE
    assert store.keep_once(ref, TWO) == ONE
    for value in (TWO, TWO, ONE):
        store.keep(ref, value)
        assert store.recall(ref) == value


def test_of_two_writers_that_saw_the_same_value_one_is_refused(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws(), prefix="acme")
    store.keep(ref, ONE)
    seen = store._current_of(store._name(ref))
    store.keep(ref, TWO)
    late = AwsSecretsManagerStore(double.aws(), prefix="acme")
    late._current_of = lambda name: seen  # type: ignore[method-assign]  # what a paused writer had read before
    with pytest.raises(LostRaceError):
        late.keep(ref, secret_value({"token": "value-three"}))
    assert store.recall(ref) == TWO


def test_absent_shell_is_named_with_who_creates_it(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws(), prefix="acme")
    assert not store.describe(ref).exists
    with pytest.raises(NotFoundError):
        store.prepare(ref)
    with pytest.raises(NotFoundError) as caught:
        store.stage(ref, OperationId("op"), CandidateId("1-1"), ONE, fence=1)
    assert "lifecycle apply" in caught.value.remedy
    store.discard(ref, CandidateId("1-1"))
    store.purge(ref)


def test_writes_draw_on_the_shared_budget(double: Double, ref: SecretRef) -> None:
    waits: list[float] = []
    budget = RateBudget(1000, burst=1, monotonic=lambda: 0.0, sleep=waits.append)
    store = AwsSecretsManagerStore(double.aws(), prefix="acme", budget=budget)
    double.aws().writer("secretsmanager").create_secret(Name=f"acme/{ref.path}")
    store.prepare(ref)
    store.stage(ref, OperationId("op"), CandidateId("1-1"), ONE, fence=1)
    assert len(waits) == 2, "three writes, the first of them free"


def test_refused_login_and_closed_port_have_their_own_errors(double: Double, ref: SecretRef) -> None:
    wrong = AwsSecretsManagerStore(double.aws(secret_access_key=SecretText("canary-login")))
    with pytest.raises(AuthenticationError) as caught:
        wrong.describe(ref)
    assert "canary-login" not in str(caught.value)
    key = SecretText("x")
    closed = AwsConnection(
        region="eu-west-1",
        endpoint=f"http://127.0.0.1:{free_port()}",
        access_key_id=key,
        secret_access_key=key,
    )
    with pytest.raises(UnreachableError):
        AwsSecretsManagerStore(AwsClients(closed)).prepare(ref)


@pytest.mark.parametrize("text", ["plain text", '{"token": {"nested": true}, "count": 3}', "[1]"])
def test_values_of_other_tools_can_be_read(double: Double, ref: SecretRef, text: str) -> None:
    double.aws().writer("secretsmanager").create_secret(Name=ref.path, SecretString=text)
    found = AwsSecretsManagerStore(double.aws()).read(ref, VersionStage.CURRENT)
    assert found.summary.operation == ""
    assert found.value

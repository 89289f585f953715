"""What stands in the way of the AWS store: a denying resource policy, the versions cap, fifty writes a second."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.secret import CandidateId, OperationId, SecretRef, VersionStage, secret_value
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.secret_stores.aws_secrets_manager import AwsSecretsManagerStore
from tests.contract.sandbox_server import Double, running_double

VALUE = secret_value({"token": "value-one"})


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("aws-limits")) as running:
        yield running


@pytest.fixture
def ref(double: Double) -> SecretRef:
    name = f"limits-{uuid4()}"
    double.aws().writer("secretsmanager").create_secret(Name=name)
    return SecretRef(store="default", path=name)


class Denying:
    """Clients for which a resource policy of the secret denies some calls, as AWS answers that; the rest is real."""

    def __init__(self, real: AwsClients, *denied: str) -> None:
        self._real = real
        self._denied = denied

    def reader(self, service: str) -> Any:
        return self._watched(self._real.reader(service))

    def writer(self, service: str) -> Any:
        return self._watched(self._real.writer(service))

    def _watched(self, sdk: Any) -> Any:
        from botocore.exceptions import ClientError

        denied = self._denied

        class Sdk:
            def __getattr__(self, name: str) -> Any:
                if name not in denied:
                    return getattr(sdk, name)

                def refuse(**_arguments: Any) -> None:
                    said = "not authorized to perform this action with an explicit deny in a resource-based policy"
                    answer: Any = {
                        "Error": {"Code": "AccessDeniedException", "Message": said},
                        "ResponseMetadata": {"HTTPStatusCode": 400},
                    }
                    raise ClientError(answer, name)

                return refuse

        return Sdk()


def _denied(double: Double, *calls: str) -> AwsSecretsManagerStore:
    clients: Any = Denying(double.aws(), *calls)
    return AwsSecretsManagerStore(clients)


def test_denied_write_changes_nothing_and_names_the_policy(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws())
    store.prepare(ref)
    before = store.describe(ref)
    with pytest.raises(AuthenticationError) as caught:
        _denied(double, "put_secret_value").stage(ref, OperationId("op"), CandidateId("1-1"), VALUE, fence=1)
    assert "denying policy" in caught.value.remedy
    assert store.describe(ref) == before


def test_denied_label_leaves_the_value_unstaged_and_is_gone_on_with_later(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws())
    revision = store.prepare(ref)
    operation, candidate = OperationId("op"), CandidateId("1-1")
    with pytest.raises(AuthenticationError):
        _denied(double, "update_secret_version_stage").stage(ref, operation, candidate, VALUE, fence=1)
    assert store.describe(ref).pending == ()
    store.stage(ref, operation, candidate, VALUE, fence=1)
    with pytest.raises(AuthenticationError):
        _denied(double, "update_secret_version_stage").promote(ref, candidate, expected=revision)
    assert store.describe(ref).revision == revision
    store.promote(ref, candidate, expected=revision)
    assert store.read(ref, VersionStage.CURRENT).value == VALUE


def test_denied_read_is_no_empty_secret(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws())
    store.prepare(ref)
    with pytest.raises(AuthenticationError):
        _denied(double, "list_secret_version_ids").describe(ref)
    with pytest.raises(AuthenticationError):
        _denied(double, "get_secret_value").read(ref, VersionStage.CURRENT)


def test_versions_cap_never_takes_what_matters(double: Double, ref: SecretRef) -> None:
    store, sdk = AwsSecretsManagerStore(double.aws()), double.aws().writer("secretsmanager")
    revision = store.prepare(ref)
    store.stage(ref, OperationId("op"), CandidateId("1-1"), VALUE, fence=1)
    revision = store.promote(ref, CandidateId("1-1"), expected=revision)
    pending = secret_value({"token": "value-two"})
    waiting = store.stage(ref, OperationId("op-2"), CandidateId("1-1"), pending, fence=2)
    for number in range(110):  # another tool's versions, which lose their label at once
        sdk.put_secret_value(SecretId=ref.path, SecretString=f"{number}", VersionStages=["theirs"])
    assert store.read(ref, VersionStage.CURRENT).value == VALUE
    assert store.read(ref, waiting).value == pending
    store.promote(ref, CandidateId("1-1"), expected=revision)
    assert store.read(ref, VersionStage.CURRENT).value == pending
    assert store.read(ref, VersionStage.PREVIOUS).value == VALUE


def test_many_rotations_leave_no_labels_behind(double: Double, ref: SecretRef) -> None:
    store = AwsSecretsManagerStore(double.aws())
    revision = store.prepare(ref)
    for number in range(25):  # more than the 20 labels that one version may hold
        operation = OperationId(f"op-{number}")
        store.stage(ref, operation, CandidateId("1-1"), secret_value({"token": f"value-{number}"}), fence=number)
        revision = store.promote(ref, CandidateId("1-1"), expected=revision)
        store.seal(ref, expected=revision)
    listed = double.aws().reader("secretsmanager").list_secret_version_ids(SecretId=ref.path)["Versions"]
    labels = [label for item in listed for label in item.get("VersionStages", ())]
    assert len(labels) < 10, labels


def test_stores_and_threads_share_one_bucket_of_fifty_writes_a_second(double: Double) -> None:
    waits: list[float] = []
    budget = RateBudget(50, burst=10, monotonic=lambda: 0.0, sleep=waits.append)
    stores = [AwsSecretsManagerStore(double.aws(), prefix=name, budget=budget) for name in ("one", "two")]

    def work(store: AwsSecretsManagerStore, number: int) -> None:
        store.keep_once(SecretRef(store="default", path=f"kept-{number}"), VALUE)

    threads = [threading.Thread(target=work, args=(stores[number % 2], number)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == 10, "twenty writes, a burst of ten"
    assert max(waits) == pytest.approx(10 / 50), "the last one waits until its turn at fifty a second"

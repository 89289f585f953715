import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.domain.secret import SecretRef
from lifecycle.secret_stores.aws_secrets_manager import AwsSecretsManagerStore
from lifecycle.testing.store_contract import StoreBench, StoreContract
from tests.contract.sandbox_server import running_double


def _bench(clients: AwsClients) -> StoreBench:
    name = f"lifecycle/test/{uuid4()}"
    sdk = clients.writer("secretsmanager")
    sdk.create_secret(Name=name)

    def view() -> dict[str, object]:
        text = sdk.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
        document: dict[str, object] = json.loads(text)
        return document

    def foreign(fields: dict[str, str]) -> None:
        sdk.put_secret_value(SecretId=name, SecretString=json.dumps(fields))

    store = AwsSecretsManagerStore(clients, prefix="lifecycle/test/")
    ref = SecretRef(store="default", path=name.removeprefix("lifecycle/test/"))
    return StoreBench(store=store, ref=ref, consumer_view=view, foreign_write=foreign)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsClients]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as double:
        yield double.aws()


class TestOnStrictAws(StoreContract):
    """Against moto behind the shim that refuses what AWS refuses; moto alone moves labels wrongly."""

    @pytest.fixture
    def bench(self, clients: AwsClients) -> StoreBench:
        return _bench(clients)

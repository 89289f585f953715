from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.connectors.datarobot_data_store import NEW_VALUE, DataStoreSettings, DataStoreVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double

_LOGIN = {"username": "ingest", "password": "right-password"}


class Store:
    """A data store of the double in front of a fake database that accepts `_LOGIN`."""

    def __init__(self, double: Double) -> None:
        self.double = double
        self.token = double.bootstrap.datarobot.admin_key
        self.name = f"store-{uuid4()}"
        self.client = DataRobotClient(f"{double.url}/api/v2", self.token)
        params = {"driverId": "5a6af02eb15372000117c040", "jdbcUrl": "jdbc:postgresql://db.example/x"}
        body = {"type": "jdbc", "canonicalName": self.name, "params": params}
        self.id = self.client.post("/externalDataStores/", body)["id"]
        self.accept(password=_LOGIN["password"])

    def accept(self, *, password: str) -> None:
        """Say which password the fake database takes from now on."""
        headers = {"X-Control-Token": self.double.bootstrap.control_token.get_secret_value()}
        url = f"{self.double.url}/__control__/backends/{self.name}"
        with httpx.Client(trust_env=False) as client:
            client.put(url, json={"user": "ingest", "password": password}, headers=headers).raise_for_status()

    def keep(self, password: str) -> str:
        """Store a credential that is associated with it; gives its name."""
        name = f"credential-{uuid4()}"
        body = {"credentialType": "basic", "name": name, "user": "ingest", "password": password}
        made = self.client.post("/credentials/", body)
        added = {"credentialsToAdd": [{"objectId": self.id, "objectType": "dataconnection"}]}
        self.client.patch(f"/credentials/{made['credentialId']}/associations/", added)
        return name

    def make(self, url: str) -> DataStoreVerifier:
        """The verifier, as the administrator."""
        return DataStoreVerifier(DataRobotClient(f"{url}/api/v2", self.token), clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """Against the sandbox's double."""

    @pytest.fixture
    def bench(self, store: Store) -> ConnectorBench:
        return ConnectorBench(
            make=store.make,
            url=store.double.url,
            target=DataStoreSettings(data_store=store.name),
            valid=secret_value(_LOGIN),
            invalid=secret_value({**_LOGIN, "password": "wrong-password"}),
            proves=(NEW_VALUE,),
        )

    def test_without_a_value_every_stored_credential_is_tried(self, bench: ConnectorBench, store: Store) -> None:
        good = store.keep(_LOGIN["password"])
        assert bench.verify({}).proved == (f"login with {good}",)
        stale = store.keep("an-older-password")
        result = bench.verify({})
        assert result.status is VerificationStatus.INVALID
        assert (result.proved, result.not_proved) == ((f"login with {good}",), (f"login with {stale}",))

    def test_without_a_value_and_without_stored_ones_nothing_is_set_up(self, bench: ConnectorBench) -> None:
        assert bench.verify({}).reason is Reason.NOT_CONFIGURED

    def test_password_that_the_database_changed_is_found(self, bench: ConnectorBench, store: Store) -> None:
        store.accept(password="changed-there")
        assert bench.verify().reason is Reason.WRONG_VALUE

    def test_nothing_is_stored_by_a_test(self, bench: ConnectorBench, store: Store) -> None:
        before = len(store.client.list_all("/credentials/"))
        bench.verify()
        bench.verify(bench.invalid)
        assert len(store.client.list_all("/credentials/")) == before

    def test_store_that_is_not_there_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=DataStoreSettings(data_store="absent")).reason is Reason.NOT_CONFIGURED

    def test_value_without_the_fields_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ('FATAL: password authentication failed for user "ingest"', Reason.WRONG_VALUE),
            ("Incorrect username or password was specified.", Reason.WRONG_VALUE),
            ("java.net.UnknownHostException: db.example", Reason.NAME_NOT_RESOLVED),
            ("Connection refused. Check that the hostname and port are correct", Reason.CONNECTION_REFUSED),
            ("IP 1.2.3.4 is not allowed to access Snowflake", Reason.NETWORK_POLICY),
            ("User temporarily locked. Try again later", Reason.LOCKED),
            ("something new", Reason.AMBIGUOUS),
        ],
    )
    def test_texts_of_drivers(self, bench: ConnectorBench, store: Store, message: str, reason: Reason) -> None:
        path = f"/api/v2/externalDataStores/{store.id}/test/"
        store.double.fault(path=path, status=400, body={"message": message})
        assert bench.verify().reason is reason

    @pytest.mark.parametrize(("status", "reason"), [(401, Reason.NOT_CONFIGURED), (403, Reason.NO_PERMISSION)])
    def test_refusal_of_the_tools_own_key_judges_no_value(
        self, bench: ConnectorBench, store: Store, status: int, reason: Reason
    ) -> None:
        store.double.fault(path="/api/v2/externalDataStores/", status=status, body={"message": "no"})
        assert bench.verify().reason is reason


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as double:
        yield double


@pytest.fixture
def store(running: Double) -> Iterator[Store]:
    yield Store(running)
    running.clear_faults()

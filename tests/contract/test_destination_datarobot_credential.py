from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import datarobot
import httpx
import pytest

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.destinations.datarobot_credential import DataRobotCredential
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import ConfigurationError, LifecycleError, NotFoundError, RemoteServiceError
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import OperationId, SecretValue, secret_value
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.sandbox_server import Double, running_double

_FIELDS = {"user": "id", "password": "token"}
_OLD = {"user": "0", "password": "before"}
dr: Any = datarobot  # its package re-exports without saying so, which the type checker refuses


class CountingClient(DataRobotClient):
    """Counts what is changed."""

    patches = 0

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        self.patches += 1
        return super().patch(path, body)


@dataclass(kw_only=True)
class Place:
    """A credential object that is used with a data store, and the database behind it."""

    double: Double
    client: CountingClient
    name: str
    credential: str
    store: str
    kept: Kept = field(default_factory=Kept)

    def accept(self, value: SecretValue) -> None:
        """The database accepts this from now on, and nothing else."""
        plain = {theirs: value[ours].get_secret_value() for theirs, ours in _FIELDS.items()}
        headers = {"X-Control-Token": self.double.bootstrap.control_token.get_secret_value()}
        url = f"{self.double.url}/__control__/backends/{self.name}"
        httpx.put(url, json=plain, headers=headers, trust_env=False).raise_for_status()

    def stored_is(self, value: SecretValue) -> bool:
        """Whether DataRobot logs in with what it stores to a database that accepts just this value."""
        self.accept(value)
        answer = self.client.exchange(
            "POST", f"/externalDataStores/{self.store}/test/", body={"credentialId": self.credential}
        )
        return answer.status == 200

    def target(self, former: SecretValue | None = None, *, store: bool = True) -> DataRobotCredential:
        return DataRobotCredential(
            self.client,
            self.name,
            data_store=self.name if store else "",
            fields=_FIELDS,
            former=lambda: former,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseBench(DestinationBench):
    """The provider has made the target accept a value before it is delivered."""

    accept: Callable[[SecretValue], None]

    def deliver(self, value: SecretValue, fence: int, destination: CredentialDestination | None = None) -> None:
        self.accept(value)
        try:
            (destination or self.destination).deliver("agent", value, FINGERPRINT(value), OperationId("op"), fence)
        except LifecycleError:
            self.accept(ONE)  # another run had its way
            raise


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as running:
        yield running


@pytest.fixture
def place(double: Double) -> Iterator[Place]:
    client = CountingClient(f"{double.url}/api/v2", double.bootstrap.datarobot.admin_key)
    name = f"ingest-{uuid4().hex}"
    store = client.post(
        "/externalDataStores/", {"type": "jdbc", "canonicalName": name, "params": {"jdbcUrl": "jdbc:postgresql://db"}}
    )["id"]
    body = {"name": name, "credentialType": "basic", "description": "feature ingestion", **_OLD}
    credential = client.post("/credentials/", body)["credentialId"]
    added = {"credentialsToAdd": [{"objectId": store, "objectType": "dataconnection"}]}
    client.patch(f"/credentials/{credential}/associations/", added)
    client.patches = 0
    yield Place(double=double, client=client, name=name, credential=credential, store=store)
    double.clear_faults()


class TestOnDouble(DestinationContract):
    """Against the sandbox's DataRobot."""

    @pytest.fixture
    def bench(self, place: Place) -> DestinationBench:
        return DatabaseBench(
            destination=NotedCopy(place.target(), place.kept),
            again=NotedCopy(place.target(), place.kept),
            holds=place.stored_is,
            effects=lambda: place.client.patches,
            accept=place.accept,
        )


def test_id_name_description_and_associations_stay(place: Place) -> None:
    before = place.client.get(f"/credentials/{place.credential}/")
    associated = place.client.list_all(f"/credentials/{place.credential}/associations/")
    place.accept(ONE)
    deliver(place.target(), place.kept, ONE)
    assert place.client.get(f"/credentials/{place.credential}/") == before
    assert place.client.list_all(f"/credentials/{place.credential}/associations/") == associated


def test_official_client_finds_the_same_object_after_a_delivery(place: Place) -> None:
    place.accept(ONE)
    deliver(place.target(), place.kept, ONE)
    token = place.double.bootstrap.datarobot.admin_key.get_secret_value()
    with dr.client.client_configuration(endpoint=f"{place.double.url}/api/v2", token=token, max_retries=0):
        found = dr.Credential.get(place.credential)
        tested = dr.DataStore.get(place.store).test(credential_id=place.credential)
    assert (found.name, found.description) == (place.name, "feature ingestion")
    assert tested == {"message": "Connection successful"}


def test_value_that_the_database_refuses_is_not_stored(place: Place) -> None:
    place.accept(TWO)
    said = deliver(place.target(), place.kept, ONE).acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert (said.fingerprint, "refuses the new value" in said.failing) == (FINGERPRINT(ONE), True)
    assert place.client.patches == 0


def test_former_value_is_put_back_when_the_stored_one_fails(place: Place) -> None:
    place.accept(ONE)
    deliver(place.target(), place.kept, ONE)
    # The first test (with the value itself) answers, the second (of what was stored) is refused.
    refusal = {"message": "Unable to connect: invalid credentials."}
    place.accept(TWO)
    place.double.fault(method="POST", path="*/test/", status=400, body=refusal, skip=1)
    said = deliver(place.target(ONE), place.kept, TWO, 2).acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert "cannot log in" in said.failing
    assert place.stored_is(ONE)


def test_test_that_says_nothing_about_the_value_changes_nothing(place: Place) -> None:
    with pytest.raises(RemoteServiceError, match="says nothing about the value") as caught:
        deliver(place.target(), place.kept, ONE)  # the store has no database
    assert (caught.value.retryable, place.client.patches) == (True, 0)
    assert NotedCopy(place.target(), place.kept).acknowledged("agent") is NotKnown.NOT_YET


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_the_change_is_finished_by_the_next_run(place: Place, fails_at: int) -> None:
    place.accept(ONE)
    place.kept.fails_at = fails_at
    with pytest.raises(KilledError):
        deliver(place.target(), place.kept, ONE)
    assert NotedCopy(place.target(), place.kept).acknowledged("agent") is NotKnown.NOT_YET
    said = deliver(place.target(), place.kept, ONE, 2).acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert place.stored_is(ONE)


def test_change_whose_answer_was_lost_is_sent_again(place: Place) -> None:
    place.accept(ONE)
    place.double.fault(method="PATCH", path="*/credentials/*", when="after", reset=True)
    with pytest.raises(LifecycleError):
        deliver(place.target(), place.kept, ONE)
    deliver(place.target(), place.kept, ONE)
    assert place.stored_is(ONE)


def test_secret_changed_by_a_person_is_no_acknowledgement(place: Place) -> None:
    place.accept(ONE)
    destination = deliver(place.target(), place.kept, ONE)
    place.client.patch(f"/credentials/{place.credential}/", {"password": "by hand"})
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("op"), 1)
    assert place.stored_is(ONE)


def test_without_a_data_store_the_answer_acknowledges(place: Place) -> None:
    said = deliver(place.target(store=False), place.kept, ONE).acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert place.stored_is(ONE)


def test_absent_object_and_unfit_value_are_named(place: Place) -> None:
    absent = DataRobotCredential(place.client, "absent", former=lambda: None)
    with pytest.raises(NotFoundError, match="no DataRobot credential absent"):
        deliver(absent, Kept(), ONE)
    absent.take_away("agent", OperationId("op"), 1)
    unfit = DataRobotCredential(place.client, place.name, former=lambda: None)
    with pytest.raises(ConfigurationError, match="needs password, username"):
        deliver(unfit, Kept(), ONE)


def test_value_shows_nowhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    canary = secret_value({"id": "u", "token": "canary-7f3a"})
    place.accept(canary)
    caplog.set_level("DEBUG")
    deliver(place.target(), place.kept, canary)
    place.double.fault(method="PATCH", path="*/credentials/*", status=422, body={"message": "canary-7f3a"})
    with pytest.raises(LifecycleError) as caught:
        deliver(place.target(), Kept(), canary)
    place.double.clear_faults()
    assert "canary-7f3a" not in f"{place.kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text}"

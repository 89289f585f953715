import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from datarobot.auth.datarobot.oauth import SyncOAuth

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.destinations.datarobot_oauth_provider import DataRobotOAuthProvider
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import AuthenticationError, ConfigurationError, LifecycleError, NotFoundError
from lifecycle.domain.secret import OperationId, SecretText, SecretValue, secret_value
from lifecycle.sandbox.datarobot_api import ORGANIZATION_ID, SERVICE_USERS
from lifecycle.sandbox.datarobot_state import DataRobotState
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.sandbox_server import Double, running_double


class CountingClient(DataRobotClient):
    """Counts what is changed."""

    patches = 0

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        self.patches += 1
        return super().patch(path, body)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A provider that our user has added, and the file in which the double keeps digests."""

    double: Double
    client: CountingClient
    provider: str
    state: Path

    def holds(self, value: SecretValue) -> bool:
        state = DataRobotState.load(self.state, time.time)
        given = state.digests({"clientSecret": value["token"].get_secret_value()})
        return bool(state.table("oauthProviders")[self.provider]["digests"] == given)

    def target(
        self, provider: str = "", client: DataRobotClient | None = None, **fields: str
    ) -> DataRobotOAuthProvider:
        fields = {"field": "token", **fields}
        return DataRobotOAuthProvider(client or self.client, provider or self.provider, **fields)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Double, Path]]:
    folder = tmp_path_factory.mktemp("datarobot")
    with running_double("datarobot", folder) as double:
        yield double, next(folder.rglob("state.json"))


@pytest.fixture
def place(running: tuple[Double, Path]) -> Iterator[Place]:
    double, state = running
    client = CountingClient(f"{double.url}/api/v2", double.bootstrap.datarobot.admin_key)
    body = {"name": f"github-{uuid4().hex}", "type": "github", "clientId": "1", "clientSecret": "before"}
    provider = client.post("/externalOAuth/providers/", body)["id"]
    yield Place(double=double, client=client, provider=provider, state=state)
    double.clear_faults()


class TestOnDouble(DestinationContract):
    """Against the sandbox's DataRobot."""

    @pytest.fixture
    def bench(self, place: Place) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(place.target(), kept),
            again=NotedCopy(place.target(), kept),
            holds=place.holds,
            effects=lambda: place.client.patches,
        )


def test_official_client_finds_the_same_provider_after_a_delivery(place: Place) -> None:
    deliver(place.target(client_id_field="id"), Kept(), ONE)
    token = place.double.bootstrap.datarobot.admin_key.get_secret_value()
    endpoint = f"{place.double.url}/api/v2"
    with SyncOAuth([place.provider], datarobot_endpoint=endpoint, datarobot_api_token=token) as oauth:
        (found,) = oauth.get_providers()
    assert (found.id, found.client_id, found.status) == (place.provider, "1", "active")


def test_value_of_another_client_is_refused(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="is of client 1"):
        deliver(place.target(client_id_field="id"), Kept(), TWO)
    with pytest.raises(ConfigurationError, match="needs client_secret"):
        deliver(place.target(field="client_secret"), Kept(), ONE)
    assert place.client.patches == 0


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_is_finished_by_the_next_run(place: Place, fails_at: int) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(place.target(), kept, ONE)
    assert NotedCopy(place.target(), kept).acknowledged("agent") is NotKnown.NOT_YET
    assert isinstance(deliver(place.target(), kept, ONE, 2).acknowledged("agent"), Acknowledgement)
    assert place.holds(ONE)


def test_lost_answer_is_resolved_by_sending_again(place: Place) -> None:
    kept = Kept()
    place.double.fault(method="PATCH", path="*/externalOAuth/*", when="after", reset=True)
    with pytest.raises(LifecycleError):
        deliver(place.target(), kept, ONE)
    assert isinstance(deliver(place.target(), kept, ONE).acknowledged("agent"), Acknowledgement)


def test_provider_changed_by_a_person_is_no_acknowledgement(place: Place) -> None:
    destination = deliver(place.target(), Kept(), ONE)
    place.client.patch(f"/externalOAuth/providers/{place.provider}/", {"clientSecret": "by hand"})
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("op"), 1)
    assert place.holds(ONE)
    place.client.delete(f"/externalOAuth/providers/{place.provider}/")
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.withdraw("agent", OperationId("end"), 2)


def test_provider_of_another_user_and_an_absent_one_are_named(place: Place) -> None:
    users = place.client.list_all(f"/organizations/{ORGANIZATION_ID}/users/")
    user = next(item["id"] for item in users if item["username"] == SERVICE_USERS[0])
    key = place.client.post("/account/apiKeys/", {"name": uuid4().hex, "userId": user})["key"]
    other = DataRobotClient(f"{place.double.url}/api/v2", SecretText(key))
    with pytest.raises(AuthenticationError, match="403"):
        deliver(place.target(client=other), Kept(), ONE)
    with pytest.raises(NotFoundError):
        deliver(place.target("absent"), Kept(), ONE)


def test_fields_are_checked_in_the_words_of_the_service(place: Place) -> None:
    answer = place.client.exchange("POST", "/externalOAuth/providers/", body={"name": "n", "type": "github"})
    assert answer.status == 422
    assert answer.document()["errorFields"] == [{"name": "clientId", "message": "is required"}]
    body = {"name": "n", "type": "other", "clientId": "1", "clientSecret": "s"}
    assert place.client.exchange("POST", "/externalOAuth/providers/", body=body).status == 422
    path = f"/externalOAuth/providers/{place.provider}/"
    assert place.client.exchange("PATCH", path, body={"clientId": "2"}).status == 422


def test_value_shows_nowhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    canary, kept = secret_value({"id": "1", "token": "canary-a9f2"}), Kept()
    deliver(place.target(), kept, canary)
    place.double.fault(method="PATCH", path="*/externalOAuth/*", status=422, body={"message": "canary-a9f2"})
    with pytest.raises(LifecycleError) as caught:
        deliver(place.target(), Kept(), canary)
    shown = json.dumps(place.client.get(f"/externalOAuth/providers/{place.provider}/"))
    told = f"{kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text} {shown}"
    assert "canary-a9f2" not in told + place.state.read_text()

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.clients.web import WebClient
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.destinations.webhook import REPLAY_WINDOW, SIGNATURE, WebhookTarget
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import (
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    RemoteServiceError,
    UnreachableError,
)
from lifecycle.domain.secret import OperationId, SecretText, SecretValue
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.http_doubles import Reply, Request, http_double

_KEY = SecretText("b7" * 32)
_NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)


@dataclass
class Receiver:
    """Does what the documentation asks of a receiver. `takes_up` false: it never fetches the new value."""

    holds: str = ""
    fence: int = 0
    takes_up: bool = True
    failing: str = ""
    now: datetime = _NOW
    lose_answer_of: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[bytes, str]] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.raw.append((request.body, request.headers[SIGNATURE]))
        return self.judge(request.body, request.headers[SIGNATURE])

    def judge(self, body: bytes, header: str) -> Reply:
        parts = dict(part.split("=", 1) for part in header.split(","))
        made = hmac.new(_KEY.get_secret_value().encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
        late = abs(self.now.timestamp() - int(parts["t"])) > REPLAY_WINDOW.total_seconds()
        if late or not hmac.compare_digest(made, parts["v1"]):
            return Reply(status=401)
        message = json.loads(body)
        if message["fence"] < self.fence:
            return Reply(status=409)
        self.fence = message["fence"]
        self.told.append(message)
        if message["event"] == "rotated" and self.takes_up:
            self.holds = message["fingerprint"]
        elif message["event"] == "withdrawn" and self.takes_up:
            self.holds = ""
        if message["event"] == self.lose_answer_of:
            return Reply(status=502)
        return Reply(body=json.dumps({"holds": self.holds, "failing": self.failing}).encode())

    def events(self, name: str) -> int:
        return sum(message["event"] == name for message in self.told)

    def has(self, value: SecretValue) -> bool:
        return self.holds == FINGERPRINT(value)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with http_double(receiver.answer) as base:
        yield f"{base}/hooks/agent"


def _target(url: str, *, key: SecretText = _KEY) -> WebhookTarget:
    return WebhookTarget(
        url,
        credential="agent-key",
        key=lambda: key,
        version=lambda: "17",
        clock=lambda: _NOW,
        web=WebClient(timeout=timedelta(seconds=5)),
    )


class TestWebhook(DestinationContract):
    """Against a receiver that checks signature, time and fence."""

    @pytest.fixture
    def bench(self, receiver: Receiver, url: str) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_target(url), kept),
            again=NotedCopy(_target(url), kept),
            holds=receiver.has,
            effects=lambda: receiver.events("rotated"),
        )


def test_message_names_the_value_and_does_not_carry_it(receiver: Receiver, url: str) -> None:
    deliver(_target(url), Kept(), ONE, 3)
    assert receiver.told == [
        {
            "event": "rotated",
            "credential": "agent-key",
            "consumer": "agent",
            "version": "17",
            "fingerprint": FINGERPRINT(ONE),
            "operation": "op",
            "fence": 3,
            "sent_at": "2026-11-24T18:00:00Z",
        }
    ]
    assert b"value-one" not in receiver.raw[0][0]


def test_message_with_another_key_or_out_of_the_window_is_refused(receiver: Receiver, url: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        deliver(_target(url, key=SecretText("other")), Kept(), ONE)
    assert "signing key" in caught.value.remedy
    receiver.now = _NOW + REPLAY_WINDOW + timedelta(seconds=1)
    with pytest.raises(AuthenticationError):
        deliver(_target(url), Kept(), ONE)
    assert receiver.told == []


def test_replay_inside_the_window_falls_under_the_fence(receiver: Receiver, url: str) -> None:
    destination = deliver(_target(url), Kept(), ONE, 1)
    destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("later"), 2)
    destination.withdraw("agent", OperationId("end"), 3)
    body, header = receiver.raw[0]
    assert receiver.judge(body, header).status == 409
    assert receiver.judge(body.replace(b'"fence": 1', b'"fence": 9'), header).status == 401
    assert receiver.holds == ""


def test_receiver_that_was_told_but_has_not_taken_up_is_waited_for(receiver: Receiver, url: str) -> None:
    receiver.takes_up = False
    destination = deliver(_target(url), Kept(), ONE)
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    receiver.holds = FINGERPRINT(ONE)
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    with pytest.raises(RemoteServiceError, match="still holds a value"):
        destination.withdraw("agent", OperationId("end"), 2)


@pytest.mark.parametrize(("word", "shown"), [("refused_by_db", "refused_by_db"), ("pw=value-one", "no reason")])
def test_receiver_that_fails_says_so_in_one_word(receiver: Receiver, url: str, word: str, shown: str) -> None:
    receiver.failing = word
    said = deliver(_target(url), Kept(), ONE).acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert shown in said.failing
    assert "value-one" not in said.failing


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_the_message_is_finished_by_the_next_run(
    receiver: Receiver, url: str, fails_at: int
) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_target(url), kept, ONE)
    assert NotedCopy(_target(url), kept).acknowledged("agent") is NotKnown.NOT_YET
    assert isinstance(deliver(_target(url), kept, ONE, 2).acknowledged("agent"), Acknowledgement)
    assert receiver.has(ONE)


def test_lost_answer_is_asked_again(receiver: Receiver, url: str) -> None:
    receiver.lose_answer_of = "rotated"
    kept = Kept()
    with pytest.raises(RemoteServiceError) as caught:
        deliver(_target(url), kept, ONE)
    assert caught.value.retryable
    receiver.lose_answer_of = ""
    assert isinstance(deliver(_target(url), kept, ONE).acknowledged("agent"), Acknowledgement)


@pytest.mark.parametrize("status", [302, 404])
def test_other_answers_are_refusals_and_a_redirect_is_not_followed(status: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(status=status, headers={"Location": "/elsewhere"}, body=b"value-one")

    with http_double(answer) as base, pytest.raises(RemoteServiceError, match=str(status)) as caught:
        deliver(_target(f"{base}/hook"), Kept(), ONE)
    assert asked == ["/hook"]
    assert "value-one" not in repr(caught.value)


def test_unreachable_and_unsafe_receivers_are_named() -> None:
    with http_double(lambda _: Reply()) as gone:
        pass
    with pytest.raises(UnreachableError):
        deliver(_target(gone), Kept(), ONE)
    with pytest.raises(ConfigurationError, match="webhook"):
        _target("http://acme.example/hook")
    with pytest.raises(LifecycleError, match="login in its address"):
        _target("https://user:pass@acme.example/hook")

from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from lifecycle.connectors.rabbitmq_spooler import (
    DEPTH,
    LOGIN,
    QUEUE,
    RECEIVE,
    SEND,
    RabbitMqSpoolerSettings,
    RabbitMqSpoolerVerifier,
    closed_reason,
)
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.rabbitmq import RabbitMq, RabbitMqUser


class At:
    """The verifier at another address than the target's."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def verify(
        self, target: RabbitMqSpoolerSettings, value: SecretValue, *, deadline: object, via: Egress | None
    ) -> VerificationResult:
        place = {"host": self._url.hostname, "port": self._url.port, "tls": self._url.scheme == "amqps"}
        verifier = RabbitMqSpoolerVerifier(clock=lambda: NOW)
        return verifier.verify(target.model_copy(update=place), value, deadline=deadline, via=via)  # type: ignore[arg-type]  # as it came


def _value(user: RabbitMqUser) -> SecretValue:
    return secret_value({"username": user.name, "password": user.password})


def _queue(rabbitmq: RabbitMq) -> str:
    name = f"spool-{uuid4()}"
    rabbitmq.call("PUT", f"/queues/%2F/{name}").raise_for_status()
    return name


def _publish(rabbitmq: RabbitMq, queue: str) -> None:
    message: dict[str, Any] = {
        "properties": {},
        "routing_key": queue,
        "payload": "spooled",
        "payload_encoding": "string",
    }
    rabbitmq.call("POST", "/exchanges/%2F/amq.default/publish", **message).raise_for_status()


class TestOnRabbitMq(ConnectorContract):
    """Against the real broker, over TLS."""

    @pytest.fixture
    def user(self, rabbitmq: RabbitMq) -> RabbitMqUser:
        return rabbitmq.fresh_user()

    @pytest.fixture
    def bench(self, rabbitmq: RabbitMq, user: RabbitMqUser) -> ConnectorBench:
        return ConnectorBench(
            make=At,
            url=f"amqps://127.0.0.1:{rabbitmq.tls_port}",
            target=RabbitMqSpoolerSettings(host="127.0.0.1", queue=_queue(rabbitmq), ca_file=str(rabbitmq.ca_file)),
            valid=_value(user),
            invalid=_value(replace(user, password="wrong-password")),
            proves=(LOGIN, QUEUE, SEND, RECEIVE, DEPTH),
        )

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("429 Too Many Requests", Reason.AMBIGUOUS), ("503 Service Unavailable", Reason.AMBIGUOUS)],
    )
    def test_overload_judges_nothing(self, bench: ConnectorBench, status: str, reason: Reason) -> None:
        with raw_server(page(status)) as busy:
            assert bench.verify(bench.invalid, url=busy).reason is reason

    def test_nothing_is_left_and_nothing_taken(self, bench: ConnectorBench, rabbitmq: RabbitMq) -> None:
        queue = bench.target.queue
        _publish(rabbitmq, queue)
        results = [bench.verify() for _ in range(3)]
        assert {item.status for item in results} == {VerificationStatus.VALID}
        assert results[0].proved == (LOGIN, QUEUE, SEND, DEPTH)
        options: dict[str, Any] = {"count": 10, "ackmode": "ack_requeue_false", "encoding": "auto"}
        read = rabbitmq.call("POST", f"/queues/%2F/{queue}/get", **options).json()
        assert [(message["payload"], message["redelivered"]) for message in read] == [("spooled", False)]

    @pytest.mark.parametrize(
        ("write", "read", "proved"), [("^$", ".*", (LOGIN, QUEUE)), (".*", "^$", (LOGIN, QUEUE, SEND))]
    )
    def test_missing_right_is_told(
        self,
        bench: ConnectorBench,
        rabbitmq: RabbitMq,
        user: RabbitMqUser,
        write: str,
        read: str,
        proved: tuple[str, ...],
    ) -> None:
        path = f"/permissions/%2F/{quote(user.name)}"
        rabbitmq.call("PUT", path, configure="^$", write=write, read=read).raise_for_status()
        result = bench.verify()
        assert (result.reason, result.proved, result.detail) == (Reason.NO_PERMISSION, proved, "AMQP 403")

    def test_absent_queue_and_exchange_and_vhost_are_wrong_settings(self, bench: ConnectorBench) -> None:
        for change in ({"queue": "absent"}, {"exchange": "absent"}, {"vhost": "absent"}):
            result = bench.verify(target=bench.target.model_copy(update=change))
            assert result.reason is Reason.NOT_CONFIGURED, result

    def test_foreign_vhost_is_a_missing_right(self, bench: ConnectorBench, rabbitmq: RabbitMq) -> None:
        vhost = f"vhost-{uuid4()}"
        rabbitmq.call("PUT", f"/vhosts/{vhost}").raise_for_status()
        assert bench.verify(target=bench.target.model_copy(update={"vhost": vhost})).reason is Reason.NO_PERMISSION

    def test_exchange_that_routes_every_key_is_told(self, bench: ConnectorBench, rabbitmq: RabbitMq) -> None:
        name = f"fanout-{uuid4()}"
        rabbitmq.call("PUT", f"/exchanges/%2F/{name}", type="fanout").raise_for_status()
        rabbitmq.call("POST", f"/bindings/%2F/e/{name}/q/{bench.target.queue}").raise_for_status()
        result = bench.verify(target=bench.target.model_copy(update={"exchange": name}))
        assert result.reason is Reason.NOT_CONFIGURED
        assert "routes every key" in result.detail

    def test_too_many_waiting_messages_are_told(self, bench: ConnectorBench, rabbitmq: RabbitMq) -> None:
        for _ in range(2):
            _publish(rabbitmq, bench.target.queue)
        result = bench.verify(target=bench.target.model_copy(update={"most_waiting": 1}))
        assert result.reason is Reason.NOT_CONFIGURED
        assert result.detail == "2 messages wait, 0 consumers: no agent empties the queue"

    def test_untrusted_certificate_and_plain_port_judge_nothing(
        self, bench: ConnectorBench, rabbitmq: RabbitMq
    ) -> None:
        untrusted = bench.verify(target=bench.target.model_copy(update={"ca_file": ""}))
        assert untrusted.reason is Reason.TLS_UNKNOWN_ISSUER
        plain = bench.verify(url=f"amqps://127.0.0.1:{rabbitmq.port}")
        assert plain.status is VerificationStatus.INDETERMINATE

    def test_other_protocol_version_is_told(self, bench: ConnectorBench) -> None:
        with raw_server(b"AMQP\x00\x01\x00\x00") as other:
            assert bench.verify(url=other).reason is Reason.VERSION_NOT_SUPPORTED

    def test_value_without_a_login_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED


def test_plain_connections_stay_on_this_machine() -> None:
    with pytest.raises(ValueError, match="in clear"):
        RabbitMqSpoolerSettings(host="broker.example", queue="q", tls=False)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN", Reason.WRONG_VALUE),
        (0, "", Reason.AMBIGUOUS),
        (403, "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'svc'", Reason.NO_PERMISSION),
        (530, "NOT_ALLOWED - vhost absent not found", Reason.NOT_CONFIGURED),
        (530, "NOT_ALLOWED - access to vhost 'x' refused for user 'svc'", Reason.NO_PERMISSION),
        (530, "NOT_ALLOWED - access to vhost 'x' refused for user: connection limit (5) is reached", Reason.THROTTLED),
        (320, "CONNECTION_FORCED - credential expired", Reason.EXPIRED),
        (541, "INTERNAL_ERROR - access to vhost 'x' refused for user 'svc': vhost 'x' is down", Reason.SERVICE_FAULT),
        (405, "RESOURCE_LOCKED - cannot obtain exclusive access", Reason.AMBIGUOUS),
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", Reason.NOT_CONFIGURED),
    ],
)
def test_codes(code: int, text: str, reason: Reason) -> None:
    assert closed_reason(code, text, username="svc", local=False) is reason


def test_guest_from_afar_is_refused_for_where_it_comes_from() -> None:
    text = "ACCESS_REFUSED - Login was refused"
    assert closed_reason(403, text, username="guest", local=False) is Reason.NETWORK_POLICY
    assert closed_reason(403, text, username="guest", local=True) is Reason.WRONG_VALUE

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import AclOperation, ScramMechanism

from lifecycle.connectors.kafka_spooler import (
    DEPTH,
    LOGIN,
    RECEIVE,
    SEND,
    TOPIC,
    KafkaSpoolerSettings,
    KafkaSpoolerVerifier,
)
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.kafka import Kafka, KafkaUser


class At:
    """The verifier at another address than the target's."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def verify(
        self, target: KafkaSpoolerSettings, value: SecretValue, *, deadline: object, via: Egress | None
    ) -> VerificationResult:
        place = {"bootstrap": (self._url.netloc,), "tls": self._url.scheme == "tls"}
        verifier = KafkaSpoolerVerifier(clock=lambda: NOW)
        return verifier.verify(target.model_copy(update=place), value, deadline=deadline, via=via)  # type: ignore[arg-type]  # as it came


def _value(user: KafkaUser) -> SecretValue:
    return secret_value({"username": user.name, "password": user.password})


def _target(kafka: Kafka, topic: str, **settings: Any) -> KafkaSpoolerSettings:
    given = {"bootstrap": (f"127.0.0.1:{kafka.tls_port}",), "topic": topic, "ca_file": str(kafka.ca_file), **settings}
    return KafkaSpoolerSettings.model_validate(given)


def _verify(target: KafkaSpoolerSettings, value: SecretValue) -> VerificationResult:
    return KafkaSpoolerVerifier(clock=lambda: NOW).verify(target, value, deadline=LONG, via=None)


def _mechanism(name: str) -> ScramMechanism:
    return {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}[name]


class TestOnKafka(ConnectorContract):
    """Against a real broker, over TLS, as an agent that sends and receives in a group."""

    @pytest.fixture
    def user(self, kafka: Kafka) -> KafkaUser:
        return kafka.fresh_user()

    @pytest.fixture
    def bench(self, kafka: Kafka, user: KafkaUser) -> ConnectorBench:
        topic = kafka.fresh_topic()
        kafka.allow(user, AclOperation.WRITE, "topic", topic)
        kafka.allow(user, AclOperation.READ, "topic", topic)
        kafka.allow(user, AclOperation.READ, "group", topic)
        return ConnectorBench(
            make=At,
            url=f"tls://127.0.0.1:{kafka.tls_port}",
            target=_target(kafka, topic, group=topic, can=("send", "receive")),
            valid=_value(user),
            invalid=_value(replace(user, password="wrong-password")),
            proves=(LOGIN, TOPIC, SEND, RECEIVE, DEPTH),
        )

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("429 Too Many Requests", Reason.AMBIGUOUS), ("503 Service Unavailable", Reason.AMBIGUOUS)],
    )
    def test_overload_judges_nothing(self, bench: ConnectorBench, status: str, reason: Reason) -> None:
        with raw_server(page(status)) as busy:
            assert bench.verify(bench.invalid, url=busy).reason is reason

    def test_nothing_is_left_and_nothing_taken(self, bench: ConnectorBench, kafka: Kafka) -> None:
        kafka.send(bench.target.topic, 3)
        results = [bench.verify() for _ in range(2)]
        assert {(item.status, item.detail) for item in results} == {(VerificationStatus.VALID, "3 messages wait")}

    def test_too_many_waiting_messages_are_told(self, bench: ConnectorBench, kafka: Kafka) -> None:
        kafka.send(bench.target.topic, 2)
        result = bench.verify(target=bench.target.model_copy(update={"most_waiting": 1}))
        assert (result.reason, result.not_proved) == (Reason.NOT_CONFIGURED, (DEPTH,))
        assert result.detail == "2 messages wait: no agent empties the topic"

    def test_untrusted_certificate_other_name_and_plain_port_judge_nothing(
        self, bench: ConnectorBench, kafka: Kafka
    ) -> None:
        untrusted = bench.verify(target=bench.target.model_copy(update={"ca_file": ""}))
        assert untrusted.reason is Reason.TLS_UNKNOWN_ISSUER
        elsewhere = bench.verify(url=f"tls://127.0.0.2:{kafka.tls_port}")
        assert elsewhere.reason in (Reason.TLS_NAME_MISMATCH, Reason.CONNECTION_REFUSED)
        plain = bench.verify(url=f"tls://127.0.0.1:{kafka.plain_port}")
        assert plain.status is VerificationStatus.INDETERMINATE

    def test_brokers_that_are_down_or_silent_are_passed_over(self, bench: ConnectorBench) -> None:
        up = bench.target.bootstrap[0]
        with raw_server(None) as silent:
            brokers = ("127.0.0.1:1", urlsplit(silent).netloc, up)
            target = bench.target.model_copy(update={"bootstrap": brokers})
            found = KafkaSpoolerVerifier(clock=lambda: NOW).verify(
                target, bench.valid, deadline=timedelta(seconds=9), via=None
            )
        assert found.status is VerificationStatus.VALID

    def test_value_without_a_login_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED

    def test_absent_client_is_told(self, bench: ConnectorBench, tmp_path: Path) -> None:
        (tmp_path / "python").write_text("#!/bin/sh\necho '{\"missing\": true}'\n")
        (tmp_path / "python").chmod(0o755)
        verifier = KafkaSpoolerVerifier(clock=lambda: NOW, python=str(tmp_path / "python"))
        result = verifier.verify(bench.target, bench.valid, deadline=LONG, via=None)
        assert result.reason is Reason.NOT_CONFIGURED
        assert "not installed" in result.detail


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_each_kind_of_scram_logs_in(kafka: Kafka, mechanism: str) -> None:
    user, topic = kafka.fresh_user(_mechanism(mechanism)), kafka.fresh_topic(partitions=2)
    kafka.allow(user, AclOperation.WRITE, "topic", topic)
    assert _verify(_target(kafka, topic, mechanism=mechanism), _value(user)).proved == (LOGIN, TOPIC, SEND)


def test_plain_logs_in_over_tls_and_is_refused_with_another_password(kafka: Kafka) -> None:
    topic, user = kafka.fresh_topic(), kafka.fixed_user
    kafka.allow(user, AclOperation.WRITE, "topic", topic)
    target = _target(kafka, topic, mechanism="PLAIN")
    assert _verify(target, _value(user)).status is VerificationStatus.VALID
    refused = _verify(target, _value(replace(user, password="wrong")))
    assert (refused.reason, refused.proved) == (Reason.WRONG_VALUE, ())


def test_connection_string_goes_by_plain_as_the_user_of_event_hubs(kafka: Kafka) -> None:
    refused = _verify(_target(kafka, "hub", can=()), secret_value({"connection_string": "Endpoint=sb://acme/"}))
    assert refused.reason is Reason.WRONG_VALUE


def test_mechanism_that_the_listener_lacks_is_told(kafka: Kafka) -> None:
    place = (f"127.0.0.1:{kafka.plain_port}",)
    target = _target(kafka, "any", bootstrap=place, tls=False, mechanism="PLAIN")
    assert _verify(target, _value(kafka.fixed_user)).reason is Reason.VERSION_NOT_SUPPORTED


def test_missing_rights_are_told(kafka: Kafka) -> None:
    user, topic = kafka.fresh_user(), kafka.fresh_topic()
    target = _target(kafka, topic, can=("send", "receive"), group=topic)
    hidden = _verify(target, _value(user))
    assert (hidden.reason, hidden.proved, hidden.detail) == (Reason.NO_PERMISSION, (LOGIN,), "Kafka error 29")
    kafka.allow(user, AclOperation.READ, "topic", topic)
    group = _verify(target, _value(user))
    assert (group.reason, group.detail) == (Reason.NO_PERMISSION, "Kafka error 30")
    kafka.allow(user, AclOperation.DESCRIBE, "group", topic)
    reader = _verify(target, _value(user))
    assert (reader.reason, reader.not_proved) == (Reason.NO_PERMISSION, (SEND, DEPTH))
    kafka.allow(user, AclOperation.WRITE, "topic", topic)
    without = _verify(target, _value(user))
    assert (without.reason, without.detail) == (Reason.NO_PERMISSION, "the group does not grant READ")
    assert without.not_proved == (RECEIVE, DEPTH)


def test_absent_topic_is_not_made(kafka: Kafka) -> None:
    user = kafka.fresh_user()
    kafka.allow(user, AclOperation.ALL, "topic", "absent")
    result = _verify(_target(kafka, "absent"), _value(user))
    assert (result.reason, result.proved) == (Reason.NOT_CONFIGURED, (LOGIN,))
    assert "absent" not in kafka.topics()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bootstrap": ("broker.example:9092",), "tls": False}, "in clear"),
        ({"bootstrap": ("broker.example",)}, "HOST:PORT"),
        ({"bootstrap": ("broker.example:9092/x",)}, "HOST:PORT"),
        ({"bootstrap": ()}, "at least 1"),
        ({"most_waiting": 5}, "needs the `group`"),
    ],
)
def test_unsound_settings_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KafkaSpoolerSettings.model_validate({"bootstrap": ("b.example:9093",), "topic": "t", **change})

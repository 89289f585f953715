"""A Kafka spooler, also Event Hubs' Kafka endpoint: login, the topic, the rights on it, what waits.

Nothing is sent, fetched or joined: the brokers tell what a user may do. Event Hubs does not; there `can: []` leaves
login, topic and depth. Kafka says the same of a topic that is absent and of one that a user may not see.

Sources of the codes: Errors.java (Apache Kafka); SaslServerAuthenticator's texts; librdkafka rdkafka.h for the negative
ones; Event Hubs' texts as reported to azure-event-hubs-for-kafka (253) and fluent-bit (3978).
"""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lifecycle.clients.endpoints import is_loopback
from lifecycle.clients.kafka_driver import KafkaDriver, KafkaFindings, KafkaLogin, KafkaTarget
from lifecycle.connectors.probing import Probe
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN, TOPIC, SEND, RECEIVE, DEPTH = "login", "topic", "send", "receive", "depth"
_EVENT_HUBS_USER = "$ConnectionString"
_NEEDS = {SEND: "WRITE", RECEIVE: "READ"}
_CODES = {
    3: Reason.NOT_CONFIGURED,
    7: Reason.TIMEOUT_READ,
    8: Reason.SERVICE_FAULT,
    14: Reason.SERVICE_FAULT,
    15: Reason.SERVICE_FAULT,
    29: Reason.NO_PERMISSION,
    30: Reason.NO_PERMISSION,
    31: Reason.NO_PERMISSION,
    33: Reason.VERSION_NOT_SUPPORTED,
    34: Reason.NOT_CONFIGURED,
    35: Reason.VERSION_NOT_SUPPORTED,
    53: Reason.NO_PERMISSION,
    54: Reason.NOT_CONFIGURED,
    58: Reason.WRONG_VALUE,
    65: Reason.NO_PERMISSION,
    89: Reason.THROTTLED,
    -185: Reason.TIMEOUT_READ,
    -193: Reason.NAME_NOT_RESOLVED,
}
# The client folds every failure of a login into one number, and every one of TLS into another.
_AUTHENTICATION, _TLS = -169, -181
_TEXTS = {
    _AUTHENTICATION: (
        (r"rejected by firewall", Reason.NETWORK_POLICY),
        (r"not of the expected format", Reason.NOT_CONFIGURED),
        (r"unsupported sasl mechanism", Reason.VERSION_NOT_SUPPORTED),
        (r"not valid in current sasl state", Reason.NOT_CONFIGURED),
        (r"throttl|timed out|server error|unavailable", Reason.AMBIGUOUS),
        (r"authentication error: .*(authentication failed|invalid credentials)", Reason.WRONG_VALUE),
    ),
    _TLS: (
        (r"certificate has expired", Reason.TLS_EXPIRED),
        (r"hostname mismatch|does not match|ip address mismatch", Reason.TLS_NAME_MISMATCH),
        (r"verify failed|verified", Reason.TLS_UNKNOWN_ISSUER),
        (r"wrong version number", Reason.TLS_NOT_SPOKEN),
    ),
}


class KafkaSpoolerSettings(KindSettings):
    """A connector of kind `kafka_spooler`; also the target that is verified.

    Attributes:
        bootstrap: `host:port` of brokers, as their certificates have them.
        topic: the topic's name; of Event Hubs the hub's.
        group: the consumer group that empties it; empty = depth and the group's rights are not asked for.
        mechanism: of SASL; a `connection_string` of Event Hubs always goes by PLAIN.
        can: what the user must be able to do; empty where the brokers do not tell, as Event Hubs.
        most_waiting: more messages than this mean that nobody empties it; 0 = any number is fine.
        tls: false only for brokers on this machine.
        ca_file: trust only this authority; empty = the system's.
    """

    bootstrap: tuple[str, ...] = Field(min_length=1)
    topic: str = Field(min_length=1, max_length=249)
    group: str = ""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    can: tuple[Literal["send", "receive"], ...] = ("send",)
    most_waiting: int = 0
    tls: bool = True
    ca_file: str = ""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for broker in self.bootstrap:
            parts = urlsplit(f"//{broker}")
            if not parts.hostname or parts.port is None or parts.username or parts.path:
                raise ValueError("each of `bootstrap` is HOST:PORT")
            if not self.tls and not is_loopback(f"kafka://{broker}"):
                raise ValueError("`tls: false` would send the login in clear: it is for brokers on this machine only")
        if self.most_waiting and not self.group:
            raise ValueError("`most_waiting` needs the `group` whose messages wait")
        return self


class KafkaSpoolerVerifier:
    """Verifies users at one topic.

    Args:
        clock: the time.
        python: an interpreter that has confluent-kafka.
    """

    def __init__(self, *, clock: Clock, python: str = sys.executable) -> None:
        self._clock = clock
        self._driver = KafkaDriver(python)

    def verify(
        self, target: KafkaSpoolerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in; ask for the topic, the rights on it, and what waits."""
        asked = (LOGIN, TOPIC, *target.can, *((DEPTH,) if target.group else ()))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        login = _login_of(value, target)
        if login is None:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no username and password, or connection_string")
        if probe.proxy:
            return probe.result(Reason.NOT_CONFIGURED, "an HTTP proxy does not carry Kafka's protocol")
        place = KafkaTarget(
            bootstrap=target.bootstrap,
            topic=target.topic,
            group=target.group,
            tls=target.tls,
            ca_file=target.ca_file,
        )
        try:
            return _judge(probe, target, self._driver.look(place, login, deadline=probe.deadline))
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)


def _login_of(value: SecretValue, target: KafkaSpoolerSettings) -> KafkaLogin | None:
    if "connection_string" in value:
        return KafkaLogin(mechanism="PLAIN", username=_EVENT_HUBS_USER, password=value["connection_string"])
    if {"username", "password"} <= value.keys():
        username = value["username"].get_secret_value()
        return KafkaLogin(mechanism=target.mechanism, username=username, password=value["password"])
    return None


def _judge(probe: Probe, target: KafkaSpoolerSettings, found: KafkaFindings) -> VerificationResult:
    if found.reached or found.code > 0:  # only a broker that took the login answers with a number of its own
        probe.show(LOGIN)
    if found.reached:
        probe.show(TOPIC)
        for item in target.can:
            if found.topic is not None and _NEEDS[item] in found.topic:
                probe.show(item)
    if found.code:
        return probe.result(kafka_reason(found.code, found.text), f"Kafka error {found.code}")
    if target.can and found.topic is None:
        return probe.result(Reason.AMBIGUOUS, "the brokers do not tell what this user may do: set `can: []`")
    missing = [item for item in target.can if item not in probe.proved]
    if missing:
        return probe.result(Reason.NO_PERMISSION, f"the topic does not grant {_NEEDS[missing[0]]}")
    if target.group and RECEIVE in target.can and found.group is not None and "READ" not in found.group:
        probe.proved.remove(RECEIVE)
        return probe.result(Reason.NO_PERMISSION, "the group does not grant READ")
    return _depth(probe, target, found)


def _depth(probe: Probe, target: KafkaSpoolerSettings, found: KafkaFindings) -> VerificationResult:
    if found.waiting is None:
        return probe.works()
    told = f"{found.waiting} messages wait"
    if target.most_waiting and found.waiting > target.most_waiting:
        return probe.result(Reason.NOT_CONFIGURED, f"{told}: no agent empties the topic")
    probe.show(DEPTH)
    return probe.result(Reason.WORKS, told)


def kafka_reason(code: int, text: str) -> Reason:
    """What a number says; for the two that fold many causes, the text.

    Args:
        code: of Kafka's protocol; negative = of the client.
        text: of the error; never shown to anybody.
    """
    found = (reason for pattern, reason in _TEXTS.get(code, ()) if re.search(pattern, text, re.IGNORECASE))
    return next(found, _CODES.get(code, Reason.AMBIGUOUS))


_: type[ConnectorVerifier] = KafkaSpoolerVerifier

KIND = Kind(
    name="kafka_spooler",
    family=Family.CONNECTOR,
    settings=KafkaSpoolerSettings,
    summary="A Kafka or Event Hubs spooler: login, the topic, the right to send and to receive, what waits.",
)

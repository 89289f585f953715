"""Kafka's native client (librdkafka), asked in a process of its own that is killed when the deadline passes.

The way is tried first from here, with the same trust: name, connection and certificate are then told by their own
errors, and the client meets a broker that really speaks TLS before it is given a login.

Source: librdkafka CONFIGURATION.md; Kafka protocol guide, error codes.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.abandon import abandonable
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.killable import run_killable

_PROGRAM = Path(__file__).with_name("kafka_program.py")
_CONNECT_SECONDS = 10.0
_NEVER = 600_000  # milliseconds: one login per broker and run, however long the run is


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTarget:
    """Where a topic is.

    Attributes:
        bootstrap: `host:port` of brokers, as their certificates have them.
        topic: its name.
        group: consumer group that empties it; empty = not asked for.
        tls: false only for a broker on this machine.
        ca_file: trust only this authority; empty = the system's.
    """

    bootstrap: tuple[str, ...]
    topic: str
    group: str = ""
    tls: bool = True
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaLogin:
    """Who logs in, and by which SASL mechanism."""

    mechanism: str
    username: str
    password: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFindings:
    """What the brokers said.

    Attributes:
        topic: rights on the topic; None where the brokers do not tell, empty when it was not reached.
        group: the same for the group.
        reached: whether the topic was described, which takes a login.
        waiting: messages that the group has not taken; None when it was not asked for, or not told.
        code: number of the error that ended it; 0 = none. Negative numbers are the client's own.
        text: of that error: to be classified, never to be shown.
    """

    topic: frozenset[str] | None = frozenset()
    group: frozenset[str] | None = frozenset()
    reached: bool = False
    waiting: int | None = None
    code: int = 0
    text: str = field(default="", repr=False)


class KafkaDriver:
    """Runs the client.

    Args:
        python: an interpreter that has confluent-kafka.
    """

    def __init__(self, python: str) -> None:
        self._python = python

    def look(self, target: KafkaTarget, login: KafkaLogin, *, deadline: Deadline) -> KafkaFindings:
        """Log in and ask about a topic, and about a group where one is named.

        Raises:
            ConfigurationError: confluent-kafka is not installed.
            TimeoutError: the deadline passed; the process is dead.
            OSError: no broker could be reached; see `transport_reason`.
            RemoteServiceError: the client failed in a way of its own.
        """
        reached = _try_the_way(target, deadline)
        options = {
            "bootstrap.servers": reached,  # it names the others; one that hangs would hold the client up
            "client.id": "lifecycle",
            "log_level": 0,
            "reconnect.backoff.ms": _NEVER,
            "reconnect.backoff.max.ms": _NEVER,
            "sasl.mechanism": login.mechanism,
            "sasl.username": login.username,
            "sasl.password": login.password.get_secret_value(),
            **_protection(target),
        }
        given = json.dumps({"options": options, "topic": target.topic, "group": target.group}).encode()
        argv = [self._python, "-I", str(_PROGRAM)]
        return _findings(run_killable(argv, given, env={}, deadline=deadline, what="Kafka's client"))


def _protection(target: KafkaTarget) -> dict[str, str]:
    if not target.tls:
        return {"security.protocol": "SASL_PLAINTEXT"}
    return {
        "security.protocol": "SASL_SSL",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": target.ca_file or ssl.get_default_verify_paths().cafile or "probe",
    }


def _try_the_way(target: KafkaTarget, deadline: Deadline) -> str:
    """Reach one of the brokers, as far as its certificate; each gets its share of the time, the client one too."""
    failures: list[OSError] = []
    for tried, broker in enumerate(target.bootstrap):
        share = deadline.seconds_left / (len(target.bootstrap) - tried + 1)
        left = timedelta(seconds=deadline.cap(min(_CONNECT_SECONDS, share)))
        try:
            abandonable(partial(_dial, target, broker), timeout=left, name=f"reaching {broker}")
        except OSError as error:
            failures.append(error)
        else:
            return broker
    raise failures[0]


def _dial(target: KafkaTarget, broker: str) -> None:
    parts = urlsplit(f"//{broker}")
    with socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_SECONDS) as plain:
        if target.tls:
            context = ssl.create_default_context(cafile=target.ca_file or None)
            context.wrap_socket(plain, server_hostname=parts.hostname).close()


def _findings(said: bytes) -> KafkaFindings:
    try:
        document = json.loads(said)
    except ValueError:
        raise RemoteServiceError(
            "Kafka's client ended without an answer", remedy="run again; reinstall lifecycle[kafka]"
        ) from None
    if document.get("missing"):
        raise ConfigurationError(
            "Kafka needs its client, which is not installed", remedy="pip install 'lifecycle[kafka]'"
        )
    code, text = document.get("failed", (0, ""))
    return KafkaFindings(
        topic=_rights(document, "topic"),
        group=_rights(document, "group"),
        reached="topic" in document,
        waiting=document.get("waiting"),
        code=code,
        text=text,
    )


def _rights(document: dict[str, Any], of: str) -> frozenset[str] | None:
    named: Sequence[str] | None = document.get(of, ())
    return None if named is None else frozenset(named)

"""Verifiers of what carries agents' messages, besides SQS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import utc_now
from lifecycle.domain.kinds import Kind
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.domain.ports import ConnectorVerifier

Builder = Callable[[Any, Credential | None], "ConnectorVerifier"]


def spooler_builders() -> Mapping[str, Builder]:
    """One builder per kind of `spooler_kinds`."""
    return {
        "filesystem_spooler": _filesystem,
        "kafka_spooler": _kafka,
        "pubsub_spooler": _pubsub,
        "rabbitmq_spooler": _rabbitmq,
    }


def spooler_kinds() -> tuple[Kind, ...]:
    """Their kinds: one line each."""
    from lifecycle.connectors import filesystem_spooler, kafka_spooler, pubsub_spooler, rabbitmq_spooler

    return (
        filesystem_spooler.KIND,
        kafka_spooler.KIND,
        pubsub_spooler.KIND,
        rabbitmq_spooler.KIND,
    )


def _filesystem(_settings: Any, _credential: Credential | None) -> ConnectorVerifier:
    from lifecycle.connectors.filesystem_spooler import FilesystemSpoolerVerifier

    return FilesystemSpoolerVerifier(clock=utc_now)


def _kafka(_settings: Any, _credential: Credential | None) -> ConnectorVerifier:
    from lifecycle.connectors.kafka_spooler import KafkaSpoolerVerifier

    return KafkaSpoolerVerifier(clock=utc_now)


def _pubsub(settings: Any, _credential: Credential | None) -> ConnectorVerifier:
    from lifecycle.connectors.pubsub_spooler import PubSubSpoolerVerifier

    return PubSubSpoolerVerifier(settings.url, token_url=settings.token_url, clock=utc_now)


def _rabbitmq(_settings: Any, _credential: Credential | None) -> ConnectorVerifier:
    from lifecycle.connectors.rabbitmq_spooler import RabbitMqSpoolerVerifier

    return RabbitMqSpoolerVerifier(clock=utc_now)

"""What runs Kafka's native client in a process of its own: `python -I kafka_program.py`.

It needs nothing of lifecycle, as the interpreter may be another one. The request comes as JSON on standard input, never
as arguments; out goes JSON. It only asks: no message is sent or fetched, no topic made, no group joined.
"""

import contextlib
import json
import os
import sys
import time
from concurrent.futures import Future
from typing import Any

_SETTLE_SECONDS = 0.5  # other brokers may still answer after one was found down
_CONCLUSIVE = ("_AUTHENTICATION", "_SSL")


class FailedError(Exception):
    """An error of the client: its number and text."""


class Session:
    """One client and what it met.

    Args:
        options: of librdkafka.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        from confluent_kafka.admin import AdminClient

        self._met: list[tuple[float, Any]] = []
        given: dict[str, Any] = {**options, "error_cb": self._note}
        self._client = AdminClient(given)

    def ask(self, call: str, *args: Any, **options: Any) -> Any:
        """Call a method of the client that gives one future, or one per item; its first result."""
        given = getattr(self._client, call)(*args, **options)
        future = next(iter(given.values())) if isinstance(given, dict) else given
        while not future.done():
            self._client.poll(0.05)
            self._give_up()
        return self._result(future)

    def _note(self, error: Any) -> None:
        self._met.append((time.monotonic(), error))

    def _give_up(self) -> None:
        """Stop at the first refusal: the client would log in again and again, which locks accounts."""
        told = [error for _, error in self._met if error.name() != "_ALL_BROKERS_DOWN"]
        refused = [error for error in told if error.name() in _CONCLUSIVE]
        down = [at for at, error in self._met if error.name() == "_ALL_BROKERS_DOWN"]
        if refused or (down and time.monotonic() > down[0] + _SETTLE_SECONDS):
            error = (refused or told or [self._met[0][1]])[0]
            raise FailedError(error.code(), error.str())

    def _result(self, future: "Future[Any]") -> Any:
        from confluent_kafka import KafkaException

        try:
            return future.result()
        except KafkaException as error:
            raise FailedError(error.args[0].code(), error.args[0].str()) from None


def main() -> None:
    """Ask, write what was found, and end without the client's own farewell, which may wait."""
    request = json.load(sys.stdin)
    found: dict[str, Any] = {}
    with contextlib.redirect_stdout(sys.stderr):
        try:
            _look(request, found)
        except ImportError:
            found = {"missing": True}
        except FailedError as error:
            found["failed"] = error.args
    json.dump(found, sys.stdout)
    sys.stdout.flush()
    os._exit(0)


def _look(request: dict[str, Any], found: dict[str, Any]) -> None:
    from confluent_kafka import TopicCollection, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    newest: Any = OffsetSpec
    session = Session(request["options"])
    topic, group = request["topic"], request["group"]
    described = session.ask("describe_topics", TopicCollection([topic]), include_authorized_operations=True)
    found["topic"] = _operations(described)
    partitions = [TopicPartition(topic, item.id) for item in described.partitions]
    ends: dict[int, int] = {}
    for partition in partitions:
        ends[partition.partition] = session.ask("list_offsets", {partition: newest.latest()}).offset
    found["messages"] = sum(ends.values())
    if group:
        found["group"] = _operations(
            session.ask("describe_consumer_groups", [group], include_authorized_operations=True)
        )
        found["waiting"] = _waiting(session, group, partitions, ends)


def _waiting(session: Session, group: str, partitions: list[Any], ends: dict[int, int]) -> int:
    """How many messages the group has not taken; where it took none, all that the partition still has."""
    from confluent_kafka import ConsumerGroupTopicPartitions
    from confluent_kafka.admin import OffsetSpec

    oldest: Any = OffsetSpec
    asked = [ConsumerGroupTopicPartitions(group, partitions)]
    taken = session.ask("list_consumer_group_offsets", asked).topic_partitions
    waiting = 0
    for item in taken:
        start = item.offset
        if start < 0:
            start = session.ask("list_offsets", {item: oldest.earliest()}).offset
        waiting += max(0, ends[item.partition] - start)
    return waiting


def _operations(described: Any) -> list[str] | None:
    """The names of what the user may do; None where the broker does not tell."""
    operations = described.authorized_operations
    return None if operations is None else [item.name for item in operations]


if __name__ == "__main__":
    main()

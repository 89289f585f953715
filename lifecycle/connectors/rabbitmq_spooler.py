"""A RabbitMQ spooler: login the queue, its depth, the right to send, and to receive where it is empty.

Nothing is left and nothing is taken. Sending is shown by a message that no queue gets: the broker checks the right,
finds no route, and gives it back. Receiving is tried only at an empty queue: a message that is fetched and put back is
marked as redelivered, and counts against a delivery limit.

Sources of the codes: rabbit_reader, rabbit_channel (RabbitMQ source); AMQP 0-9-1 reply codes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Self
from uuid import uuid4

from pydantic import Field, model_validator

from lifecycle.clients.amqp import AmqpClosedError, AmqpLogin, AmqpSession, AmqpTarget, NotAmqpError, amqp_session
from lifecycle.clients.endpoints import is_loopback
from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN, QUEUE, SEND, RECEIVE, DEPTH = "login", "queue", "send", "receive", "depth"
# Reply code (0 = any) and a part of the text, in lower case; the first that matches counts.
_CLOSED = (
    (541, "", Reason.SERVICE_FAULT),
    (403, "login was refused", Reason.WRONG_VALUE),
    (320, "credential expired", Reason.EXPIRED),
    (320, "", Reason.SERVICE_FAULT),
    (530, "connection limit", Reason.THROTTLED),
    (530, "not found", Reason.NOT_CONFIGURED),
    (530, "refused for user", Reason.NO_PERMISSION),
    (403, "", Reason.NO_PERMISSION),
    (404, "", Reason.NOT_CONFIGURED),
    (405, "", Reason.AMBIGUOUS),
    (506, "", Reason.SERVICE_FAULT),
)


class RabbitMqSpoolerSettings(KindSettings):
    """A connector of kind `rabbitmq_spooler`; also the target that is verified.

    Attributes:
        host: name of the broker, as its certificate has it.
        port: of AMQP.
        vhost: the virtual host.
        queue: the queue's name.
        exchange: where agents send to; empty = the default exchange, which every user with `write` on it may use.
        most_waiting: more messages than this mean that nobody empties it; 0 = any number is fine.
        tls: false only for a broker on this machine.
        ca_file: trust only this authority; empty = the system's.
    """

    host: str
    queue: str = Field(min_length=1, max_length=255)
    port: int = 5671
    vhost: str = "/"
    exchange: str = ""
    most_waiting: int = 0
    tls: bool = True
    ca_file: str = ""

    @model_validator(mode="after")
    def _plain_only_here(self) -> Self:
        if not self.tls and not is_loopback(f"amqp://{self.host}"):
            raise ValueError("`tls: false` would send the password in clear: it is for a broker on this machine only")
        return self


class RabbitMqSpoolerVerifier:
    """Verifies users at one queue.

    Args:
        clock: the time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def verify(
        self, target: RabbitMqSpoolerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in, look at the queue, send what comes back, and receive from an empty queue."""
        probe = Probe.begin((LOGIN, QUEUE, SEND, DEPTH), clock=self._clock, deadline=deadline, via=via)
        if not {"username", "password"} <= value.keys():
            return probe.result(Reason.NOT_CONFIGURED, "the value has no username and password")
        if probe.proxy:
            return probe.result(Reason.NOT_CONFIGURED, "an HTTP proxy does not carry AMQP")
        login = AmqpLogin(username=value["username"].get_secret_value(), password=value["password"])
        place = AmqpTarget(
            host=target.host, port=target.port, vhost=target.vhost, tls=target.tls, ca_file=target.ca_file
        )
        try:
            with amqp_session(place, login, deadline=probe.deadline) as session:
                probe.show(LOGIN)
                return self._judge(probe, session, target)
        except AmqpClosedError as error:
            return _closed(probe, error, login.username, target)
        except NotAmqpError as error:
            reason = Reason.VERSION_NOT_SUPPORTED if error.version else Reason.AMBIGUOUS
            return probe.result(reason, str(error))
        except Exception as error:
            return probe.failed_exchange(error)

    def _judge(self, probe: Probe, session: AmqpSession, target: RabbitMqSpoolerSettings) -> VerificationResult:
        state = session.queue(target.queue)
        probe.show(QUEUE)
        # A fanout exchange has a route for every key: the check would leave a message there, so it is told instead.
        if not session.try_to_send(target.exchange, f"lifecycle-check-{uuid4()}"):
            return probe.result(Reason.NOT_CONFIGURED, f"{target.exchange} took an empty message: it routes every key")
        probe.show(SEND)
        if state.messages == 0 and session.get_nothing(target.queue):
            probe.show(RECEIVE)
        told = f"{state.messages} messages wait, {state.consumers} consumers"
        if target.most_waiting and state.messages > target.most_waiting:
            return probe.result(Reason.NOT_CONFIGURED, f"{told}: no agent empties the queue")
        probe.show(DEPTH)
        return probe.result(Reason.WORKS, told)


def closed_reason(code: int, text: str, *, username: str = "", local: bool = True) -> Reason:
    """Why the broker closed.

    Args:
        code: reply code; 0 when it said nothing.
        text: reply text.
        username: who logged in.
        local: whether the broker is on this machine.
    """
    lowered = text.lower()
    found = next((reason for of, part, reason in _CLOSED if of == code and part in lowered), Reason.AMBIGUOUS)
    if found is Reason.WRONG_VALUE and username == "guest" and not local:
        return Reason.NETWORK_POLICY  # RabbitMQ refuses `guest` from afar with the same words
    return found


def _closed(probe: Probe, error: AmqpClosedError, username: str, target: RabbitMqSpoolerSettings) -> VerificationResult:
    local = is_loopback(f"amqp://{target.host}")
    reason = closed_reason(error.code, error.text, username=username, local=local)
    return probe.result(reason, f"AMQP {error.code}" if error.code else "closed without a word")


_: type[ConnectorVerifier] = RabbitMqSpoolerVerifier

KIND = Kind(
    name="rabbitmq_spooler",
    family=Family.CONNECTOR,
    settings=RabbitMqSpoolerSettings,
    summary="A RabbitMQ spooler: login, the queue and its depth, the right to send and to receive.",
)

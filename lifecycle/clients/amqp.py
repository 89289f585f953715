"""AMQP 0-9-1 with RabbitMQ, as much as a check needs: log in, look at a queue, send what cannot be routed, get.

Own code, because no client library has one deadline for all of it. It never consumes, and what it gets goes back when
the connection ends.

Sources: AMQP 0-9-1 specification; RabbitMQ, "Authentication failure notifications" (authentication_failure_close).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Deadline

_METHOD, _HEADER, _HEARTBEAT, _END = 1, 2, 8, b"\xce"
_MAX_FRAME = 131072
_GREETING = b"AMQP\x00\x00\x09\x01"
_CONNECT_SECONDS = 6.0
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41)
CLOSE, CLOSE_OK = (10, 50), (10, 51)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 10), (20, 11), (20, 40), (20, 41)
DECLARE, DECLARE_OK = (50, 10), (50, 11)
PUBLISH, RETURN, GET, GET_OK, GET_EMPTY = (60, 40), (60, 50), (60, 70), (60, 71), (60, 72)
Method = tuple[int, int]


class AmqpClosedError(Exception):
    """The broker closed the connection or a channel. Caught inside connectors only.

    Args:
        code: reply code; 0 when the connection ended without a word.
        text: reply text, which names queues and users and no password; for judging, never shown.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"closed with {code}")
        self.code, self.text = code, text


class NotAmqpError(Exception):
    """What answered does not speak AMQP 0-9-1. `version` when it speaks another version."""

    def __init__(self, *, version: bool = False) -> None:
        super().__init__("not AMQP 0-9-1")
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpTarget:
    """Where a broker is.

    Attributes:
        host, port: its address.
        vhost: the virtual host.
        tls: speak TLS, verified.
        ca_file: trust only this authority; empty = the system's.
    """

    host: str
    port: int
    vhost: str = "/"
    tls: bool = True
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpLogin:
    """Who logs in."""

    username: str
    password: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What a passive declaration tells."""

    messages: int
    consumers: int


class AmqpSession:
    """A connection that has logged in; made by `amqp_session`."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._channel = 0

    def queue(self, name: str) -> QueueState:
        """Whether the queue is there, and what waits in it. Raises AmqpClosedError."""
        channel = self._open_channel()
        self._wire.send(channel, DECLARE, b"\x00\x00" + _short(name) + b"\x01" + _table())
        body = self._wire.expect(DECLARE_OK)
        at = 1 + body[0]
        messages, consumers = struct.unpack(">II", body[at : at + 8])
        return QueueState(messages=messages, consumers=consumers)

    def try_to_send(self, exchange: str, routing_key: str) -> bool:
        """Send an empty message that must come back, as nothing routes it.

        Returns:
            whether it came back; else the exchange took it, having a route for that key.

        Raises:
            AmqpClosedError: no right to send there, or no such exchange.
        """
        channel = self._open_channel()
        self._wire.send(channel, PUBLISH, b"\x00\x00" + _short(exchange) + _short(routing_key) + b"\x01")
        self._wire.frame(_HEADER, channel, struct.pack(">HHQH", 60, 0, 0, 0))
        # An answer of the channel comes after what happened to the message: a queue of no name is closed with an error.
        self._wire.send(channel, CHANNEL_CLOSE, struct.pack(">H", 200) + _short("done") + b"\x00" * 4)
        method, _ = self._wire.read_one_of((RETURN, CHANNEL_CLOSE_OK))
        if method == RETURN:
            self._wire.expect(CHANNEL_CLOSE_OK)
        return method == RETURN

    def get_nothing(self, queue: str) -> bool:
        """Ask an empty queue for a message; whether it gave none. What it gives goes back when the connection ends."""
        channel = self._open_channel()
        self._wire.send(channel, GET, b"\x00\x00" + _short(queue) + b"\x00")
        method, _ = self._wire.read_one_of((GET_OK, GET_EMPTY))
        return method == GET_EMPTY

    def _open_channel(self) -> int:
        self._channel += 1
        self._wire.send(self._channel, CHANNEL_OPEN, b"\x00")
        self._wire.expect(CHANNEL_OPEN_OK)
        return self._channel


@contextmanager
def amqp_session(target: AmqpTarget, login: AmqpLogin, *, deadline: Deadline) -> Iterator[AmqpSession]:
    """Log in; log out at the end.

    Raises:
        AmqpClosedError: the broker refused it.
        NotAmqpError: something else answers there.
        OSError: see `transport_reason`.
    """
    plain = socket.create_connection((target.host, target.port), timeout=deadline.cap(_CONNECT_SECONDS))
    with plain:
        connection = plain
        if target.tls:
            context = ssl.create_default_context(cafile=target.ca_file or None)
            plain.settimeout(deadline.cap(deadline.seconds_left))
            connection = context.wrap_socket(plain, server_hostname=target.host)
        with connection:
            wire = _Wire(connection, deadline)
            _log_in(wire, target, login)
            yield AmqpSession(wire)
            wire.send(0, CLOSE, struct.pack(">H", 200) + _short("done") + b"\x00" * 4)


def _log_in(wire: _Wire, target: AmqpTarget, login: AmqpLogin) -> None:
    wire.greet()
    wire.expect(START)
    # Without this capability RabbitMQ answers a wrong password by closing the connection without a word.
    capabilities = _table(_field("authentication_failure_close", b"t\x01"))
    proof = f"\0{login.username}\0{login.password.get_secret_value()}".encode()
    properties = _table(_field("product", b"S" + _long(b"lifecycle")), _field("capabilities", b"F" + capabilities))
    wire.send(0, START_OK, properties + _short("PLAIN") + _long(proof) + _short("en_US"))
    channels, frame, _beat = struct.unpack(">HIH", wire.expect(TUNE)[:8])
    wire.send(0, TUNE_OK, struct.pack(">HIH", channels, min(frame or _MAX_FRAME, _MAX_FRAME), 0))
    wire.send(0, OPEN, _short(target.vhost) + b"\x00\x00")
    wire.expect(OPEN_OK)


class _Wire:
    """Frames on a socket, each within the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def greet(self) -> None:
        """Say which protocol this is."""
        self._connection.sendall(_GREETING)

    def send(self, channel: int, method: Method, arguments: bytes) -> None:
        """Send a method."""
        self.frame(_METHOD, channel, struct.pack(">HH", *method) + arguments)

    def frame(self, kind: int, channel: int, payload: bytes) -> None:
        """Send a frame."""
        self._connection.settimeout(self._deadline.cap(self._deadline.seconds_left))
        self._connection.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + _END)

    def expect(self, method: Method) -> bytes:
        """The arguments of this method, which must come next."""
        return self.read_one_of((method,))[1]

    def read_one_of(self, methods: tuple[Method, ...]) -> tuple[Method, bytes]:
        """The next of these methods. Raises AmqpClosedError when the broker closes instead."""
        while True:
            kind, payload = self._read_frame()
            if kind != _METHOD:
                continue  # a heartbeat, or the content of a message that came back
            method = struct.unpack(">HH", payload[:4])
            if method in methods:
                return method, payload[4:]
            if method in (CLOSE, CHANNEL_CLOSE):
                (code,) = struct.unpack(">H", payload[4:6])
                raise AmqpClosedError(code, payload[7 : 7 + payload[6]].decode("utf-8", "replace"))
            raise NotAmqpError

    def _read_frame(self) -> tuple[int, bytes]:
        head = self._read(7)
        if head.startswith(b"AMQP"):
            raise NotAmqpError(version=True)
        kind, _channel, size = struct.unpack(">BHI", head)
        if kind not in (_METHOD, _HEADER, 3, _HEARTBEAT) or size > _MAX_FRAME:
            raise NotAmqpError
        body = self._read(size + 1)
        if body[-1:] != _END:
            raise NotAmqpError
        return kind, body[:-1]

    def _read(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            if self._deadline.passed:
                raise TimeoutError("the broker took too long")
            self._connection.settimeout(self._deadline.cap(self._deadline.seconds_left))
            part = self._connection.recv(size - len(parts))
            if not part:
                raise AmqpClosedError(0, "")
            parts += part
        return parts


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw


def _long(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _field(name: str, typed: bytes) -> bytes:
    return _short(name) + typed


def _table(*fields: bytes) -> bytes:
    return _long(b"".join(fields))

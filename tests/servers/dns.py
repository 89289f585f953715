"""A name server that knows the names of the tests only, for programs that read no hosts file of ours."""

import socketserver
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.servers.https_target import TARGET_NAMES

_HEADER = struct.Struct("!HHHHHH")
_ANSWERED, _NO_SUCH_NAME = 0x8580, 0x8583  # Response, authoritative, recursion desired and available.
_TYPE_A = 1
_QUESTION_OFFSET = 0xC000 | _HEADER.size
_LOCALHOST = bytes([127, 0, 0, 1])
_KNOWN = {name.encode() for name in TARGET_NAMES}


def answer(query: bytes) -> bytes:
    """Answer one query (RFC 1035): 127.0.0.1 for the A record of a known name, no such name for others.

    Args:
        query: A datagram with one question.

    Returns:
        The datagram to send back.
    """
    identifier = query[:2]
    labels, position = [], _HEADER.size
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length])
        position += 1 + length
    question = query[_HEADER.size : position + 5]
    (kind,) = struct.unpack_from("!H", query, position + 1)
    known = b".".join(labels).lower() in _KNOWN
    record = b""
    if known and kind == _TYPE_A:
        record = struct.pack("!HHHIH", _QUESTION_OFFSET, _TYPE_A, 1, 60, len(_LOCALHOST)) + _LOCALHOST
    flags = _ANSWERED if known else _NO_SUCH_NAME
    header = _HEADER.pack(0, flags, 1, int(bool(record)), 0, 0)
    return identifier + header[2:] + question + record


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        query, socket = self.request
        socket.sendto(answer(query), self.client_address)


@pytest.fixture(scope="session")
def dns_server() -> Iterator[int]:
    """The UDP port on 127.0.0.1 of this worker's name server."""
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()

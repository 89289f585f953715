"""Servers that no vendor wrote: silent ones, ones that answer nonsense, block pages, closed ports."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.process import free_port


@contextmanager
def raw_server(answer: bytes | None) -> Iterator[str]:
    """Answer every connection with these bytes once it has sent something; None never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            threading.Thread(target=_answer, args=(connection, answer), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for connection in kept:
            connection.close()


def _answer(connection: socket.socket, answer: bytes | None) -> None:
    try:
        connection.recv(65536)
        if answer is not None:
            connection.sendall(answer)
            connection.close()
    except OSError:
        return


def page(status: str, body: str = "<html>hello</html>", content_type: str = "text/html", extra: str = "") -> bytes:
    """A complete HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"{head}{extra}\r\n{body}".encode()


def closed_port() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"

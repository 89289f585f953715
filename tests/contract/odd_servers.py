"""Servers that no vendor wrote: silent ones, ones that answer nonsense, block pages, closed ports."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.certificates import ServerCertificate
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


@contextmanager
def tls_in_front(port: int, certificate: ServerCertificate) -> Iterator[str]:
    """An https address whose bytes go to a plain server on this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_relay, args=(context, plain, port), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _relay(context: ssl.SSLContext, plain: socket.socket, port: int) -> None:
    try:
        outside = context.wrap_socket(plain, server_side=True)
        with outside, socket.create_connection(("127.0.0.1", port)) as inside:
            threading.Thread(target=_copy, args=(inside, outside), daemon=True).start()
            _copy(outside, inside)
    except OSError:
        plain.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def page(status: str, body: str = "<html>hello</html>", content_type: str = "text/html", extra: str = "") -> bytes:
    """A complete HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"{head}{extra}\r\n{body}".encode()


def closed_port() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"

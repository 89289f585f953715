"""An https server that answers to names of the tests, so that a CONNECT through a proxy ends somewhere real."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers.certificates import write_server_certificate

DOMAIN = "target.test"  # Reserved for tests (RFC 6761): no resolver knows it, so proxies are given a hosts file.
TARGET_NAMES = (DOMAIN, *(f"{name}.{DOMAIN}" for name in ("allowed", "also-allowed", "denied", "a.allowed")))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsTarget:
    """The running server.

    Attributes:
        port: Its port on 127.0.0.1.
        ca_file: What verifies its certificate, which names all of `TARGET_NAMES`.
        seen: Host header and path of every request that reached it.
    """

    port: int
    ca_file: Path
    seen: list[tuple[str, str]] = field(default_factory=list)

    def url(self, name: str, path: str = "/") -> str:
        """The address of `path` under one of its names."""
        return f"https://{name}:{self.port}{path}"


def hosts_lines() -> str:
    """What a hosts file needs so that all `TARGET_NAMES` lead to this machine."""
    return "".join(f"127.0.0.1 {name}\n" for name in TARGET_NAMES)


@pytest.fixture(scope="session")
def https_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsTarget]:
    """The target of this worker; it answers every GET with 200 and `reached`."""
    certificate = write_server_certificate(tmp_path_factory.mktemp("https-target"), *TARGET_NAMES)
    seen: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Host"], self.path))
            self.send_response(200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"reached")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: what was reached is in `seen`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        # The handshake belongs into the thread of its connection: one silent client must not stop the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield HttpsTarget(port=server.server_port, ca_file=certificate.ca_file, seen=seen)
        server.shutdown()

"""A server with fixed replies for six AWS calls: `python -m tests.benchmarks.stub_server RATE LATENCY_MS`.

RATE is how many writes a second its token bucket allows (0 = any number); what is more is throttled as AWS does it. It
prints its port, and answers a GET with how many writes it let through and how many it throttled.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_VERSION = "11111111-2222-4333-8444-555555555555"
_SECRET = {"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:bench", "Name": "bench"}
_REPLIES: dict[str, dict[str, Any]] = {
    "PutSecretValue": {**_SECRET, "VersionId": _VERSION, "VersionStages": []},
    "UpdateSecretVersionStage": _SECRET,
    "GetSecretValue": {**_SECRET, "VersionId": _VERSION, "SecretString": "{}", "VersionStages": ["AWSCURRENT"]},
    "ListSecretVersionIds": {**_SECRET, "Versions": [{"VersionId": _VERSION, "VersionStages": ["AWSCURRENT"]}]},
}
_WRITES = ("PutSecretValue", "UpdateSecretVersionStage")
_KEY = (
    "<AccessKey><UserName>bench</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><Status>Active</Status>"
    "<SecretAccessKey>example</SecretAccessKey></AccessKey>"
)
_IAM = (
    '<{0}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{0}Result>{1}</{0}Result>'
    "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{0}Response>"
)


class Bucket:
    """Tokens that come back at a fixed rate, one second's worth at most."""

    def __init__(self, rate: float) -> None:
        self.rate, self.tokens, self.filled = rate, rate, time.monotonic()
        self.passed = self.throttled = 0
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Take one token, if there is one."""
        with self._lock:
            now = time.monotonic()
            self.tokens = min(self.rate, self.tokens + (now - self.filled) * self.rate)
            self.filled = now
            if self.rate and self.tokens < 1:
                self.throttled += 1
                return False
            self.tokens -= 1
            self.passed += 1
            return True


def handler(bucket: Bucket, latency: float) -> type[BaseHTTPRequestHandler]:
    """The request handler of one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per answer
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(200, json.dumps({"passed": bucket.passed, "throttled": bucket.throttled}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(latency)
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            if not target:
                action = "CreateAccessKey" if b"CreateAccessKey" in body else "DeleteAccessKey"
                self._send(200, _IAM.format(action, _KEY if action == "CreateAccessKey" else ""), "text/xml")
            elif target in _WRITES and not bucket.admits():
                self._send(400, json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}))
            else:
                self._send(200, json.dumps(_REPLIES[target]))

        def _send(self, status: int, text: str, kind: str = "application/x-amz-json-1.1") -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler


if __name__ == "__main__":
    socketserver.TCPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Bucket(float(sys.argv[1])), float(sys.argv[2]) / 1000))
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()

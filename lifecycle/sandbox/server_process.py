"""The frame of every Python server of the sandbox: bind, build, report ready, serve, end with its folder.

1. Bind 127.0.0.1 (the wanted port if it is free, else any).
2. Build the application, which may seed itself.
3. Write `servers/NAME/ready.json` (0600) with URL, pid, start time and boot id.
4. Serve until SIGTERM, or until the ready file is gone or names another process: a server whose folder was archived or
   deleted ends by itself.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.bootstrap_file import SandboxBootstrap, read_bootstrap
from lifecycle.sandbox.private_file import make_private_dir, read_json, write_json
from lifecycle.sandbox.processes import mark_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.serving import WSGIRequestHandler

READY_FILE = "ready.json"
_WATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """What a server is built from."""

    name: str
    url: str
    data_dir: Path
    bootstrap: SandboxBootstrap


BuildApp = Callable[[ServerContext], "WSGIApplication"]


def server_dir(state_dir: Path, name: str) -> Path:
    """Folder of one server inside the state directory: ready file, log, data."""
    return state_dir / "servers" / name


def run_server(
    name: str,
    build: BuildApp,
    argv: Sequence[str] | None = None,
    *,
    handler: Callable[[], type[WSGIRequestHandler]] | None = None,
) -> int:
    """Run one server until it is told to end; the `main` of each server module.

    Args:
        name: its name in the instance.
        build: makes the WSGI application; called once, before the server reports ready.
        argv: command line, for tests.
        handler: makes the request handler class, imported late.
    """
    parser = argparse.ArgumentParser(prog=f"lifecycle-sandbox-{name}")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    folder = server_dir(options.state, name)
    make_private_dir(folder / "data")
    listener = _bind(options.port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    context = ServerContext(name=name, url=url, data_dir=folder / "data", bootstrap=read_bootstrap(options.state))
    _serve(listener, build(context), folder / READY_FILE, context, handler)
    return 0


def _bind(port: int) -> socket.socket:
    for candidate in dict.fromkeys((port, 0)):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise OSError("no port of 127.0.0.1 is free")


def _serve(
    listener: socket.socket,
    app: WSGIApplication,
    ready: Path,
    context: ServerContext,
    handler: Callable[[], type[WSGIRequestHandler]] | None,
) -> None:
    from werkzeug.serving import make_server

    host, port = listener.getsockname()
    server = make_server(
        host, port, app, threaded=True, request_handler=handler() if handler else quiet_handler(), fd=listener.fileno()
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    mark = mark_of(os.getpid())
    document = (mark.to_document() if mark else {}) | {"url": context.url, "instance": context.bootstrap.instance_id}
    write_json(ready, document)
    threading.Thread(target=_end_with_folder, args=(ready, server.shutdown), daemon=True).start()
    server.serve_forever()
    if (read_json(ready) or {}).get("pid") == os.getpid():
        ready.unlink(missing_ok=True)


def _end_with_folder(ready: Path, shutdown: Callable[[], None]) -> None:
    pause = threading.Event()
    while (read_json(ready) or {}).get("pid") == os.getpid():
        pause.wait(_WATCH_SECONDS)
    shutdown()


def quiet_handler(base: type[Any] | None = None) -> type[WSGIRequestHandler]:
    """A request handler that logs method, path and status, never a query string or header."""
    from werkzeug.serving import WSGIRequestHandler

    logger = logging.getLogger(__name__)

    class QuietHandler(base or WSGIRequestHandler):  # type: ignore[misc]  # the base is chosen at run time
        """Logs without values."""

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Log one request."""
            logger.info("%s %s %s", self.command, self.path.partition("?")[0], code)

        def log(self, type: str, message: str, *args: Any) -> None:
            """Log what the server says."""
            logger.info(message.replace("%", "%%") if not args else message, *args)

    return QuietHandler

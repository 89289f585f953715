"""Asks a DataRobot installation and tells what came, whatever came: for diagnosis, which must not stop at an error.

Each path is asked once per object; nothing that changes anything is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.transport import transport_reason
from lifecycle.clients.web import Answer, AnswerTooLongError, AnswerTooSlowError, WebClient
from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.verification import Reason
from lifecycle.foundation.deadline import Deadline, Monotonic

PATIENCE = timedelta(seconds=15)
_PAGE = 100
_MAX_PAGES = 200


class DataRobotAnswers:
    """One identity at one installation, remembering.

    Args:
        client: the identity.
        web: for addresses that are asked without a login.
        patience: for each question.
        monotonic: measures how long an answer took.
    """

    def __init__(
        self,
        client: DataRobotClient,
        *,
        web: WebClient | None = None,
        patience: timedelta = PATIENCE,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._client = client
        self._web = web or WebClient()
        self._patience = patience
        self._monotonic = monotonic
        self._known: dict[str, Seen] = {}

    def ask(self, path: str) -> Seen:
        """GET a path below /api/v2."""
        return self._once(path, lambda deadline: self._client.exchange("GET", path, deadline=deadline))

    def ask_all(self, path: str) -> Seen:
        """GET every page of a list; the first page that is none is returned as it is."""
        key = f"all {path}"
        if key not in self._known:
            self._known[key] = self._pages(path)
        return self._known[key]

    def evaluate(self, path: str, body: dict[str, Any]) -> Seen:
        """Ask by POST what changes nothing."""
        return self._once(
            f"POST {path}", lambda deadline: self._client.exchange("POST", path, body=body, deadline=deadline)
        )

    def knock(self, url: str) -> Seen:
        """GET the root of an address, without any login."""
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        return self._once(root, lambda deadline: self._web.exchange("GET", root, deadline=deadline))

    def _pages(self, path: str) -> Seen:
        found: list[Mapping[str, Any]] = []
        joint = "&" if "?" in path else "?"
        seen = Seen(reason=Reason.AMBIGUOUS)
        for _ in range(_MAX_PAGES):
            seen = self.ask(f"{path}{joint}offset={len(found)}&limit={_PAGE}")
            page = seen.items()
            # `next` is an absolute URL of the server's choice: it says that there is more, and is never followed.
            if not seen.good or not page or not seen.document.get("next"):
                break
            found.extend(page)
        if not seen.good:
            return seen
        return Seen(reason=seen.reason, status=seen.status, document={"data": [*found, *seen.items()]})

    def _once(self, key: str, send: Callable[[Deadline], Answer]) -> Seen:
        if key not in self._known:
            self._known[key] = self._seen(send)
        return self._known[key]

    def _seen(self, send: Callable[[Deadline], Answer]) -> Seen:
        began = self._monotonic()
        try:
            answer = send(Deadline.after(self._patience))
        except AnswerTooSlowError:
            return Seen(reason=Reason.TIMEOUT_READ)
        except AnswerTooLongError:
            return Seen(reason=Reason.WORKS, status=200, native=False)
        except Exception as error:  # its text may hold the request; its kind is told
            return Seen(reason=transport_reason(error))
        took = timedelta(seconds=self._monotonic() - began)
        document = answer.document()
        shown = document if isinstance(document, dict) else {}
        # DataRobot says every error in JSON with a message; anything else came from something in between.
        native = isinstance(document, dict) and (answer.status < 400 or bool(answer.text_field("message")))
        return Seen(
            reason=Reason.WORKS,
            status=answer.status,
            document=shown,
            native=native,
            deprecated=bool(answer.headers.get("Deprecation")),
            took=took,
        )

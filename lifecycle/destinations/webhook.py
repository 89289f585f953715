"""A signed message to a receiver that fetches the value itself: it says that there is a new one, and never carries it.

Every message is a POST of JSON::

    {"event": "rotated" | "asked" | "withdrawn", "credential": "agent-key", "consumer": "webhook-1", "version": "17",
     "fingerprint": "ab12:9f…", "operation": "…", "fence": 4, "sent_at": "2026-11-24T18:00:00Z"}

with `X-Lifecycle-Signature: t=<seconds since 1970>,v1=<hex>`: HMAC-SHA-256 over `<t>.<body>` with the key that lies in
the secret store of the credential at `NAME-webhook-key`, field `key`. The receiver

1. refuses a wrong signature, and one whose `t` is more than 300 seconds away from its clock (the replay window);
2. refuses a `fence` lower than the highest it has accepted for this credential, which a replay inside the window is;
3. reads the value from the store, with its own login, and takes it up;
4. answers every event with 2xx and `{"holds": "<fingerprint that came with the value it uses>"}`, or with
   `{"holds": …, "failing": "<one word>"}` when it cannot work with it. Only that is the acknowledgement.

Redirects are not followed. An answer's text is never shown.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import AmbiguousEffectError, AuthenticationError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock
from lifecycle.domain.secret import Fingerprint, OperationId, SecretText
from lifecycle.domain.spec import Duration

SIGNATURE = "X-Lifecycle-Signature"
REPLAY_WINDOW = timedelta(seconds=300)
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class WebhookSettings(KindSettings):
    """`deliver_to: [{webhook: {…}}]`.

    Attributes:
        url: receives the messages; https, or this machine.
        ca_file: trust only this authority; empty = the system's.
        timeout: of one exchange.
    """

    url: str = Field(min_length=1)
    ca_file: str = ""
    timeout: Duration = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    event: str
    consumer: str
    fingerprint: str = ""
    operation: str = ""
    fence: int = 0


class WebhookTarget:
    """One receiver.

    Args:
        url: of the receiver.
        credential: name that the messages give.
        key: reads the key that signs.
        version: reads the id of the current version in the store.
        clock: the time.
        web: sends; its timeout bounds each exchange.
    """

    def __init__(
        self,
        url: str,
        *,
        credential: str,
        key: Callable[[], SecretText],
        version: Callable[[], str],
        clock: Clock,
        web: WebClient,
    ) -> None:
        checked_endpoint(url, what="the address of the webhook")
        self._url = url
        self._credential = credential
        self._key = key
        self._version = version
        self._clock = clock
        self._web = web

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"the receiver {self._url}"

    def put(self, parcel: Parcel) -> Placed:
        """Say that there is a new value."""
        self._send(
            _Message(
                event="rotated",
                consumer=parcel.consumer,
                fingerprint=parcel.fingerprint,
                operation=parcel.operation,
                fence=parcel.fence,
            )
        )
        return Placed(
            marks={"consumer": parcel.consumer, "operation": parcel.operation, "fence": str(parcel.fence)},
        )

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Ask what the receiver holds; the question names what it should hold."""
        answer = self._send(
            _Message(
                event="asked",
                consumer=marks.get("consumer", ""),
                fingerprint=fingerprint,
                operation=marks.get("operation", ""),
                fence=int(marks.get("fence", "0")),
            )
        )
        if answer.text_field("holds") != fingerprint:
            return Sight(seen=Seen.SETTLING)
        failing = answer.text_field("failing")
        if not failing:
            return Sight(seen=Seen.HELD)
        word = failing if _WORD.fullmatch(failing) else "no reason that could be shown"
        return Sight(seen=Seen.HELD, failing=f"the receiver cannot work with it: {word}")

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Say that the value ends, and hear that the receiver holds none."""
        answer = self._send(_Message(event="withdrawn", consumer=consumer, operation=operation, fence=fence))
        if answer.text_field("holds"):
            raise RemoteServiceError(
                f"{self.place} still holds a value of {self._credential}",
                remedy="make it answer `withdrawn` with an empty `holds` once it has let go",
                retryable=True,
            )

    def _send(self, message: _Message) -> Answer:
        now = self._clock()
        document = {
            "event": message.event,
            "credential": self._credential,
            "consumer": message.consumer,
            "version": self._version(),
            "fingerprint": message.fingerprint,
            "operation": message.operation,
            "fence": message.fence,
            "sent_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        body = json.dumps(document, sort_keys=True).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: signature(self._key(), int(now.timestamp()), body)}
        what = f"telling {self.place} ({message.event})"
        answer = self._web.call("POST", self._url, what=what, headers=headers, content=body)
        _judge(answer, what)
        return answer


def signature(key: SecretText, at: int, body: bytes) -> str:
    """The header's content.

    Args:
        key: from the secret store.
        at: seconds since 1970.
        body: as sent.
    """
    secret = key.get_secret_value().encode()
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _judge(answer: Answer, what: str) -> None:
    if 200 <= answer.status < 300:
        return
    told = f"{what}: answered {answer.status}"
    if answer.status in (401, 403):
        raise AuthenticationError(told, remedy="compare the signing key in the secret store, and both clocks")
    if answer.status >= 500:
        raise AmbiguousEffectError(told, remedy="run again: the receiver is asked what it holds", retryable=True)
    raise RemoteServiceError(told, remedy="look at the receiver's log; redirects are not followed")


_: type[CopyTarget] = WebhookTarget

KIND = Kind(
    name="webhook",
    family=Family.DESTINATION,
    settings=WebhookSettings,
    summary="A signed message without the value: the receiver reads the store and says what it holds.",
)

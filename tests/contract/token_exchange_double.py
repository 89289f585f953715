"""A double of an RFC 8693 exchange that refuses what the RFC says: who asks, what is presented, and for whom."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.contract.http_doubles import Reply, Request

TYPES = "urn:ietf:params:oauth:token-type:"
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass
class ExchangeDouble:
    """Gives a token of its own for a subject token that its identity provider calls live.

    Attributes:
        live: asks the identity provider about a subject token.
        audiences: the targets that it knows; empty = it takes no audience, as DataRobot's inbound OAuth.
        subject_type: the only type of subject tokens that it takes.
        issued_type: what it calls what it gives.
        token_type: how that is used.
        life: of its tokens, in seconds; None = it does not say.
        url: its issuer identifier, once it runs.
        asked: the forms of all exchanges.
    """

    live: Callable[[str], bool]
    audiences: tuple[str, ...] = ()
    subject_type: str = "access_token"
    issued_type: str = f"{TYPES}access_token"
    token_type: str = "Bearer"
    life: int | None = 900
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    given: set[str] = field(default_factory=set)

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if request.method == "GET" and request.path == "/.well-known/openid-configuration":
            return _json(200, {"issuer": self.url, "token_endpoint": f"{self.url}/oauth2/token"})
        if request.path == "/use":
            known = request.headers.get("Authorization", "").removeprefix("Bearer ") in self.given
            headers = {} if known else {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return _json(200 if known else 401, {}, headers)
        if request.method != "POST" or request.path != "/oauth2/token":
            return _json(404, {})
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
        if any(len(values) > 1 for name, values in fields.items() if name not in ("audience", "resource")):
            return _refused("invalid_request")
        return self._exchange({name: values[0] for name, values in fields.items()})

    def _exchange(self, form: dict[str, str]) -> Reply:
        self.asked.append(form)
        if form.get("grant_type") != _GRANT:
            return _refused("unsupported_grant_type")
        # 2.1: both are required; an actor_token_type must not come alone.
        if not form.get("subject_token") or ("actor_token_type" in form and "actor_token" not in form):
            return _refused("invalid_request")
        if form.get("subject_token_type") != f"{TYPES}{self.subject_type}" or not self.live(form["subject_token"]):
            return _refused("invalid_request")  # 2.2.2: invalid or unacceptable for any reason
        if self.audiences and form.get("audience") not in self.audiences:
            return _refused("invalid_target")
        token = secrets.token_urlsafe()
        self.given.add(token)
        body = {"access_token": token, "issued_token_type": self.issued_type, "token_type": self.token_type}
        return _json(200, body if self.life is None else {**body, "expires_in": self.life})


def _refused(code: str) -> Reply:
    return _json(400, {"error": code})


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    told = {"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})}
    return Reply(status=status, body=json.dumps(body).encode(), headers=told)

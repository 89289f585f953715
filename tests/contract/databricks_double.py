"""A double of a Databricks account: secrets of service principals, and the token endpoint where they log in.

It refuses what Databricks refuses: a sixth secret, an unknown id, a token of a service principal that manages nothing.
Lists come in pages of two.
"""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.contract.http_doubles import Reply, Request

ACCOUNT = str(uuid4())
_HEADERS = {"Content-Type": "application/json", "x-request-id": "req-1"}
_PAGE = 2


@dataclass(kw_only=True)
class Principal:
    """One service principal; `manages` = it may manage others."""

    client_id: str = field(default_factory=lambda: str(uuid4()))
    manages: bool = False
    secrets: list[dict[str, Any]] = field(default_factory=list)

    def add(self, lifetime: timedelta = timedelta(days=730)) -> dict[str, Any]:
        """Make a secret."""
        made = {
            "id": str(uuid4()),
            "secret": f"dose{secrets.token_hex(16)}",
            "status": "ACTIVE",
            "create_time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "expire_time": f"{datetime.now(UTC) + lifetime:%Y-%m-%dT%H:%M:%SZ}",
        }
        self.secrets.append(made)
        return made


@dataclass(kw_only=True)
class DatabricksDouble:
    """State and behaviour."""

    principals: dict[str, Principal] = field(default_factory=dict)
    _tokens: dict[str, Principal] = field(default_factory=dict)
    url: str = ""

    def register(self, *, manages: bool = False) -> str:
        """Make a service principal; returns its numeric id."""
        number = str(10_000 + len(self.principals))
        self.principals[number] = Principal(manages=manages)
        return number

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        parts = urlsplit(request.path)
        if parts.path.startswith(f"/oidc/accounts/{ACCOUNT}/"):
            return self._login(request, parts.path)
        caller = self._tokens.get((request.headers.get("Authorization") or "").removeprefix("Bearer "))
        if caller is None:
            return _refused(401, "UNAUTHENTICATED")
        head = f"/api/2.0/accounts/{ACCOUNT}/servicePrincipals/"
        number, _, rest = parts.path.removeprefix(head).partition("/credentials/secrets")
        wanted = self.principals.get(number)
        if wanted is None:
            return _refused(404, "RESOURCE_DOES_NOT_EXIST")
        if not caller.manages and caller is not wanted:
            return _refused(403, "PERMISSION_DENIED")
        return _secrets(request, wanted, rest.strip("/"), parse_qs(parts.query))

    def _login(self, request: Request, path: str) -> Reply:
        issuer = f"{self.url}/oidc/accounts/{ACCOUNT}"
        if path.endswith("/.well-known/oauth-authorization-server"):
            return _json(200, {"issuer": issuer, "token_endpoint": f"{issuer}/v1/token"})
        if request.method != "POST":
            return Reply(status=404)
        pair = base64.b64decode((request.headers.get("Authorization") or "").removeprefix("Basic ")).decode()
        client_id, _, secret = pair.partition(":")
        found = next((item for item in self.principals.values() if item.client_id == client_id), None)
        if found is None or secret not in {item["secret"] for item in found.secrets}:
            return _json(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if parse_qs(request.body.decode()).get("scope") != ["all-apis"]:
            return _json(400, {"error": "invalid_scope"})
        token = uuid4().hex
        self._tokens[token] = found
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})


def _secrets(request: Request, wanted: Principal, secret_id: str, query: dict[str, list[str]]) -> Reply:
    if request.method == "GET":
        start = int(query.get("page_token", ["0"])[0])
        shown = [{k: v for k, v in item.items() if k != "secret"} for item in wanted.secrets[start : start + _PAGE]]
        more = start + _PAGE < len(wanted.secrets)
        page = ({"secrets": shown} if shown else {}) | ({"next_page_token": str(start + _PAGE)} if more else {})
        return _json(200, page)
    if request.method == "POST":
        if len(wanted.secrets) >= 5:
            return _refused(400, "INVALID_PARAMETER_VALUE")
        return _json(200, wanted.add(timedelta(seconds=int(json.loads(request.body)["lifetime"].removesuffix("s")))))
    left = [item for item in wanted.secrets if item["id"] != secret_id]
    if len(left) == len(wanted.secrets):
        return _refused(404, "RESOURCE_DOES_NOT_EXIST")
    wanted.secrets = left
    return _json(200, {})


def _json(status: int, document: object) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode(), headers=_HEADERS)


def _refused(status: int, code: str) -> Reply:
    return _json(status, {"error_code": code, "message": f"told by Databricks: {code}"})

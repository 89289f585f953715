"""A double of Okta: the client secrets of an application, and the authorization server where they log in.

It refuses what Okta refuses: a third secret, deletion of an active one, an unknown id, an API token that is not live
or lacks a role. A list shows hashes only.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from tests.contract.http_doubles import Reply, Request

LIVE, POWERLESS = "live-token", "powerless-token"
_HEADERS = {"Content-Type": "application/json", "x-okta-request-id": "req-1"}


@dataclass(kw_only=True)
class OktaDouble:
    """State and behaviour."""

    url: str = ""
    apps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        """The authorization server."""
        return f"{self.url}/oauth2/default"

    def register(self) -> str:
        """Make an application without a secret; returns its id, which is also the client id."""
        app_id = f"0oa{uuid4().hex[:17]}"
        self.apps[app_id] = []
        return app_id

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        path = request.path
        if path.startswith("/oauth2/default/"):
            return self._authorization_server(request)
        token = (request.headers.get("Authorization") or "").removeprefix("SSWS ")
        if token not in (LIVE, POWERLESS):
            return _refused(401, "E0000011")
        if token == POWERLESS:
            return _refused(403, "E0000006")
        app_id, _, rest = path.removeprefix("/api/v1/apps/").partition("/credentials/secrets")
        if app_id not in self.apps:
            return _refused(404, "E0000007")
        return self._secrets(request.method, app_id, rest.strip("/").split("/") if rest else [])

    def _secrets(self, method: str, app_id: str, rest: list[str]) -> Reply:
        held = self.apps[app_id]
        if not rest:
            return _json(200, [_hashed(item) for item in held]) if method == "GET" else self._create(held)
        found = next((item for item in held if item["id"] == rest[0]), None)
        if found is None:
            return _refused(404, "E0000007")
        if method == "DELETE":
            if found["status"] == "ACTIVE":
                return _refused(400, "E0000001")
            held.remove(found)
            return Reply(status=204, headers=_HEADERS)
        found["status"] = {"activate": "ACTIVE", "deactivate": "INACTIVE"}[rest[2]]
        return _json(200, _hashed(found))

    def _create(self, held: list[dict[str, Any]]) -> Reply:
        if len(held) >= 2:
            return _refused(400, "E0000001")
        made = {
            "id": f"ocs{uuid4().hex[:17]}",
            "client_secret": secrets.token_urlsafe(30),
            "status": "ACTIVE",
            "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
        }
        held.append(made)
        return _json(201, made)

    def _authorization_server(self, request: Request) -> Reply:
        if request.path.endswith("/.well-known/openid-configuration"):
            return _json(200, {"issuer": self.issuer, "token_endpoint": f"{self.issuer}/v1/token"})
        pair = base64.b64decode((request.headers.get("Authorization") or "").removeprefix("Basic "))
        client_id, _, secret = pair.decode().partition(":")
        live = {item["client_secret"] for item in self.apps.get(client_id, []) if item["status"] == "ACTIVE"}
        if secret not in live:
            return _json(401, {"error": "invalid_client", "error_description": "The client secret is invalid."})
        if parse_qs(request.body.decode()).get("scope") != ["read"]:
            return _json(400, {"error": "invalid_scope"})
        return _json(200, {"access_token": uuid4().hex, "token_type": "Bearer", "expires_in": 3600})


def _hashed(item: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.md5(item["client_secret"].encode()).hexdigest()
    return {**item, "client_secret": digest, "secret_hash": digest}


def _json(status: int, document: object) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode(), headers=_HEADERS)


def _refused(status: int, code: str) -> Reply:
    return _json(status, {"errorCode": code, "errorSummary": f"told by Okta: {code}"})

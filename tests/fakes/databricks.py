"""A double of a Databricks workspace: token endpoint, SCIM Me, SQL statements.

It refuses what Databricks refuses: an unknown token with `error_code: 403`, a missing one with 401, a wrong client
secret, a warehouse that the principal may not use, a wait outside 5 to 50 seconds, a table that is absent or denied.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tests.contract.http_doubles import Reply, Request

PERSONAL_TOKEN, CLIENT_ID, CLIENT_SECRET = "dapi-sandbox", "9a1f-client", "dose-sandbox"
WAREHOUSE, DENIED_WAREHOUSE, STOPPED_WAREHOUSE = "wh-good", "wh-denied", "wh-stopped"
_TABLES = {"main.features.customer"}
_ALLOWED_WAIT = range(5, 51)


@dataclass(slots=True, kw_only=True)
class DatabricksDouble:
    """The workspace.

    Attributes:
        issued: access tokens of the service principal.
        refuse_issued: how many times a fresh access token is refused.
        statements: what was run.
    """

    issued: list[str] = field(default_factory=list)
    refuse_issued: int = 0
    statements: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path == "/oidc/v1/token":
            return self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return _json(401, {"error_code": 401, "message": "Credential was not sent or was of an unsupported type"})
        if token in self.issued and self.refuse_issued:
            self.refuse_issued -= 1
            return _json(403, {"error_code": 403, "message": "Invalid access token."})
        if token not in (PERSONAL_TOKEN, *self.issued):
            return _json(403, {"error_code": 403, "message": "Invalid access token."})
        if request.path == "/api/2.0/preview/scim/v2/Me":
            return _json(200, {"userName": "svc@acme.example" if token == PERSONAL_TOKEN else CLIENT_ID})
        if request.path == "/api/2.0/sql/statements" and request.method == "POST":
            return self._statement(json.loads(request.body))
        return _json(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found"})

    def _token(self, request: Request) -> Reply:
        login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            return _json(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        form = request.body.decode()
        if "grant_type=client_credentials" not in form or "scope=all-apis" not in form:
            return _json(400, {"error": "invalid_request"})
        self.issued.append(f"issued-{len(self.issued)}")
        return _json(200, {"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": 3600})

    def _statement(self, body: dict[str, Any]) -> Reply:
        self.statements.append(body)
        if int(body["wait_timeout"].removesuffix("s")) not in _ALLOWED_WAIT:
            return _json(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "wait_timeout out of range"})
        if body["warehouse_id"] == DENIED_WAREHOUSE:
            return _json(403, {"error_code": "PERMISSION_DENIED", "message": "You do not have permission to use it"})
        if body["warehouse_id"] == STOPPED_WAREHOUSE:
            return _json(200, {"statement_id": "s", "status": {"state": "CANCELED"}})
        if body["warehouse_id"] != WAREHOUSE:
            return _json(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "warehouse does not exist"})
        words = body["statement"].split()
        table = words[words.index("FROM") + 1] if "FROM" in words else ""
        if not table or table in _TABLES:
            return _json(200, {"statement_id": "s", "status": {"state": "SUCCEEDED"}, "result": {"data_array": []}})
        tag = "INSUFFICIENT_PERMISSIONS" if table == "main.hr.salary" else "TABLE_OR_VIEW_NOT_FOUND"
        error = {"error_code": "BAD_REQUEST", "message": f"[{tag}] about {table}"}
        return _json(200, {"statement_id": "s", "status": {"state": "FAILED", "error": error}})


def _json(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status=status, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

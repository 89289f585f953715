"""A double of Azure Resource Manager for the keys of storage accounts.

It refuses what Azure refuses: an unknown account, a name that is no key, an identity without the action.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.contract.http_doubles import Reply, Request
from tests.servers.azurite import new_account_key

SUBSCRIPTION, GROUP = "11111111-2222-3333-4444-555555555555", "ml"
LIVE, POWERLESS = "live-token", "powerless-token"
_HEAD = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/"
_HEADERS = {"Content-Type": "application/json", "x-ms-request-id": "req-1"}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}7Z"


@dataclass(kw_only=True)
class ArmDouble:
    """State and behaviour.

    Attributes:
        accounts: name -> keyName -> (key, creation time).
    """

    accounts: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def register(self, keys: tuple[str, str] | None = None) -> str:
        """Make an account; returns its name."""
        name = f"account{len(self.accounts)}"
        first, second = keys or (new_account_key(), new_account_key())
        self.accounts[name] = {"key1": (first, "2020-01-01T00:00:00Z"), "key2": (second, "2020-01-01T00:00:00Z")}
        return name

    def works(self, name: str, key: str) -> bool:
        """Whether the account accepts a key."""
        return key in {value for value, _ in self.accounts[name].values()}

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in (LIVE, POWERLESS):
            return _refused(401, "InvalidAuthenticationToken")
        path, _, query = request.path.partition("?")
        name, _, action = path.removeprefix(_HEAD).partition("/")
        if request.method != "POST" or not query.startswith("api-version="):
            return _refused(400, "MissingApiVersionParameter")
        if token == POWERLESS:
            return _refused(403, "AuthorizationFailed")
        if name not in self.accounts:
            return _refused(404, "ResourceNotFound")
        if action == "regenerateKey":
            slot = json.loads(request.body)["keyName"]
            if slot not in self.accounts[name]:
                return _refused(400, "InvalidValuesForRequestParameters")
            self.accounts[name][slot] = (new_account_key(), _now())
        return _json(200, {"keys": [_entry(slot, *held) for slot, held in self.accounts[name].items()]})


def _entry(slot: str, value: str, created: str) -> dict[str, str]:
    return {"keyName": slot, "value": value, "permissions": "FULL", "creationTime": created}


def _json(status: int, document: object) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode(), headers=_HEADERS)


def _refused(status: int, code: str) -> Reply:
    return _json(status, {"error": {"code": code, "message": f"told by Azure: {code}"}})

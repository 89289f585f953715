"""OAuth providers of the DataRobot double: only who added one may change it, and its secret is never returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.sandbox.datarobot_state import (
    ROOT,
    Caller,
    DataRobotState,
    Record,
    body_of,
    forbidden,
    new_id,
    page,
)
from lifecycle.sandbox.wsgi import Reply, ReplyError, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

PROVIDERS = f"{ROOT}/externalOAuth/providers/"
_TABLE = "oauthProviders"
_TYPES = ("github", "gitlab", "bitbucket", "google", "box", "microsoft")
_REQUIRED = ("name", "type", "clientId", "clientSecret")
_HIDDEN = frozenset({"creator", "digests"})


class OAuthProviders:
    """`/externalOAuth/providers/`."""

    def __init__(self, state: DataRobotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Their paths."""
        one = f"{PROVIDERS}<provider_id>/"
        return routes(
            ("GET", PROVIDERS, self.list),
            ("POST", PROVIDERS, self.create),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
        )

    def list(self, request: Request, _: Caller) -> Reply:
        """All providers, or those asked for."""
        ids = request.args.getlist("ids")
        found = self._state.table(_TABLE).values()
        return page(request, [_shown(item) for item in found if not ids or item["id"] in ids])

    def create(self, request: Request, caller: Caller) -> Reply:
        """A new provider."""
        body = body_of(request)
        _check(body, allowed=_REQUIRED, required=_REQUIRED)
        if body["type"] not in _TYPES:
            raise _invalid("type", f"must be one of {', '.join(_TYPES)}")
        made: Record = {
            "id": new_id(),
            "name": body["name"],
            "type": body["type"],
            "clientId": body["clientId"],
            "orgId": caller.user["orgId"],
            "status": "active",
            "secureConfigId": None,
            "createdAt": self._state.now(),
            "updatedAt": self._state.now(),
            "metadata": {},
            "creator": caller.user["id"],
            "digests": self._state.digests({"clientSecret": body["clientSecret"]}),
        }
        self._state.table(_TABLE)[str(made["id"])] = made
        self._state.save()
        return Reply(status=201, body=_shown(made))

    def get(self, _: Request, __: Caller, provider_id: str) -> Reply:
        """One provider, never its secret."""
        return Reply(body=_shown(self._state.find(_TABLE, provider_id)))

    def update(self, request: Request, caller: Caller, provider_id: str) -> Reply:
        """Change name or secret in place."""
        item, body = self._own(caller, provider_id), body_of(request)
        _check(body, allowed=("name", "clientSecret"), required=tuple(body))
        item |= {"name": body.get("name", item["name"]), "updatedAt": self._state.now()}
        if "clientSecret" in body:
            item["digests"] = self._state.digests({"clientSecret": body["clientSecret"]})
        self._state.save()
        return Reply(body=_shown(item))

    def delete(self, _: Request, caller: Caller, provider_id: str) -> Reply:
        """Delete one; everybody has to authorise again."""
        self._own(caller, provider_id)
        del self._state.table(_TABLE)[provider_id]
        self._state.save()
        return Reply(status=204)

    def _own(self, caller: Caller, provider_id: str) -> Record:
        item = self._state.find(_TABLE, provider_id)
        if item["creator"] != caller.user["id"]:
            raise forbidden()
        return item


def _shown(item: Record) -> Record:
    return {name: value for name, value in item.items() if name not in _HIDDEN}


def _check(body: Record, *, allowed: tuple[str, ...], required: tuple[str, ...]) -> None:
    for name in sorted(body.keys() - set(allowed)):
        raise _invalid(name, "is not a field that may be sent")
    for name in required:
        if not isinstance(body.get(name), str) or not body[name]:
            raise _invalid(name, "is required")


def _invalid(name: str, message: str) -> ReplyError:
    """422 in the words of the OAuth provider service."""
    return ReplyError(422, {"message": "Invalid request", "errorFields": [{"name": name, "message": message}]})

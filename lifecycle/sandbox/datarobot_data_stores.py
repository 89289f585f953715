"""Data stores of the DataRobot double, each in front of a fake database.

The fake database accepts what `PUT /__control__/backends/NAME` (NAME: the store's canonical name; control token) set
last, an object of credential fields such as {"user": "u", "password": "p"}; it keeps keyed digests only. A connection
test succeeds if every field of it equals the one tested with. A store without a backend refuses every test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.control import PREFIX
from lifecycle.sandbox.datarobot_credentials import check_fields
from lifecycle.sandbox.datarobot_state import (
    ROOT,
    Caller,
    DataRobotState,
    Record,
    body_of,
    in_use,
    invalid,
    new_id,
    not_found,
    page,
    text_of,
)
from lifecycle.sandbox.wsgi import Reply, ReplyError, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

STORES = f"{ROOT}/externalDataStores/"
_TYPES = ("jdbc", "dr-connector-v1", "dr-database-v1")


class DataStores:
    """`/externalDataStores/` with connection tests, and the list of drivers."""

    def __init__(self, state: DataRobotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Their paths."""
        one = f"{STORES}<store_id>/"
        return routes(
            ("GET", STORES, self.list),
            ("POST", STORES, self.create),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("POST", f"{one}test/", self.test),
            ("GET", f"{ROOT}/externalDataDrivers/", self.drivers),
        )

    def controls(self) -> list[Route]:
        """The control that says what the fake database accepts."""
        return [Route(method="PUT", rule=f"{PREFIX}backends/<name>", handler=self.set_backend)]

    def list(self, request: Request, _: Caller) -> Reply:
        """All stores, by type if asked."""
        kind = request.args.get("type")
        stores = self._state.table("dataStores").values()
        return page(request, [store for store in stores if kind in (None, "all", store["type"])])

    def create(self, request: Request, caller: Caller) -> Reply:
        """A new store."""
        body = body_of(request)
        kind, name = text_of(body, "type"), text_of(body, "canonicalName")
        if kind not in _TYPES or not isinstance(body.get("params"), dict):
            raise invalid(f"type must be one of {', '.join(_TYPES)} and params an object")
        if any(store["canonicalName"] == name for store in self._state.table("dataStores").values()):
            raise in_use("Data store", name)
        store = {
            "id": new_id(),
            "type": kind,
            "canonicalName": name,
            "creator": caller.user["id"],
            "params": body["params"],
            "updated": self._state.now(),
            "role": "OWNER",
            "driverClassType": None,
        }
        self._state.table("dataStores")[str(store["id"])] = store
        self._state.save()
        return Reply(status=201, body=store)

    def get(self, _: Request, __: Caller, store_id: str) -> Reply:
        """One store."""
        return Reply(body=self._state.find("dataStores", store_id))

    def update(self, request: Request, _: Caller, store_id: str) -> Reply:
        """Change name or parameters."""
        store, body = self._state.find("dataStores", store_id), body_of(request)
        if "canonicalName" in body:
            store["canonicalName"] = text_of(body, "canonicalName")
        if "params" in body:
            store["params"] |= body["params"]
        store["updated"] = self._state.now()
        self._state.save()
        return Reply(body=store)

    def delete(self, _: Request, __: Caller, store_id: str) -> Reply:
        """Delete a store and the associations with it."""
        self._state.find("dataStores", store_id)
        del self._state.table("dataStores")[store_id]
        for item in self._state.table("credentials").values():
            item["associations"].pop(f"dataconnection:{store_id}", None)
        self._state.save()
        return Reply(status=204)

    def test(self, request: Request, _: Caller, store_id: str) -> Reply:
        """Try to log in: with a stored credential, with user and password, or with fields not stored yet."""
        store = self._state.find("dataStores", store_id)
        tried = self._tried(body_of(request))
        accepted = self._state.table("backends").get(store["canonicalName"])
        if accepted is None:
            raise ReplyError(400, {"message": "Unable to connect: the data source does not answer."})
        if not accepted or any(tried.get(name) != digest for name, digest in accepted.items()):
            raise ReplyError(400, {"message": "Unable to connect: invalid credentials."})
        return Reply(body={"message": "Connection successful"})

    def drivers(self, request: Request, _: Caller) -> Reply:
        """The one driver that every tenant has here."""
        driver = {
            "id": "5a6af02eb15372000117c040",
            "canonicalName": "PostgreSQL",
            "type": "jdbc",
            "creator": "datarobot",
        }
        return page(request, [driver])

    def set_backend(self, request: Request, _: None, name: str) -> Reply:
        """Say what the fake database behind a store accepts from now on."""
        self._state.table("backends")[name] = self._state.digests(body_of(request))
        self._state.save()
        return Reply(status=204)

    def _tried(self, body: Record) -> dict[str, str]:
        given = {name: value for name, value in body.items() if value is not None}
        if "credentialId" in given:
            stored = self._state.table("credentials").get(str(given["credentialId"]))
            if stored is None:
                raise not_found()
            return dict(stored["digests"])
        data: Any = given.get("credentialData")
        if data is not None:
            if not isinstance(data, dict):
                raise invalid("credentialData must be an object")
            check_fields(text_of(data, "credentialType"), data)
            return self._state.digests({name: value for name, value in data.items() if name != "credentialType"})
        return self._state.digests({"user": text_of(given, "user"), "password": text_of(given, "password")})

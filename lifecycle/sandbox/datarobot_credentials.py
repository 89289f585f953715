"""Credentials of the DataRobot double: a PATCH keeps id and associations, a secret is never returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from lifecycle.sandbox.wsgi import Reply, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

CREDENTIALS = f"{ROOT}/credentials/"
_SHOWN = ("credentialId", "name", "credentialType", "description", "creationDate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of one credential type; with `config`, a `configId` may stand for the required ones."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    config: bool = False

    @property
    def all(self) -> tuple[str, ...]:
        """Every field that may be sent."""
        return (*self.required, *self.optional, *(("configId",) if self.config else ()))


TYPES: Mapping[str, Fields] = {
    "basic": Fields(required=("user", "password"), optional=("snowflakeAccountName",)),
    "oauth": Fields(required=("token",), optional=("refreshToken",)),
    "s3": Fields(required=("awsAccessKeyId", "awsSecretAccessKey"), optional=("awsSessionToken",), config=True),
    "gcp": Fields(required=("gcpKey",), config=True),
    "azure": Fields(required=("azureConnectionString",)),
    "azure_service_principal": Fields(required=("clientId", "clientSecret", "azureTenantId"), config=True),
    "adls_gen2_oauth": Fields(required=("clientId", "clientSecret", "oauthScopes"), config=True),
    "snowflake_key_pair_user_account": Fields(
        required=("user", "privateKeyStr"), optional=("passphrase",), config=True
    ),
    "snowflake_oauth_user_account": Fields(
        required=("clientId", "clientSecret", "snowflakeAccountName"),
        optional=("oauthIssuerType", "oauthIssuerUrl", "oauthScopes"),
    ),
    "databricks_access_token_account": Fields(required=("databricksAccessToken",)),
    "databricks_service_principal_account": Fields(required=("clientId", "clientSecret"), config=True),
    "external_oauth_provider": Fields(required=("authenticationId",)),
    "box_jwt": Fields(
        required=("clientId", "clientSecret", "enterpriseId", "publicKeyId", "privateKeyStr"), optional=("passphrase",)
    ),
    "api_token": Fields(required=("apiToken",)),
}


class Credentials:
    """`/credentials/` with associations."""

    def __init__(self, state: DataRobotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Their paths."""
        one = f"{CREDENTIALS}<credential_id>/"
        return routes(
            ("GET", CREDENTIALS, self.list),
            ("POST", CREDENTIALS, self.create),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("GET", f"{one}associations/", self.associations),
            ("PATCH", f"{one}associations/", self.change_associations),
            ("PUT", f"{one}associations/<association>/", self.set_default),
            ("GET", f"{ROOT}/externalDataStores/<store_id>/credentials/", self.of_data_store),
        )

    def list(self, request: Request, _: Caller) -> Reply:
        """All credentials, by type if asked."""
        types = request.args.get("types")
        found = self._state.table("credentials").values()
        chosen = [shown(item) for item in found if not types or item["credentialType"] in types.split(",")]
        return page(request, chosen[::-1] if request.args.get("orderBy") == "-creationDate" else chosen)

    def create(self, request: Request, _: Caller) -> Reply:
        """A new credential with a new id."""
        body = body_of(request)
        kind, name = text_of(body, "credentialType"), text_of(body, "name")
        check_fields(kind, body)
        self._check_name(name, "")
        credential_id = new_id()
        self._state.table("credentials")[credential_id] = {
            "credentialId": credential_id,
            "name": name,
            "credentialType": kind,
            "description": body.get("description") or "",
            "creationDate": self._state.now(),
            "digests": self._state.digests({field: body.get(field) for field in TYPES[kind].all}),
            "associations": {},
        }
        self._state.save()
        return Reply(status=201, body=shown(self._state.table("credentials")[credential_id]))

    def get(self, _: Request, __: Caller, credential_id: str) -> Reply:
        """One credential, never its secret."""
        return Reply(body=shown(self._state.find("credentials", credential_id)))

    def update(self, request: Request, _: Caller, credential_id: str) -> Reply:
        """Change name, description or secret in place; a name without a description clears the description."""
        item, body = self._state.find("credentials", credential_id), body_of(request)
        fields = TYPES[item["credentialType"]].all
        unknown = sorted(body.keys() - {*fields, "name", "description", "credentialType"})
        if unknown or body.get("credentialType", item["credentialType"]) != item["credentialType"]:
            raise invalid(
                f"not a field of a {item['credentialType']} credential: {', '.join(unknown) or 'another type'}"
            )
        if "name" in body:
            self._check_name(text_of(body, "name"), credential_id)
            item |= {"name": body["name"], "description": body.get("description") or ""}
        elif "description" in body:
            item["description"] = body["description"] or ""
        item["digests"] |= self._state.digests({name: body[name] for name in fields if name in body})
        self._state.save()
        return Reply(body=shown(item))

    def delete(self, _: Request, __: Caller, credential_id: str) -> Reply:
        """Delete, associated or not: the holders of its id then point at nothing, as in the product."""
        self._state.find("credentials", credential_id)
        del self._state.table("credentials")[credential_id]
        self._state.save()
        return Reply(status=204)

    def associations(self, request: Request, _: Caller, credential_id: str) -> Reply:
        """What uses this credential."""
        return page(request, self._state.find("credentials", credential_id)["associations"].values())

    def change_associations(self, request: Request, _: Caller, credential_id: str) -> Reply:
        """Add and remove associations."""
        item, body = self._state.find("credentials", credential_id), body_of(request)
        for entry in body.get("credentialsToAdd", []):
            self._associate(item, text_of(entry, "objectType"), text_of(entry, "objectId"))
        for object_id in body.get("credentialsToRemove", []):
            names = [name for name, entry in item["associations"].items() if entry["objectId"] == object_id]
            for name in names:
                del item["associations"][name]
        self._state.save()
        return page(request, item["associations"].values())

    def set_default(self, request: Request, _: Caller, credential_id: str, association: str) -> Reply:
        """Make this the default credential of a data store, or no longer."""
        item = self._state.find("credentials", credential_id)
        kind, _colon, object_id = association.partition(":")
        entry = self._associate(item, kind, object_id)
        wanted = bool(body_of(request).get("isDefault"))
        for other in self._state.table("credentials").values():
            if wanted and association in other["associations"]:
                other["associations"][association]["isDefault"] = False
        entry["isDefault"] = wanted
        self._state.save()
        return Reply(body=entry)

    def of_data_store(self, request: Request, _: Caller, store_id: str) -> Reply:
        """Which credentials a data store is used with."""
        self._state.find("dataStores", store_id)
        name = f"dataconnection:{store_id}"
        found = [
            shown(item) | {"isDefault": item["associations"][name]["isDefault"]}
            for item in self._state.table("credentials").values()
            if name in item["associations"]
        ]
        return page(request, found)

    def _associate(self, item: Record, kind: str, object_id: str) -> Record:
        if kind == "dataconnection" and object_id not in self._state.table("dataStores"):
            raise not_found()
        entry: Record = item["associations"].setdefault(
            f"{kind}:{object_id}",
            {
                "objectId": object_id,
                "objectType": kind,
                "link": f"{ROOT}/externalDataStores/{object_id}/" if kind == "dataconnection" else None,
                "isDefault": False,
            },
        )
        return entry

    def _check_name(self, name: str, own_id: str) -> None:
        for item in self._state.table("credentials").values():
            if item["name"] == name and item["credentialId"] != own_id:
                raise in_use("Credential", name)


def shown(item: Record) -> Record:
    """What may be read of a credential."""
    return {name: item[name] for name in _SHOWN}


def check_fields(kind: str, body: Mapping[str, Any]) -> None:
    """Refuse an unknown type, a missing field and a foreign field with 422."""
    fields = TYPES.get(kind)
    if fields is None:
        raise invalid(f"credentialType: {kind!r} is not one of {', '.join(TYPES)}")
    unknown = sorted(body.keys() - {*fields.all, "name", "description", "credentialType"})
    if unknown:
        raise invalid(f"not a field of a {kind} credential: {', '.join(unknown)}")
    if fields.config and body.get("configId"):
        return
    missing = [name for name in fields.required if not body.get(name)]
    if missing:
        raise invalid(f"required: {', '.join(missing)}")

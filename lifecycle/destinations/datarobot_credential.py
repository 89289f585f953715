"""A credential object of DataRobot: its secret replaced in place, so that its id and all who use it stay.

Terraform can only replace the object (a new id, and every holder of the old one points at nothing); REST changes it.

1. Where a data store is named: DataRobot tests the new value there before it is stored (`credentialData`). A value that
   the database refuses is not stored.
2. `PATCH /credentials/{id}/` with the secret fields alone: name and description would be cleared or renamed by others.
3. The associations are read before and after; a test with `credentialId` proves what is stored now. If one of them
   fails, the former value is put back at once and the consumer is told as failing.
4. `acknowledged`: the object has the same id, and the test with `credentialId` succeeds again. DataRobot never shows a
   secret, nor when it changed, so without a data store the acknowledgement is the answer to the PATCH.
5. `withdraw`: the fields are overwritten with a word that opens nothing; deleting the object would break its users.

Source: DataRobot REST API v2, `credentials` and `externalDataStores` (test).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from lifecycle.clients.data_store_answers import driver_reason
from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.web import exchange_error
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId, SecretValue, secret_value
from lifecycle.domain.verification import Reason

_CREDENTIALS = "/credentials/"
_STORES = "/externalDataStores/"
_WITHDRAWN = "withdrawn"
_REFUSED = frozenset({Reason.WRONG_VALUE, Reason.EXPIRED})
# DataRobot's credential type -> its field -> the value's field.
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "api_token": {"apiToken": "api_token"},
    "azure_service_principal": {"clientId": "client_id", "clientSecret": "client_secret", "azureTenantId": "tenant_id"},
    "basic": {"user": "username", "password": "password"},
    "databricks_access_token_account": {"databricksAccessToken": "access_token"},
    "databricks_service_principal_account": {"clientId": "client_id", "clientSecret": "client_secret"},
    "oauth": {"token": "access_token", "refreshToken": "refresh_token"},
    "s3": {"awsAccessKeyId": "access_key_id", "awsSecretAccessKey": "secret_access_key"},
    "snowflake_key_pair_user_account": {"user": "user", "privateKeyStr": "private_key"},
}

Former = Callable[[], SecretValue | None]


class DataRobotCredentialSettings(KindSettings):
    """`deliver_to: [{datarobot_credential: {…}}]`, or its name alone.

    Attributes:
        name: of the credential object, which exists already.
        datarobot: name of the installation in the spec.
        data_store: canonical name of the data store that is tested with it; empty = none.
        fields: DataRobot's field -> the value's field, where the usual names of the type do not fit.
    """

    name: str = Field(min_length=1)
    datarobot: str = "default"
    data_store: str = ""
    fields: Mapping[str, str] = {}


class DataRobotCredential:
    """One credential object.

    Args:
        client: the tool's own identity; its user owns the object and sees the data store.
        name: of the object.
        data_store: canonical name; empty = nothing is tested.
        fields: DataRobot's field -> the value's field; empty = as usual for the type.
        former: the value that the object held before, where there is one.
    """

    def __init__(
        self,
        client: DataRobotClient,
        name: str,
        *,
        data_store: str = "",
        fields: Mapping[str, str] | None = None,
        former: Former,
    ) -> None:
        self._client = client
        self._name = name
        self._data_store = data_store
        self._fields = fields or {}
        self._former = former

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"DataRobot credential {self._name}"

    def put(self, parcel: Parcel) -> Placed:
        """Test, change in place, test again; back to the former value when the second test fails."""
        found, store = self._find(), self._store()
        credential, kind = str(found["credentialId"]), str(found["credentialType"])
        body = self._body(kind, parcel.value)
        refused = self._test(store, {"credentialData": {"credentialType": kind, **body}})
        if refused:
            return Placed(refused=f"the database behind {self._data_store} refuses the new value ({refused})")
        before = self._associations(credential)
        self._client.patch(f"{_CREDENTIALS}{credential}/", body)
        wrong = self._wrong(credential, store, before)
        if not wrong:
            return Placed(marks={"credential": credential})
        former = self._former()
        if former is not None:
            self._client.patch(f"{_CREDENTIALS}{credential}/", self._body(kind, former))
        return Placed(refused=wrong)

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """The same object, and DataRobot logs in with what it stores."""
        del fingerprint
        credential = str(self._find()["credentialId"])
        if marks.get("credential") != credential or self._test(self._store(), {"credentialId": credential}):
            return Sight(seen=Seen.CHANGED)
        return Sight(seen=Seen.HELD)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Overwrite the secret; an object that is gone holds none."""
        del consumer, operation, fence
        try:
            found = self._find()
        except NotFoundError:
            return
        kind = str(found["credentialType"])
        emptied = secret_value(dict.fromkeys(self._mapping(kind).values(), _WITHDRAWN))
        self._client.patch(f"{_CREDENTIALS}{found['credentialId']}/", self._body(kind, emptied))

    def _wrong(self, credential: str, store: str, before: frozenset[str]) -> str:
        lost = before - self._associations(credential)
        if lost:
            return f"{self.place} lost its association with {', '.join(sorted(lost))}"
        refused = self._test(store, {"credentialId": credential})
        return f"DataRobot cannot log in to {self._data_store} with what it stored ({refused})" if refused else ""

    def _find(self) -> Mapping[str, Any]:
        found = [item for item in self._client.list_all(_CREDENTIALS) if item.get("name") == self._name]
        return _only(found, self.place, "create the object first, with any value; it is filled by the first delivery")

    def _store(self) -> str:
        """The id of the data store; empty when none is named."""
        if not self._data_store:
            return ""
        listed = self._client.list_all(_STORES, type="all")
        found = [item for item in listed if item.get("canonicalName") == self._data_store]
        return str(
            _only(found, f"data store {self._data_store}", "correct `data_store`, or share it with our user")["id"]
        )

    def _mapping(self, kind: str) -> Mapping[str, str]:
        mapping = self._fields or _FIELDS.get(kind)
        if not mapping:
            raise ConfigurationError(
                f"{self.place} is of type {kind}, for which no fields are known",
                remedy="declare `fields: {DataRobot's field: field of the value}`",
            )
        return mapping

    def _body(self, kind: str, value: SecretValue) -> dict[str, str]:
        mapping = self._mapping(kind)
        missing = sorted(set(mapping.values()) - value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} needs {', '.join(missing)}, which the value does not have",
                remedy=f"declare `fields`; the value has: {', '.join(sorted(value))}",
            )
        return {theirs: value[ours].get_secret_value() for theirs, ours in mapping.items()}

    def _associations(self, credential: str) -> frozenset[str]:
        listed = self._client.list_all(f"{_CREDENTIALS}{credential}/associations/")
        return frozenset(f"{item.get('objectType')} {item.get('objectId')}" for item in listed)

    def _test(self, store: str, body: Mapping[str, Any]) -> str:
        """Empty when DataRobot could log in, or nothing is tested; else the refusal.

        Raises:
            RemoteServiceError: the test says nothing about the value.
        """
        if not store:
            return ""
        what = f"DataRobot's connection test of {self._data_store}"
        try:
            answer = self._client.exchange("POST", f"{_STORES}{store}/test/", body=body)
        except Exception as error:
            raise exchange_error(error, what=what, writes=False) from None
        message = answer.text_field("message")
        if answer.status == 200 and message:
            return ""
        judged = answer.status in (400, 422) and bool(message)
        reason = driver_reason(message) if judged else Reason.AMBIGUOUS
        if reason in _REFUSED:
            return str(reason)
        raise RemoteServiceError(
            f"{what}: answered {answer.status}, which says nothing about the value ({reason})",
            remedy="repair the way from DataRobot to the database; it is tested again",
            retryable=True,
        )


def _only(found: Sequence[Mapping[str, Any]], what: str, remedy: str) -> Mapping[str, Any]:
    if not found:
        raise NotFoundError(f"there is no {what}, or it is hidden from our user", remedy=remedy)
    if len(found) > 1:
        raise ConfigurationError(f"there are {len(found)} objects named {what}", remedy="rename all but one")
    return found[0]


_: type[CopyTarget] = DataRobotCredential

KIND = Kind(
    name="datarobot_credential",
    family=Family.DESTINATION,
    settings=DataRobotCredentialSettings,
    summary="A DataRobot credential object: its secret replaced in place, tested before and after.",
    references={"datarobot": "datarobot"},
)

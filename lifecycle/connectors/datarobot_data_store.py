"""A DataRobot data store: DataRobot itself logs in there, with a new value or with each credential stored for it.

With a credential on the connector, its value is tried before anybody stores it (`credentialData`); without one, every
credential that is associated with the store is tried by its id. Both leave nothing behind.

Sources: DataRobot REST API, externalDataStores test; the texts are those of the drivers: PostgreSQL `auth.c`, Redshift,
Snowflake 390100, SQL Server 18456, MySQL 1045, Oracle ORA-01017, java.net exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lifecycle.clients.data_store_answers import driver_reason
from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.web import Answer, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

NEW_VALUE = "login with the value"


class DataStoreSettings(KindSettings):
    """A connector of kind `datarobot_data_store`; also the target that is verified.

    Attributes:
        data_store: its canonical name.
        datarobot: name of the installation in the spec.
        credential_type: DataRobot's type of the value, e.g. `basic`; needed with a credential.
        fields: DataRobot's field -> the value's field, where the names differ.
    """

    data_store: str
    datarobot: str = "default"
    credential_type: str = "basic"
    fields: Mapping[str, str] = {"user": "username", "password": "password"}


class DataStoreVerifier:
    """Has DataRobot verify.

    Args:
        client: the tool's own identity; its user must see the store.
        clock: the time.
    """

    def __init__(self, client: DataRobotClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def verify(
        self, target: DataStoreSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Find the store; test with the value, else with each stored credential."""
        asked = (NEW_VALUE,) if value else ()
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        client = self._client.through(probe.proxy)
        missing = sorted(set(target.fields.values()) - value.keys()) if value else []
        if missing:
            return probe.result(Reason.NOT_CONFIGURED, f"the value has no field {', '.join(missing)}")
        try:
            store = _named(client, probe, "/externalDataStores/", "canonicalName", target.data_store)
            if isinstance(store, VerificationResult):
                return store
            path = f"/externalDataStores/{store}/"
            return self._with_value(probe, client, path, target, value) if value else _stored(probe, client, path)
        except Exception as error:
            return probe.failed_exchange(error)

    def _with_value(
        self, probe: Probe, client: DataRobotClient, path: str, target: DataStoreSettings, value: SecretValue
    ) -> VerificationResult:
        data = {theirs: value[ours].get_secret_value() for theirs, ours in target.fields.items()}
        body = {"credentialData": {"credentialType": target.credential_type, **data}}
        answer = client.exchange("POST", f"{path}test/", body=body, deadline=probe.deadline)
        if not _succeeded(answer):
            return _refusal(probe, answer)
        probe.show(NEW_VALUE)
        return probe.works()


def _stored(probe: Probe, client: DataRobotClient, path: str) -> VerificationResult:
    listing = client.exchange("GET", f"{path}credentials/", deadline=probe.deadline)
    found = _data(listing)
    if found is None:
        return _refusal(probe, listing)
    if not found:
        return probe.result(Reason.NOT_CONFIGURED, "no credential is associated with this store")
    probe.asked = tuple(f"login with {item.get('name')}" for item in found)
    failures: list[tuple[Reason, str]] = []
    for item in found:
        body = {"credentialId": item.get("credentialId")}
        answer = client.exchange("POST", f"{path}test/", body=body, deadline=probe.deadline)
        if _succeeded(answer):
            probe.show(f"login with {item.get('name')}")
        else:
            failures.append((_reason(answer), f"{item.get('name')}: HTTP {answer.status}"))
    return probe.result(*worst(failures)) if failures else probe.works()


def _named(client: DataRobotClient, probe: Probe, path: str, field: str, name: str) -> str | VerificationResult:
    """The id of the object with that name, or why there is none."""
    offset = 0
    while True:
        answer = client.exchange("GET", f"{path}?type=all&offset={offset}&limit=100", deadline=probe.deadline)
        page = _data(answer)
        if page is None:
            return _refusal(probe, answer)
        for item in page:
            if item.get(field) == name and isinstance(item.get("id"), str):
                return str(item["id"])
        offset += len(page)
        document = answer.document()
        if not page or not document.get("next"):
            return probe.result(Reason.NOT_CONFIGURED, "no data store of that name is visible")


def _data(answer: Answer) -> list[dict[str, object]] | None:
    document = answer.document()
    data = document.get("data") if isinstance(document, dict) else None
    if answer.status != 200 or not isinstance(data, list):
        return None
    return [item for item in data if isinstance(item, dict)]


def _succeeded(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.text_field("message"))


def _refusal(probe: Probe, answer: Answer) -> VerificationResult:
    told = f"HTTP {answer.status}, request {answer.headers.get('x-request-id', 'unknown')}"
    return probe.result(_reason(answer), told, retry_after=retry_after(answer.headers))


def _reason(answer: Answer) -> Reason:
    """The driver's text judges only where the test itself was refused, not where our own call was."""
    if answer.status in (400, 422) and answer.text_field("message"):
        return driver_reason(answer.text_field("message"))
    if answer.status == 401 and answer.text_field("message"):
        return Reason.NOT_CONFIGURED  # the tool's own key, which is not under test
    if answer.status == 403 and answer.text_field("message"):
        return Reason.NO_PERMISSION
    return capped(Reason.AMBIGUOUS if answer.status < 400 else reason_of_status(answer.status), answer.status)


_: type[ConnectorVerifier] = DataStoreVerifier

KIND = Kind(
    name="datarobot_data_store",
    family=Family.CONNECTOR,
    settings=DataStoreSettings,
    summary="A DataRobot data store: DataRobot logs in there, with a new value or each stored credential.",
    references={"datarobot": "datarobot"},
)

"""What the DataRobot double grants and refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from lifecycle.sandbox.datarobot_api import DEPLOYMENT_ID, ORGANIZATION_ID, SERVICE_USERS
from lifecycle.sandbox.datarobot_state import iso
from tests.unit.sandbox.conftest import Double, MovingClock

Start = Callable[[], Double]


def call(double: Double, method: str, path: str, document: Any = None, *, key: str = "", **query: Any) -> TestResponse:
    token = key or double.bootstrap.datarobot.admin_key.get_secret_value()
    return double.client.open(
        f"/api/v2/{path}",
        method=method,
        json=document,
        query_string=query or None,
        headers={"Authorization": f"Bearer {token}"},
    )


def user_id(double: Double, name: str = SERVICE_USERS[0]) -> str:
    users = call(double, "GET", f"organizations/{ORGANIZATION_ID}/users/").get_json()["data"]
    return str(next(user["id"] for user in users if user["username"] == name))


def service_key(double: Double, **fields: Any) -> dict[str, Any]:
    answer = call(double, "POST", "account/apiKeys/", {"name": "k", "userId": user_id(double), **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_both_schemes_authenticate(start_datarobot: Start, scheme: str) -> None:
    double = start_datarobot()
    token = double.bootstrap.datarobot.admin_key.get_secret_value()
    answer = double.client.get("/api/v2/version/", headers={"Authorization": f"{scheme} {token}"})
    assert (answer.status_code, answer.get_json()) == (200, {"major": 2, "minor": 49, "versionString": "2.49.0"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic eDp5", "Bearer "])
def test_version_needs_a_key_too(start_datarobot: Start, header: str) -> None:
    answer = start_datarobot().client.get("/api/v2/version/", headers={"Authorization": header})
    assert answer.status_code == 401


def test_two_keys_live_at_once_and_a_deleted_one_is_refused_at_once(start_datarobot: Start) -> None:
    double = start_datarobot()
    old, new = service_key(double), service_key(double)
    uids = {call(double, "GET", "account/info/", key=item["key"]).get_json()["uid"] for item in (old, new)}
    assert uids == {user_id(double)}
    assert call(double, "DELETE", f"account/apiKeys/{old['id']}/", key=new["key"]).status_code == 204
    codes = [call(double, "GET", "account/info/", key=item["key"]).status_code for item in (old, new)]
    assert codes == [401, 200]
    assert call(double, "DELETE", f"account/apiKeys/{old['id']}/", key=new["key"]).status_code == 404


def test_a_key_is_refused_from_its_expiry_on(start_datarobot: Start, clock: MovingClock) -> None:
    double = start_datarobot()
    key = service_key(double, expireAt=iso(clock.now + 60))["key"]
    assert call(double, "GET", "account/info/", key=key).status_code == 200
    clock.now += 60
    assert call(double, "GET", "account/info/", key=key).status_code == 401


def test_a_key_that_would_be_born_expired_is_422(start_datarobot: Start, clock: MovingClock) -> None:
    double = start_datarobot()
    answer = call(double, "POST", "account/apiKeys/", {"name": "k", "expireAt": iso(clock.now)})
    assert answer.status_code == 422


@pytest.mark.parametrize("change", [{"activated": False}, {"expirationDate": "2020-01-01T00:00:00Z"}])
def test_keys_die_with_their_user(start_datarobot: Start, change: dict[str, Any]) -> None:
    double = start_datarobot()
    key = service_key(double)["key"]
    path = f"organizations/{ORGANIZATION_ID}/users/{user_id(double)}/"
    assert call(double, "PATCH", path, change).status_code == 200
    assert call(double, "GET", "account/info/", key=key).status_code == 401


def test_equal_names_are_listed_apart_and_without_key_material(start_datarobot: Start) -> None:
    double = start_datarobot()
    made = [service_key(double), service_key(double)]
    answer = call(double, "GET", "account/apiKeys/", key=made[0]["key"])
    assert [item["name"] for item in answer.get_json()["data"]] == ["k", "k"]
    assert not any(item["key"] in answer.text for item in made)


def test_a_service_user_sees_and_touches_only_its_own_keys(start_datarobot: Start) -> None:
    double = start_datarobot()
    key = service_key(double)["key"]
    admin_key = call(double, "GET", "account/apiKeys/").get_json()["data"][0]["id"]
    assert call(double, "DELETE", f"account/apiKeys/{admin_key}/", key=key).status_code == 404
    other = {"userId": user_id(double, SERVICE_USERS[1])}
    assert call(double, "GET", "account/apiKeys/", key=key, **other).status_code == 403
    assert call(double, "POST", "account/apiKeys/", {"name": "x", **other}, key=key).status_code == 403
    assert call(double, "GET", "eventLogs/", key=key).status_code == 403


def test_service_users_begin_without_keys(start_datarobot: Start) -> None:
    double = start_datarobot()
    for name in SERVICE_USERS:
        answer = call(double, "GET", "account/apiKeys/", userId=user_id(double, name))
        assert answer.get_json()["data"] == []


def test_audit_log_names_every_key_made_and_deleted(start_datarobot: Start) -> None:
    double = start_datarobot()
    key = service_key(double)
    call(double, "DELETE", f"account/apiKeys/{key['id']}/")
    for event in ("API Key Created", "API Key Deleted"):
        found = call(double, "GET", "eventLogs/", event=event).get_json()["data"]
        assert found[0]["context"]["apiKeyId"] == key["id"]


def test_pages_are_linked_by_absolute_addresses_and_complete(start_datarobot: Start) -> None:
    double = start_datarobot()
    made = {service_key(double)["id"] for _ in range(5)}
    path, seen = f"account/apiKeys/?userId={user_id(double)}&limit=2", []
    while path:
        document = call(double, "GET", path).get_json()
        seen += [item["id"] for item in document["data"]]
        assert document["next"] is None or document["next"].startswith("http://")
        path = (document["next"] or "").partition("/api/v2/")[2]
    assert len(seen) == 5
    assert set(seen) == made


def basic(double: Double, name: str = "c", password: str = "p") -> str:
    body = {"name": name, "credentialType": "basic", "user": "u", "password": password}
    answer = call(double, "POST", "credentials/", body)
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["credentialId"])


def store(double: Double) -> str:
    body = {"type": "jdbc", "canonicalName": "features", "params": {"jdbcUrl": "jdbc:postgresql://h/d"}}
    return str(call(double, "POST", "externalDataStores/", body).get_json()["id"])


def test_patch_keeps_id_and_associations_and_the_new_secret_is_used(start_datarobot: Start) -> None:
    double = start_datarobot()
    credential, data_store = basic(double), store(double)
    association = f"credentials/{credential}/associations/dataconnection:{data_store}/"
    assert call(double, "PUT", association, {"isDefault": True}).status_code == 200
    test = f"externalDataStores/{data_store}/test/"
    double.control("PUT", "backends/features", {"user": "u", "password": "new"})
    assert call(double, "POST", test, {"credentialId": credential}).status_code == 400
    assert call(double, "PATCH", f"credentials/{credential}/", {"password": "new"}).status_code == 200
    assert call(double, "POST", test, {"credentialId": credential}).get_json() == {"message": "Connection successful"}
    found = call(double, "GET", f"externalDataStores/{data_store}/credentials/").get_json()["data"]
    assert [(item["credentialId"], item["isDefault"]) for item in found] == [(credential, True)]


def test_a_secret_can_be_tested_before_it_is_stored(start_datarobot: Start) -> None:
    double = start_datarobot()
    test = f"externalDataStores/{store(double)}/test/"
    double.control("PUT", "backends/features", {"user": "u", "password": "p"})
    data = {"credentialType": "basic", "user": "u", "password": "p"}
    assert call(double, "POST", test, {"credentialData": data}).status_code == 200
    assert call(double, "POST", test, {"credentialData": data | {"password": "x"}}).status_code == 400
    assert call(double, "POST", test, {"user": "u", "password": "p"}).status_code == 200


def test_delete_breaks_the_associations(start_datarobot: Start) -> None:
    double = start_datarobot()
    credential, data_store = basic(double), store(double)
    call(double, "PUT", f"credentials/{credential}/associations/dataconnection:{data_store}/", {"isDefault": True})
    assert call(double, "DELETE", f"credentials/{credential}/").status_code == 204
    assert call(double, "GET", f"externalDataStores/{data_store}/credentials/").get_json()["data"] == []
    test = call(double, "POST", f"externalDataStores/{data_store}/test/", {"credentialId": credential})
    assert test.status_code == 404


def test_no_secret_is_returned_or_rests_in_clear(start_datarobot: Start) -> None:
    double = start_datarobot()
    secret = "correct-horse-battery"
    credential = basic(double, password=secret)
    key = service_key(double)["key"]
    answers = [call(double, "GET", path).text for path in ("credentials/", f"credentials/{credential}/")]
    state = (double.data_dir / "state.json").read_text()
    assert not any(value in text for text in (*answers, state) for value in (secret, key))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"credentialType": "basic", "user": "u"}, 422),
        ({"credentialType": "basic", "user": "u", "password": "p", "apiToken": "t"}, 422),
        ({"credentialType": "carrier_pigeon"}, 422),
        ({"credentialType": "s3", "configId": "1"}, 201),
    ],
)
def test_fields_must_fit_the_credential_type(start_datarobot: Start, body: dict[str, Any], status: int) -> None:
    assert call(start_datarobot(), "POST", "credentials/", {"name": "c", **body}).status_code == status


def test_a_name_in_use_is_refused_in_the_words_that_terraform_looks_for(start_datarobot: Start) -> None:
    double = start_datarobot()
    basic(double)
    body = {"name": "c", "credentialType": "basic", "user": "u", "password": "p"}
    answer = call(double, "POST", "credentials/", body)
    assert answer.status_code == 409
    assert "already in use" in answer.get_json()["message"]


def test_renaming_without_a_description_clears_it(start_datarobot: Start) -> None:
    double = start_datarobot()
    credential = basic(double)
    call(double, "PATCH", f"credentials/{credential}/", {"description": "told"})
    assert call(double, "GET", f"credentials/{credential}/").get_json()["description"] == "told"
    call(double, "PATCH", f"credentials/{credential}/", {"name": "renamed"})
    assert call(double, "GET", f"credentials/{credential}/").get_json()["description"] == ""


def test_status_changes_are_asynchronous(start_datarobot: Start) -> None:
    double = start_datarobot()
    answer = call(double, "PATCH", f"deployments/{DEPLOYMENT_ID}/status/", {"status": "inactive"})
    location = answer.headers["Location"]
    assert (answer.status_code, location.split("/")[6] != "") == (202, True)
    path = location.partition("/api/v2/")[2]
    assert call(double, "GET", path).get_json()["status"] == "RUNNING"
    done = call(double, "GET", path)
    assert (done.status_code, done.headers["Location"]) == (
        303,
        f"http://127.0.0.1:1/api/v2/deployments/{DEPLOYMENT_ID}/",
    )
    assert call(double, "GET", f"deployments/{DEPLOYMENT_ID}/").get_json()["status"] == "inactive"


def test_agent_intake_moves_the_last_use(start_datarobot: Start, clock: MovingClock) -> None:
    double = start_datarobot()
    clock.now += 3600
    body = {"data": [{"numPredictions": 1}]}
    assert call(double, "POST", f"deployments/{DEPLOYMENT_ID}/predictionRequests/fromJSON/", body).status_code == 202
    usage = call(double, "GET", f"deployments/{DEPLOYMENT_ID}/").get_json()["predictionUsage"]
    assert usage["lastTimestamp"] == iso(clock.now)


def test_paths_need_their_final_slash(start_datarobot: Start) -> None:
    assert call(start_datarobot(), "GET", "version").status_code == 404


def test_everything_survives_a_restart(start_datarobot: Start) -> None:
    double = start_datarobot()
    key, credential = service_key(double), basic(double)
    again = start_datarobot()
    assert call(again, "GET", "account/info/", key=key["key"]).status_code == 200
    assert call(again, "GET", f"credentials/{credential}/").status_code == 200

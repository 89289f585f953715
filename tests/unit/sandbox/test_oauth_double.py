"""What the OAuth double grants and refuses, with the RFC that says so in each name."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.unit.sandbox.conftest import Double, MovingClock

StartOAuth = Callable[..., Double]
EXPIRY = "previous_client_secret_expires_at"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def register(double: Double, **metadata: Any) -> dict[str, Any]:
    token = double.bootstrap.oauth.initial_access_token.get_secret_value()
    answer = double.client.post("/reg", json=metadata, headers=bearer(token))
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def put(double: Double, client: dict[str, Any], **fields: Any) -> TestResponse:
    path = client["registration_client_uri"].removeprefix("http://127.0.0.1:1")
    body = {"client_id": client["client_id"], **fields}
    return double.client.put(path, json=body, headers=bearer(client["registration_access_token"]))


def grant(double: Double, client: dict[str, Any], secret: str = "", **form: str) -> TestResponse:
    form.setdefault("grant_type", "client_credentials")
    headers = basic(client["client_id"], secret or client["client_secret"])
    return double.client.post("/token", data=form, headers=headers)


def active(double: Double, client: dict[str, Any], token: str) -> bool:
    headers = basic(client["client_id"], client["client_secret"])
    return bool(double.client.post("/token/introspection", data={"token": token}, headers=headers).get_json()["active"])


def test_registration_without_the_initial_access_token_is_401(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    missing = double.client.post("/reg", json={})
    wrong = double.client.post("/reg", json={}, headers=bearer("nonsense"))
    assert (missing.status_code, missing.text, missing.headers["WWW-Authenticate"]) == (
        401,
        "",
        'Bearer realm="lifecycle-sandbox"',
    )
    assert (wrong.status_code, wrong.get_json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "metadata",
    [{"grant_types": ["implicit"]}, {"grant_types": []}, {"scope": "root"}, {"token_endpoint_auth_method": "none"}],
)
def test_registration_of_unsupported_metadata_is_invalid_client_metadata(
    start_oauth: StartOAuth, metadata: dict[str, Any]
) -> None:
    double = start_oauth()
    token = double.bootstrap.oauth.initial_access_token.get_secret_value()
    answer = double.client.post("/reg", json=metadata, headers=bearer(token))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_client_metadata")


def test_wrong_secret_is_invalid_client_with_a_basic_challenge(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    answer = grant(double, register(double), "wrong")
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_client_authenticates_only_by_its_registered_method(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client = register(double, token_endpoint_auth_method="client_secret_post")
    form = {
        "grant_type": "client_credentials",
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
    }
    assert double.client.post("/token", data=form).status_code == 200
    assert grant(double, client).status_code == 401
    both = double.client.post("/token", data=form, headers=basic(client["client_id"], client["client_secret"]))
    assert (both.status_code, both.get_json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unauthorized_client"),
        ({"scope": "write"}, "invalid_scope"),
    ],
)
def test_token_endpoint_names_the_error_of_rfc_6749(start_oauth: StartOAuth, form: dict[str, str], error: str) -> None:
    double = start_oauth()
    answer = grant(double, register(double, scope="read"), **form)
    assert (answer.status_code, answer.get_json()["error"]) == (400, error)


def test_token_endpoint_takes_forms_only(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client = register(double)
    headers = basic(client["client_id"], client["client_secret"])
    answer = double.client.post("/token", json={"grant_type": "client_credentials"}, headers=headers)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_put_without_the_secret_gives_a_new_one_and_both_work_until_the_overlap_ends(
    start_oauth: StartOAuth, clock: MovingClock
) -> None:
    double = start_oauth()
    first = register(double)
    second = put(double, first).get_json()
    assert second["client_secret"] != first["client_secret"]
    assert second[EXPIRY] == clock.now + 100
    assert [grant(double, first, c["client_secret"]).status_code for c in (first, second)] == [200, 200]
    clock.now += 100
    assert [grant(double, first, c["client_secret"]).status_code for c in (first, second)] == [401, 200]


def test_never_more_than_two_secrets_are_live(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    first = register(double)
    second = put(double, first).get_json()
    third = put(double, second).get_json()
    codes = [grant(double, first, c["client_secret"]).status_code for c in (first, second, third)]
    assert codes == [401, 200, 200]


def test_every_put_replaces_the_registration_access_token(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    first = register(double)
    second = put(double, first, client_secret=first["client_secret"]).get_json()
    assert second["client_secret"] == first["client_secret"]
    assert put(double, first).status_code == 401
    assert put(double, second).status_code == 200


def test_get_reads_the_current_secret_back(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client = put(double, register(double)).get_json()
    answer = double.client.get(
        f"/reg/{client['client_id']}", headers=bearer(client["registration_access_token"])
    ).get_json()
    assert answer == client


def test_overlap_can_be_ended_early_but_not_prolonged(start_oauth: StartOAuth, clock: MovingClock) -> None:
    double = start_oauth()
    first = register(double)
    second = put(double, first).get_json()
    later = put(double, second, client_secret=second["client_secret"], **{EXPIRY: second[EXPIRY] + 1})
    assert (later.status_code, later.get_json()["error"]) == (400, "invalid_client_metadata")
    ended = put(double, second, client_secret=second["client_secret"], **{EXPIRY: int(clock.now) - 1})
    assert ended.status_code == 200
    assert [grant(double, first, c["client_secret"]).status_code for c in (first, second)] == [401, 200]


@pytest.mark.parametrize(
    "fields",
    [{"client_secret": "chosen"}, {"client_id": "other"}, {"client_secret_expires_at": 0}, {EXPIRY: 1}],
)
def test_put_refuses_what_a_client_may_not_choose(start_oauth: StartOAuth, fields: dict[str, Any]) -> None:
    double = start_oauth()
    client = register(double)
    assert put(double, client, **fields).status_code == 400
    assert grant(double, client).status_code == 200


def test_registration_token_of_another_client_is_refused_and_burnt(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    one, other = register(double), register(double)
    stolen = bearer(other["registration_access_token"])
    assert double.client.get(f"/reg/{one['client_id']}", headers=stolen).status_code == 401
    assert put(double, other).status_code == 401


def test_deleted_client_and_its_tokens_are_dead(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client, witness = register(double), register(double)
    token = grant(double, client).get_json()["access_token"]
    assert active(double, witness, token)
    headers = bearer(client["registration_access_token"])
    assert double.client.delete(f"/reg/{client['client_id']}", headers=headers).status_code == 204
    assert grant(double, client).status_code == 401
    assert not active(double, witness, token)


def refreshing_client(double: Double) -> tuple[dict[str, Any], str]:
    client = register(double, grant_types=["client_credentials", "refresh_token"])
    answer = double.control("POST", "refresh-tokens", {"client_id": client["client_id"]})
    return client, answer.get_json()["refresh_token"]


def refresh(double: Double, client: dict[str, Any], token: str) -> TestResponse:
    return grant(double, client, grant_type="refresh_token", refresh_token=token)


def test_reuse_of_a_refresh_token_kills_the_whole_family(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client, first = refreshing_client(double)
    second = refresh(double, client, first).get_json()
    reuse = refresh(double, client, first)
    assert (reuse.status_code, reuse.get_json()["error"]) == (400, "invalid_grant")
    assert refresh(double, client, second["refresh_token"]).status_code == 400
    assert not active(double, client, second["access_token"])


def test_refresh_may_be_repeated_within_the_declared_overlap_only(start_oauth: StartOAuth, clock: MovingClock) -> None:
    double = start_oauth(refresh_overlap=30)
    client, first = refreshing_client(double)
    assert refresh(double, client, first).status_code == 200
    clock.now += 29
    assert refresh(double, client, first).status_code == 200
    clock.now += 1
    assert refresh(double, client, first).status_code == 400


def test_refresh_token_of_another_client_is_invalid_grant(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    _, token = refreshing_client(double)
    other, _ = refreshing_client(double)
    answer = refresh(double, other, token)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")


def test_revoked_and_expired_tokens_introspect_as_inactive_and_nothing_more(
    start_oauth: StartOAuth, clock: MovingClock
) -> None:
    double = start_oauth(access=60)
    client = register(double)
    revoked, expiring = (grant(double, client).get_json()["access_token"] for _ in range(2))
    headers = basic(client["client_id"], client["client_secret"])
    assert double.client.post("/token/revocation", data={"token": revoked}, headers=headers).status_code == 200
    answer = double.client.post("/token/introspection", data={"token": revoked}, headers=headers)
    assert answer.get_json() == {"active": False}
    assert active(double, client, expiring)
    clock.now += 60
    assert not active(double, client, expiring)


def test_revocation_of_an_unknown_or_foreign_token_is_200_without_effect(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    owner, stranger = register(double), register(double)
    token = grant(double, owner).get_json()["access_token"]
    headers = basic(stranger["client_id"], stranger["client_secret"])
    for presented in (token, "unknown"):
        answer = double.client.post("/token/revocation", data={"token": presented}, headers=headers)
        assert answer.status_code == 200
    assert active(double, owner, token)


def test_token_exchange_takes_live_access_tokens_only(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    kind = "urn:ietf:params:oauth:grant-type:token-exchange"
    client = register(double, grant_types=["client_credentials", kind])
    subject = {"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    token = grant(double, client).get_json()["access_token"]
    good = grant(double, client, grant_type=kind, subject_token=token, **subject)
    assert (good.status_code, good.get_json()["token_type"]) == (200, "Bearer")
    bad = grant(double, client, grant_type=kind, subject_token="nonsense", **subject)
    assert (bad.status_code, bad.get_json()["error"]) == (400, "invalid_request")


def test_everything_survives_a_restart(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    first = register(double)
    second = put(double, first).get_json()
    token = grant(double, second).get_json()["access_token"]
    again = start_oauth()
    assert active(again, second, token)
    assert [grant(again, first, c["client_secret"]).status_code for c in (first, second)] == [200, 200]
    assert put(again, second).status_code == 200


def test_no_token_rests_in_clear(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    client = register(double)
    token = grant(double, client).get_json()["access_token"]
    path = double.data_dir / "state.json"
    assert token not in path.read_text()
    assert client["registration_access_token"] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_provisioned_client_is_managed_with_the_values_of_the_bootstrap_file(start_oauth: StartOAuth) -> None:
    double = start_oauth()
    values = double.bootstrap.oauth
    headers = bearer(values.registration_access_token.get_secret_value())
    answer = double.client.get(values.registration_path, headers=headers)
    assert (answer.status_code, answer.get_json()["client_id"]) == (200, values.client_id)


def test_discovery_names_every_endpoint(start_oauth: StartOAuth) -> None:
    document = start_oauth().client.get("/.well-known/openid-configuration").get_json()
    issuer = document["issuer"]
    endpoints = {name for name in document if name.endswith("_endpoint")}
    assert all(document[name].startswith(issuer + "/") for name in endpoints)
    assert {"token_endpoint", "introspection_endpoint", "revocation_endpoint", "registration_endpoint"} == endpoints

"""Where glewlwyd differs from oidc-provider: what a client must not take for granted."""

from typing import Any

import httpx

from tests.servers.glewlwyd import Glewlwyd


def manage(method: str, made: dict[str, Any], *, token: str = "", **body: Any) -> httpx.Response:
    """Call the configuration endpoint of a client (RFC 7592)."""
    headers = {"Authorization": f"Bearer {token or made['registration_access_token']}"}
    with httpx.Client(trust_env=False) as client:
        return client.request(method, made["registration_client_uri"], headers=headers, json=body or None)


def test_client_credentials_give_a_token_that_reads_active(glewlwyd: Glewlwyd) -> None:
    made = glewlwyd.register()
    login = made["client_id"], made["client_secret"]
    token = glewlwyd.client_credentials(*login).json()["access_token"]
    assert glewlwyd.introspect(*login, token=token)["active"] is True


def test_wrong_secret_is_answered_with_403(glewlwyd: Glewlwyd) -> None:
    made = glewlwyd.register()
    assert glewlwyd.client_credentials(made["client_id"], "wrong").status_code == 403


def test_registration_needs_the_initial_access_token(glewlwyd: Glewlwyd) -> None:
    with httpx.Client(trust_env=False) as client:
        assert client.post(f"{glewlwyd.url}/register", json={"redirect_uris": []}).status_code == 401


def test_put_without_a_secret_makes_a_new_one_and_the_old_one_fails_at_once(glewlwyd: Glewlwyd) -> None:
    made = glewlwyd.register()
    kept = {name: made[name] for name in ("client_id", "client_name", "redirect_uris", "grant_types")}
    put = manage("PUT", made, token_endpoint_auth_method="client_secret_basic", **kept)
    assert put.status_code == 200
    assert glewlwyd.client_credentials(made["client_id"], made["client_secret"]).status_code == 403
    assert glewlwyd.client_credentials(made["client_id"], put.json()["client_secret"]).status_code == 200


def test_deleted_client_gets_no_token_any_more(glewlwyd: Glewlwyd) -> None:
    made = glewlwyd.register()
    assert manage("DELETE", made).status_code == 200
    assert glewlwyd.client_credentials(made["client_id"], made["client_secret"]).status_code == 403

"""One suite, two servers: the OAuth double behaves as the certified provider does where both are asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.integration.sandbox.conftest import Sandbox
from tests.servers.oidc import OidcProvider

EXPIRY = "previous_client_secret_expires_at"
NEW_CLIENT = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "read"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server under judgement."""

    discovery: dict[str, Any]
    initial_access_token: str

    def register(self, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.initial_access_token if token is None else token}"}
        return call("POST", self.discovery["registration_endpoint"], json=NEW_CLIENT, headers=headers)

    def client(self) -> dict[str, Any]:
        return dict(self.register().raise_for_status().json())

    def grant(self, client: dict[str, Any], secret: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "scope": "read"}
        return call("POST", self.discovery["token_endpoint"], data=form, auth=(client["client_id"], secret))

    def is_active(self, client: dict[str, Any], token: str) -> bool:
        auth = (client["client_id"], client["client_secret"])
        answer = call("POST", self.discovery["introspection_endpoint"], data={"token": token}, auth=auth)
        return bool(answer.raise_for_status().json()["active"])

    def revoke(self, client: dict[str, Any], token: str) -> int:
        auth = (client["client_id"], client["client_secret"])
        return call("POST", self.discovery["revocation_endpoint"], data={"token": token}, auth=auth).status_code


def call(method: str, url: str, **arguments: Any) -> httpx.Response:
    return httpx.request(method, url, trust_env=False, timeout=30, **arguments)


def manage(method: str, client: dict[str, Any], **fields: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {client['registration_access_token']}"}
    body = {"json": {"client_id": client["client_id"], **NEW_CLIENT, **fields}} if method == "PUT" else {}
    return call(method, client["registration_client_uri"], headers=headers, **body)


@pytest.fixture(params=["double", "oidc-provider"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "double":
        shared: Callable[[Sequence[str]], Sandbox] = request.getfixturevalue("shared")
        sandbox = shared(["oauth"])
        issuer = sandbox.up("oauth").endpoints["oauth"]
        token = sandbox.bootstrap.oauth.initial_access_token.get_secret_value()
    else:
        provider: OidcProvider = request.getfixturevalue("oidc_provider")
        issuer, token = provider.issuer, provider.initial_access_token
    discovery = call("GET", f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
    return Server(discovery=discovery, initial_access_token=token)


def test_registration_with_a_wrong_initial_access_token_is_401(server: Server) -> None:
    answer = server.register("wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_registration_gives_a_secret_without_expiry_and_the_means_to_manage_it(server: Server) -> None:
    answer = server.register()
    assert answer.status_code == 201
    client = answer.json()
    assert client["client_secret_expires_at"] == 0
    assert server.grant(client, client["client_secret"]).status_code == 200
    read = manage("GET", client)
    assert (read.status_code, read.json()["client_secret"]) == (200, client["client_secret"])


def test_wrong_secret_is_401_invalid_client(server: Server) -> None:
    answer = server.grant(server.client(), "wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_put_gives_a_second_secret_and_both_are_live(server: Server) -> None:
    first = server.client()
    second = manage("PUT", first).raise_for_status().json()
    assert first["client_secret"] != second["client_secret"]
    assert second[EXPIRY] > second["client_id_issued_at"]
    assert [server.grant(first, c["client_secret"]).status_code for c in (first, second)] == [200, 200]
    read = manage("GET", second).json()
    assert (read["client_secret"], read[EXPIRY]) == (second["client_secret"], second[EXPIRY])


def test_third_secret_ends_the_first(server: Server) -> None:
    first = server.client()
    second = manage("PUT", first).json()
    third = manage("PUT", second).json()
    codes = [server.grant(first, c["client_secret"]).status_code for c in (first, second, third)]
    assert codes == [401, 200, 200]


def test_put_with_the_current_secret_keeps_it_and_renews_the_registration_token(server: Server) -> None:
    first = server.client()
    second = manage("PUT", first, client_secret=first["client_secret"]).raise_for_status().json()
    assert second["client_secret"] == first["client_secret"]
    assert second["registration_access_token"] != first["registration_access_token"]
    assert manage("GET", first).status_code == 401
    assert manage("GET", second).status_code == 200


def test_overlap_is_ended_early_by_bringing_its_end_forward(server: Server) -> None:
    first = server.client()
    second = manage("PUT", first).json()
    keep = {"client_secret": second["client_secret"]}
    later = manage("PUT", second, **keep, **{EXPIRY: second[EXPIRY] + 60})
    assert (later.status_code, later.json()["error"]) == (400, "invalid_client_metadata")
    ended = manage("PUT", second, **keep, **{EXPIRY: 1})
    assert (ended.status_code, ended.json()["client_secret"]) == (200, second["client_secret"])
    assert [server.grant(first, c["client_secret"]).status_code for c in (first, second)] == [401, 200]


def test_end_of_the_overlap_needs_the_current_secret_beside_it(server: Server) -> None:
    second = manage("PUT", server.client()).json()
    answer = manage("PUT", second, **{EXPIRY: 1})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "fields", [{"client_secret": "chosen"}, {"client_id": "other"}, {"client_secret_expires_at": 0}]
)
def test_put_refuses_what_a_client_may_not_choose(server: Server, fields: dict[str, Any]) -> None:
    client = server.client()
    answer = manage("PUT", client, **fields)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert server.grant(client, client["client_secret"]).status_code == 200


def test_registration_token_of_another_client_is_refused_and_burnt(server: Server) -> None:
    one, other = server.client(), server.client()
    crossed = one | {"registration_access_token": other["registration_access_token"]}
    assert manage("GET", crossed).status_code == 401
    assert manage("GET", other).status_code == 401


def test_deleted_client_is_unknown_everywhere(server: Server) -> None:
    client = server.client()
    assert manage("DELETE", client).status_code == 204
    assert server.grant(client, client["client_secret"]).status_code == 401
    assert manage("GET", client).status_code == 401


def test_revoked_token_introspects_as_inactive(server: Server) -> None:
    client = server.client()
    token = server.grant(client, client["client_secret"]).json()["access_token"]
    assert server.is_active(client, token)
    assert server.revoke(client, token) == 200
    assert not server.is_active(client, token)
    assert not server.is_active(client, "unknown")
    assert server.revoke(client, "unknown") == 200

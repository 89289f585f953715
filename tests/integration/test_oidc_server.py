"""The OpenID Connect provider of the tests: overlapping secrets, registration, keys, token families."""

import ssl
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.oidc import OidcProvider
from tests.servers.oidc_login import RefreshClient, register_refresh_client


class OauthClient:
    """A client that registers itself and manages its registration (RFC 7591, RFC 7592)."""

    def __init__(self, provider: OidcProvider, http: httpx.Client) -> None:
        self.provider, self.http = provider, http
        self.metadata: dict[str, object] = {"grant_types": ["client_credentials"], "response_types": []}
        self.metadata |= {"redirect_uris": [], "token_endpoint_auth_method": "client_secret_basic"}
        answer = http.post(
            f"{provider.issuer}/reg",
            json=self.metadata,
            headers={"Authorization": f"Bearer {provider.initial_access_token}"},
        )
        assert answer.status_code == 201, answer.text
        self.remember(answer)

    def remember(self, answer: httpx.Response) -> None:
        self.registration = answer.json()
        self.id: str = self.registration["client_id"]
        self.secret: str = self.registration["client_secret"]

    def put(self, **changes: object) -> httpx.Response:
        body = {**self.metadata, "client_id": self.id, **changes}
        return self.http.put(self.registration["registration_client_uri"], json=body, headers=self.management)

    @property
    def management(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.registration['registration_access_token']}"}

    def token(self, secret: str) -> httpx.Response:
        form = {"grant_type": "client_credentials"}
        return self.http.post(f"{self.provider.issuer}/token", data=form, auth=(self.id, secret))


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def oauth_client(oidc_provider: OidcProvider, http: httpx.Client) -> OauthClient:
    return OauthClient(oidc_provider, http)


def test_registration_needs_the_initial_access_token(oidc_provider: OidcProvider) -> None:
    assert httpx.post(f"{oidc_provider.issuer}/reg", json={}, trust_env=False).status_code == 401


def test_put_makes_a_second_secret_and_both_log_in(oauth_client: OauthClient) -> None:
    first = oauth_client.secret
    before = oauth_client.management
    oauth_client.remember(oauth_client.put())
    assert oauth_client.secret != first
    assert [oauth_client.token(secret).status_code for secret in (first, oauth_client.secret)] == [200, 200]
    assert oauth_client.token("neither").json()["error"] == "invalid_client"
    uri = oauth_client.registration["registration_client_uri"]
    assert oauth_client.http.get(uri, headers=before).status_code == 401
    assert oauth_client.http.get(uri, headers=oauth_client.management).json()["client_secret"] == oauth_client.secret


def test_second_put_ends_the_first_secret(oauth_client: OauthClient) -> None:
    first = oauth_client.secret
    oauth_client.remember(oauth_client.put())
    second = oauth_client.secret
    oauth_client.remember(oauth_client.put())
    secrets = (first, second, oauth_client.secret)
    assert [oauth_client.token(secret).status_code for secret in secrets] == [401, 200, 200]


def test_overlap_can_be_ended_early_and_not_prolonged(oauth_client: OauthClient) -> None:
    first = oauth_client.secret
    oauth_client.remember(oauth_client.put())
    expiry = oauth_client.registration["previous_client_secret_expires_at"]
    longer = oauth_client.put(client_secret=oauth_client.secret, previous_client_secret_expires_at=expiry + 1)
    assert longer.json()["error"] == "invalid_client_metadata"
    current = oauth_client.secret
    oauth_client.remember(oauth_client.put(client_secret=current, previous_client_secret_expires_at=1))
    assert oauth_client.secret == current
    assert [oauth_client.token(secret).status_code for secret in (first, current)] == [401, 200]


def test_replaced_secret_lapses_after_the_grace(
    start_oidc_provider: Callable[..., OidcProvider], http: httpx.Client
) -> None:
    client = OauthClient(start_oidc_provider(GRACE="1"), http)
    first = client.secret
    client.remember(client.put())
    deadline = time.monotonic() + 30
    while client.token(first).status_code != 401:
        assert time.monotonic() < deadline, "the replaced secret outlived its grace"
        time.sleep(0.1)
    assert client.token(client.secret).status_code == 200


def test_refuses_a_client_secret_that_we_choose(oauth_client: OauthClient) -> None:
    assert oauth_client.put(client_secret="chosen-by-us").status_code == 400


def test_deleted_client_is_refused(oauth_client: OauthClient) -> None:
    uri = oauth_client.registration["registration_client_uri"]
    assert oauth_client.http.delete(uri, headers=oauth_client.management).status_code == 204
    assert oauth_client.token(oauth_client.secret).status_code == 401


def test_revoked_token_reads_inactive(oauth_client: OauthClient) -> None:
    token = oauth_client.token(oauth_client.secret).json()["access_token"]
    auth, issuer = (oauth_client.id, oauth_client.secret), oauth_client.provider.issuer
    active = []
    for path in ("introspection", "revocation", "introspection"):
        answer = oauth_client.http.post(f"{issuer}/token/{path}", data={"token": token}, auth=auth)
        assert answer.status_code == 200
        active += [answer.json()["active"]] if path == "introspection" else []
    assert active == [True, False]


def test_restart_keeps_the_address_and_forgets_clients(
    start_oidc_provider: Callable[..., OidcProvider], http: httpx.Client
) -> None:
    provider = start_oidc_provider()
    client, issuer = OauthClient(provider, http), provider.issuer
    provider.restart()
    assert provider.issuer == issuer
    assert client.token(client.secret).status_code == 401


def test_over_https_answers_below_the_tenant(start_oidc_provider: Callable[..., OidcProvider]) -> None:
    provider = start_oidc_provider(https=True, TENANT="contoso")
    url = f"{provider.issuer}/contoso/v2.0/.well-known/openid-configuration"
    trust = ssl.create_default_context(cafile=provider.ca_file)
    answer = httpx.get(url, verify=trust, trust_env=False)
    assert answer.json()["token_endpoint"] == f"{provider.issuer}/token"


# Refresh tokens and key pairs


def refresh(issuer: str, client: RefreshClient, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return httpx.post(f"{issuer}/token", data=form, auth=(client.id, client.secret), trust_env=False)


def test_refresh_token_is_replaced_at_each_use(oidc_provider: OidcProvider) -> None:
    client = register_refresh_client(oidc_provider)
    second = refresh(oidc_provider.issuer, client, client.refresh_token).json()["refresh_token"]
    assert second != client.refresh_token
    assert refresh(oidc_provider.issuer, client, second).status_code == 200


def test_reusing_a_refresh_token_kills_the_family(oidc_provider: OidcProvider) -> None:
    client = register_refresh_client(oidc_provider)
    second = refresh(oidc_provider.issuer, client, client.refresh_token).json()["refresh_token"]
    for token in (client.refresh_token, second):
        answer = refresh(oidc_provider.issuer, client, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_two_registered_keys_sign_assertions_and_a_third_is_refused(
    oidc_provider: OidcProvider, http: httpx.Client
) -> None:
    keys = {kid: rsa.generate_private_key(65537, 2048) for kid in ("k1", "k2", "k3")}
    public = [{**public_jwk(keys[kid]), "kid": kid} for kid in ("k1", "k2")]
    metadata = {
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": public},
    }
    initial = {"Authorization": f"Bearer {oidc_provider.initial_access_token}"}
    registered = http.post(f"{oidc_provider.issuer}/reg", json=metadata, headers=initial).json()
    assert "client_secret" not in registered
    codes = [assertion_login(http, oidc_provider, registered["client_id"], kid, key) for kid, key in keys.items()]
    assert codes == [200, 200, 401]


def public_jwk(key: rsa.RSAPrivateKey) -> dict[str, object]:
    return jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)


def assertion_login(http: httpx.Client, provider: OidcProvider, client: str, kid: str, key: rsa.RSAPrivateKey) -> int:
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": provider.issuer, "jti": str(uuid4()), "iat": now, "exp": now + 60}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid}),
    }
    return http.post(f"{provider.issuer}/token", data=form).status_code

"""What Azurite checks, and where it is laxer than Azure."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from azure.core.credentials import AccessToken, AzureSasCredential, TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from tests.servers.azurite import ACCOUNT, Azurite, new_account_key


def test_azurite_takes_either_key_and_no_other(azurite: Azurite) -> None:
    for key in azurite.keys:
        azurite.client(key).create_container(f"c{uuid4().hex}")
    with pytest.raises(HttpResponseError) as refused:
        azurite.client(new_account_key()).create_container(f"c{uuid4().hex}")
    assert refused.value.status_code == 403


def test_azurite_with_a_regenerated_key_refuses_the_old_one_and_keeps_its_data(
    start_azurite: Callable[[], Azurite],
) -> None:
    server = start_azurite()
    kept, regenerated = server.keys
    server.client(regenerated).create_container("kept")
    server.restart(keys=(kept, new_account_key()))
    assert [container.name for container in server.client(kept).list_containers()] == ["kept"]
    with pytest.raises(HttpResponseError) as refused:
        server.client(regenerated).create_container("other")
    assert refused.value.status_code == 403


@pytest.mark.parametrize(("expires_in", "status"), [(timedelta(hours=1), 200), (-timedelta(minutes=1), 403)])
def test_azurite_refuses_an_expired_shared_access_signature(
    azurite_oauth: Azurite, expires_in: timedelta, status: int
) -> None:
    signature = generate_account_sas(
        ACCOUNT,
        azurite_oauth.keys[1],
        resource_types=ResourceTypes(service=True),
        permission=AccountSasPermissions(list=True, read=True),
        expiry=datetime.fromtimestamp(time.time(), UTC) + expires_in,
    )
    assert _list_status(azurite_oauth, AzureSasCredential(signature)) == status


class _Token:
    """A credential with a token that nobody issued."""

    def __init__(self, audience: str) -> None:
        now = int(time.time())
        claims = {"aud": audience, "iss": f"https://sts.windows.net/{uuid4()}/", "nbf": now - 60, "exp": now + 600}
        self.token = AccessToken(jwt.encode({**claims, "iat": now}, "k" * 32, algorithm="HS256"), now + 600)

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return self.token


def test_azurite_checks_the_claims_of_a_token_but_not_its_signature(azurite_oauth: Azurite) -> None:
    assert _list_status(azurite_oauth, _Token("https://storage.azure.com")) == 200
    assert _list_status(azurite_oauth, _Token("https://other.example")) == 403


def _list_status(server: Azurite, credential: AzureSasCredential | TokenCredential) -> int:
    try:
        list(server.client_with(credential).list_containers())
    except HttpResponseError as refused:
        return refused.status_code or 0
    return 200

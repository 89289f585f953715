"""Takes a person's part in an authorization code flow, to get the refresh tokens that only it gives."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.servers.oidc import OidcProvider

REDIRECT_URI = "https://client.example/callback"  # Never visited: the code is read off the redirect.
_LOCATIONS = 12
_FORM_ACTION = re.compile(r'<form[^>]+action="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClient:
    """A confidential client that holds a refresh token.

    Attributes:
        id: Its client_id.
        secret: Its client_secret, sent by HTTP Basic.
        refresh_token: The first token of the family.
    """

    id: str
    secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


def register_refresh_client(provider: OidcProvider) -> RefreshClient:
    """Register a client, log a person in and consent, and exchange the code.

    Args:
        provider: An http provider.

    Returns:
        The client with the first refresh token of a new family.
    """
    with httpx.Client(base_url=provider.issuer, trust_env=False) as browser:
        metadata = {
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        authorization = {"Authorization": f"Bearer {provider.initial_access_token}"}
        made = browser.post("/reg", json=metadata, headers=authorization).raise_for_status().json()
        verifier = secrets.token_urlsafe(48)
        form = {
            "grant_type": "authorization_code",
            "code": _authorize(browser, made["client_id"], verifier),
            "redirect_uri": REDIRECT_URI,
            "code_verifier": verifier,
        }
        auth = (made["client_id"], made["client_secret"])
        tokens = browser.post("/token", data=form, auth=auth).raise_for_status().json()
    return RefreshClient(id=auth[0], secret=auth[1], refresh_token=tokens["refresh_token"])


def _authorize(browser: httpx.Client, client_id: str, verifier: str) -> str:
    """Follow the redirects, fill in the login and the consent form, and return the code."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid offline_access",
        "prompt": "consent",  # Without it offline_access is ignored (OpenID Connect Core, section 11).
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = browser.get("/auth", params=query)
    for _ in range(_LOCATIONS):
        location: str = answer.headers.get("location", "")
        if location.startswith(REDIRECT_URI):
            return parse_qs(urlsplit(location).query)["code"][0]
        answer = browser.get(location) if location else _submit(browser, answer.text)
    raise AssertionError(f"the flow ended at {answer.url} with {answer.status_code}")


def _submit(browser: httpx.Client, page: str) -> httpx.Response:
    action = _FORM_ACTION.search(page)
    assert action is not None, f"neither a redirect nor a form: {page[:500]}"
    prompt = "login" if 'name="login"' in page else "consent"
    return browser.post(action[1], data={"prompt": prompt, "login": "somebody", "password": "any"})

"""Logging in to a Databricks account as a service principal (OAuth machine to machine).

Source: Databricks documentation, "Authorize service principal access with OAuth".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lifecycle.clients.oauth import ClientLogin, OAuthClient, OAuthEndpoints
from lifecycle.clients.rest import Service
from lifecycle.clients.web import WebClient, exchange_error, retry_after
from lifecycle.domain.errors import AuthenticationError, RemoteServiceError
from lifecycle.domain.secret import SecretText, SecretValue

SCOPE = "all-apis"
DATABRICKS = Service(
    name="Databricks",
    request_id="x-request-id",
    code=("error_code",),
    login="check the admin service principal and the account id",
    rights="make the admin service principal an account admin, or manager of this service principal",
)
_EARLY = 120  # seconds before its end from which a token is no longer used


def account_issuer(host: str, account_id: str) -> str:
    """The authorization server of an account."""
    return f"{host.rstrip('/')}/oidc/accounts/{account_id}"


@dataclass(kw_only=True)
class DatabricksLogin:
    """Gives the `Authorization` header of one service principal; tokens are kept until shortly before they end.

    Attributes:
        issuer: the authorization server of the account.
        read: reads the stored login: client_id and client_secret.
        web: sends requests.
    """

    issuer: str
    read: Callable[[], SecretValue]
    web: WebClient = field(default_factory=WebClient)
    _token: SecretText = field(default=SecretText(""), repr=False)
    _until: float = 0.0
    _of: SecretValue | None = field(default=None, repr=False)

    def authorization(self) -> SecretText:
        """The header's value.

        Raises:
            AuthenticationError: the login was refused.
        """
        value = self.read()
        if value != self._of or time.time() > self._until:
            self._fetch(value)
        return SecretText(f"Bearer {self._token.get_secret_value()}")

    def _fetch(self, value: SecretValue) -> None:
        client_id = value["client_id"].get_secret_value()
        what = f"logging in to Databricks as {client_id}"
        login = ClientLogin(client_id=client_id, client_secret=value["client_secret"])
        endpoints = OAuthEndpoints(issuer=self.issuer, token=f"{self.issuer}/v1/token")
        try:
            answer = OAuthClient(self.issuer, web=self.web).request_token(endpoints, login, scope=SCOPE)
        except Exception as error:
            raise exchange_error(error, what=what, writes=False) from None
        document = answer.document()
        if answer.status == 200 and isinstance(document, dict) and isinstance(document.get("access_token"), str):
            self._token, self._of = SecretText(document["access_token"]), value
            self._until = time.time() + float(document.get("expires_in", _EARLY)) - _EARLY
            return
        told = f"{what}: answered {answer.status} {answer.text_field('error')}".rstrip()
        if answer.status in (400, 401, 403):
            raise AuthenticationError(told, remedy="check that this secret lives and belongs to this account")
        wait = retry_after(answer.headers)
        raise RemoteServiceError(told, remedy="run again later", retryable=True, retry_after=wait)

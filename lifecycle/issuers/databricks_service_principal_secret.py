"""OAuth secrets of a Databricks service principal: class B, five at once.

The account API shows a secret once. It takes no name and lists no creator, so a secret whose answer was lost cannot be
told from somebody else's. A service principal is named by its numeric id; what logs in is its application id.

Sources: Databricks account API, servicePrincipalSecrets (create, list, delete); OAuth machine to machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from lifecycle.clients.databricks import SCOPE, account_issuer
from lifecycle.clients.oauth import SecretMethod
from lifecycle.clients.rest import RestClient
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import AmbiguousEffectError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.spec import Duration
from lifecycle.issuers.stored_id import stored_id
from lifecycle.issuers.timestamps import provider_time

_SLOTS = 5
_MAX_PAGES = 100
_TRAITS = Traits(
    credential_class=CredentialClass.B,
    slots=_SLOTS,
    settle=timedelta(seconds=15),
    request_timeout=timedelta(seconds=30),
)


class DatabricksServicePrincipalSecretSettings(KindSettings):
    """A credential of kind `databricks_service_principal_secret`.

    Attributes:
        account_id: of the Databricks account.
        service_principal_id: the numeric id.
        client_id: the application id, with which it logs in.
        lifetime: after which a secret ends by itself; must outlast rotation_period and grace.
        admin: the credential of this spec (of a Databricks service principal) that manages this one; empty = the
            service principal itself, which then needs that right and a first secret that was adopted.
        host: of the account console.
    """

    account_id: str
    service_principal_id: str
    client_id: str
    lifetime: Duration = timedelta(days=180)
    admin: str | None = None
    host: str = "https://accounts.cloud.databricks.com"

    @property
    def issuer(self) -> str:
        """The authorization server at which it logs in."""
        return account_issuer(self.host, self.account_id)

    @property
    def token_endpoint_auth_method(self) -> SecretMethod:
        """How it authenticates there."""
        return "client_secret_basic"

    @property
    def scope(self) -> str:
        """What it asks for when a fresh secret is tried."""
        return SCOPE


class DatabricksServicePrincipalSecretIssuer:
    """Makes and ends secrets; a principal is the numeric id of a service principal.

    Args:
        client: the account, as an identity that may manage the service principal.
        account_id: of the account.
        client_id: part of the value.
        lifetime: of new secrets.
        self_admin: other credentials are changed with this one, so it comes last.
    """

    def __init__(
        self, client: RestClient, *, account_id: str, client_id: str, lifetime: timedelta, self_admin: bool = False
    ) -> None:
        self._client = client
        self._account = account_id
        self._client_id = client_id
        self._lifetime = lifetime
        self._traits = replace(_TRAITS, self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class B, five slots."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """Every secret, all pages."""
        what = f"listing the secrets of Databricks service principal {principal}"
        found: list[ProviderCredential] = []
        token = ""
        for _ in range(_MAX_PAGES):
            query = f"?{urlencode({'page_token': token})}" if token else ""
            page = self._client.read(f"{self._path(principal)}{query}", what=what)
            entries = page.get("secrets", [])  # left out when there are none
            found += [_credential(entry) for entry in entries]
            token = str(page.get("next_page_token") or "")
            if not token:
                return CompleteListing(principal=principal, credentials=tuple(found))
        raise RemoteServiceError(f"{what}: the pages do not end", remedy="ask Databricks' support")

    def identify(self, value: SecretValue) -> CredentialId:
        """The secret's id, which is kept beside it."""
        return stored_id(value, "key_id", of="the Databricks secret")

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Create a secret; it cannot be marked."""
        del marker, previous
        what = f"creating a secret of Databricks service principal {principal}"
        body = {"lifetime": f"{int(self._lifetime.total_seconds())}s"}
        answer = self._client.write("POST", self._path(principal), body, what=what, judged=(400, 409))
        if answer.status >= 300:
            if len(self.list(principal).credentials) >= _SLOTS:
                raise SlotOccupiedError(
                    f"Databricks service principal {principal} has five secrets already",
                    remedy="delete the one that nobody uses: databricks account service-principal-secrets list",
                )
            raise self._client.refusal(answer, what, writes=True)
        made = answer.document()
        if not isinstance(made, Mapping) or not made.get("id") or not made.get("secret"):
            raise AmbiguousEffectError(f"{what}: Databricks did not show it", remedy="run again: it is looked up")
        value = {"client_id": self._client_id, "key_id": str(made["id"]), "client_secret": str(made["secret"])}
        return Minted(credential=_credential(made), value=secret_value(value))

    def read_back(self, principal: str) -> Minted | NotReported:
        """Databricks shows a secret once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Databricks has no soft off."""
        verb = "on" if enabled else "off"
        raise RemoteServiceError(
            f"secrets of Databricks service principal {principal} cannot be switched {verb} ({credential_id})",
            remedy="revoke the secret instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Delete a secret."""
        path = f"{self._path(principal)}/{quote(credential_id, safe='')}"
        what = f"deleting secret {credential_id} of Databricks service principal {principal}"
        self._client.write("DELETE", path, what=what)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """The account API does not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _path(self, principal: str) -> str:
        account, service = quote(self._account, safe=""), quote(principal, safe="")
        return f"/api/2.0/accounts/{account}/servicePrincipals/{service}/credentials/secrets"


def _credential(entry: Mapping[str, Any]) -> ProviderCredential:
    return ProviderCredential(
        id=CredentialId(str(entry["id"])),
        created=provider_time(entry.get("create_time")),
        enabled=str(entry.get("status", "ACTIVE")) == "ACTIVE",
        expires=provider_time(entry.get("expire_time")),
    )


_: type[MintingIssuer] = DatabricksServicePrincipalSecretIssuer

KIND = Kind(
    name="databricks_service_principal_secret",
    family=Family.ISSUER,
    settings=DatabricksServicePrincipalSecretSettings,
    summary="OAuth secret of a Databricks service principal: five slots, made by the account API.",
    traits=_TRAITS,
    references={"admin": "credentials"},
)

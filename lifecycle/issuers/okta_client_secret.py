"""Client secrets of an Okta application: class B, two at once, deactivated before they are deleted.

Okta shows a secret when it is created and only its hash afterwards. It takes no name and lists no creator, so a secret
whose answer was lost cannot be told from somebody else's. Only an inactive secret can be deleted.

Sources: Okta Management API, Application SSO Credential OAuth 2.0 Client Auth; Okta, "Client secret rotation".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from lifecycle.clients.oauth import SecretMethod
from lifecycle.clients.rest import RestClient, Service
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import AmbiguousEffectError, NotFoundError, SlotOccupiedError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.issuers.stored_id import stored_id
from lifecycle.issuers.timestamps import provider_time

OKTA = Service(
    name="Okta",
    request_id="x-okta-request-id",
    code=("errorCode",),
    login="put a live API token into LIFECYCLE_OKTA_API_TOKEN; it ends after 30 days without use",
    rights="give the owner of the API token a role that may manage this application's credentials",
)
_SLOTS = 2
_TRAITS = Traits(
    credential_class=CredentialClass.B,
    slots=_SLOTS,
    soft_off=True,
    settle=timedelta(seconds=15),
    request_timeout=timedelta(seconds=30),
)


class OktaClientSecretSettings(KindSettings):
    """A credential of kind `okta_client_secret`.

    Attributes:
        org: URL of the organisation, e.g. https://acme.okta.com.
        client_id: the client.
        app_id: the application, where its id differs from the client id.
        issuer: the authorization server at which the client logs in.
        token_endpoint_auth_method: how it authenticates there.
        scope: what it asks for when a fresh secret is tried; empty = the server's default scopes.
    """

    org: str
    client_id: str
    issuer: str
    app_id: str = ""
    token_endpoint_auth_method: SecretMethod = "client_secret_basic"  # noqa: S105 - the name of a method
    scope: str = ""


class OktaClientSecretIssuer:
    """Makes and ends client secrets; a principal is an application id.

    Args:
        client: the organisation, as an identity that may manage the application.
        client_id: part of the value.
    """

    def __init__(self, client: RestClient, *, client_id: str) -> None:
        self._client = client
        self._client_id = client_id

    @property
    def traits(self) -> Traits:
        """Class B, two slots, soft off."""
        return _TRAITS

    def list(self, principal: str) -> CompleteListing:
        """Both secrets, inactive ones included; the list has no pages."""
        found = self._client.read_list(_path(principal), what=f"listing the client secrets of Okta app {principal}")
        return CompleteListing(principal=principal, credentials=tuple(_credential(entry) for entry in found))

    def identify(self, value: SecretValue) -> CredentialId:
        """The secret's id, which is kept beside it."""
        return stored_id(value, "key_id", of="the Okta client secret")

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Create a secret; it cannot be marked."""
        del marker, previous
        what = f"creating a client secret of Okta app {principal}"
        answer = self._client.write("POST", _path(principal), {}, what=what, judged=(400, 403))
        if answer.status >= 300:
            if answer.status == 400 and len(self.list(principal).credentials) >= _SLOTS:
                raise SlotOccupiedError(
                    f"Okta app {principal} has two client secrets already",
                    remedy="deactivate and delete the one that nobody uses, in the app's General tab",
                )
            raise self._client.refusal(answer, what, writes=True)
        made = answer.document()
        if not isinstance(made, Mapping) or not made.get("id") or not made.get("client_secret"):
            raise AmbiguousEffectError(f"{what}: Okta did not show it", remedy="run again: it is looked up")
        value = {
            "client_id": self._client_id,
            "key_id": str(made["id"]),
            "client_secret": str(made["client_secret"]),
        }
        return Minted(credential=_credential(made), value=secret_value(value))

    def read_back(self, principal: str) -> Minted | NotReported:
        """Okta shows a secret once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Activate or deactivate a secret; one that is so already is left alone."""
        held = self._held(principal, credential_id)
        if held.enabled is enabled:
            return
        verb = "activate" if enabled else "deactivate"
        path = f"{_path(principal)}/{quote(credential_id, safe='')}/lifecycle/{verb}"
        self._client.write("POST", path, what=f"{verb} of client secret {credential_id} of Okta app {principal}")

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Deactivate a secret if it is active, and delete it."""
        self.set_enabled(principal, credential_id, False)
        path = f"{_path(principal)}/{quote(credential_id, safe='')}"
        self._client.write("DELETE", path, what=f"deleting client secret {credential_id} of Okta app {principal}")

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Okta tells it of clients, not of single secrets."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _held(self, principal: str, credential_id: CredentialId) -> ProviderCredential:
        found = self.list(principal).find(credential_id)
        if found is None:
            raise NotFoundError(f"Okta app {principal} has no client secret {credential_id}", remedy="nothing to do")
        return found


def _path(principal: str) -> str:
    return f"/api/v1/apps/{quote(principal, safe='')}/credentials/secrets"


def _credential(entry: Mapping[str, Any]) -> ProviderCredential:
    return ProviderCredential(
        id=CredentialId(str(entry["id"])),
        created=provider_time(entry.get("created")),
        enabled=str(entry.get("status", "ACTIVE")) == "ACTIVE",
    )


_: type[MintingIssuer] = OktaClientSecretIssuer

KIND = Kind(
    name="okta_client_secret",
    family=Family.ISSUER,
    settings=OktaClientSecretSettings,
    summary="Client secret of an Okta application: two slots, deactivated before it is deleted.",
    traits=_TRAITS,
)

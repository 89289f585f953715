"""Client secrets of an Entra application: class B, several at once, the operation stamped in the display name.

Graph makes the secret and shows it once. A fresh one is refused for a while until it has reached every region
(AADSTS7000215), so the settle time is long.

Sources: Microsoft Graph v1.0, application addPassword and removePassword; Entra reference-error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

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
from lifecycle.domain.errors import AmbiguousEffectError, ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.ports import Clock, MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.spec import Duration
from lifecycle.issuers.entra_application import LONGEST_NAME, EntraApplication, EntraApplicationSettings, path_of
from lifecycle.issuers.stored_id import stored_id
from lifecycle.issuers.timestamps import provider_time

_PASSWORDS = "passwordCredentials"
_TRAITS = Traits(
    credential_class=CredentialClass.B,
    stamp=True,
    settle=timedelta(minutes=2),
    request_timeout=timedelta(seconds=30),
)


class EntraApplicationPasswordSettings(EntraApplicationSettings):
    """A credential of kind `entra_application_password`."""

    lifetime: Duration = timedelta(days=180)


class EntraApplicationPasswordIssuer:
    """Makes and ends client secrets; a principal is a client id.

    Args:
        client: Graph, as an owner of the application.
        tenant_id: part of the value.
        lifetime: of new secrets.
        clock: the time.
        self_admin: other credentials are changed with this one, so it comes last.
    """

    def __init__(
        self, client: RestClient, *, tenant_id: str, lifetime: timedelta, clock: Clock, self_admin: bool = False
    ) -> None:
        self._application = EntraApplication(client)
        self._tenant = tenant_id
        self._lifetime = lifetime
        self._clock = clock
        self._traits = traits_of(self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class B, no known limit, stamped."""
        return self._traits

    def list(self, principal: str) -> CompleteListing:
        """Every secret of the application, those that ended included."""
        found = self._application.entries(principal, _PASSWORDS)
        return CompleteListing(principal=principal, credentials=tuple(_credential(entry) for entry in found))

    def identify(self, value: SecretValue) -> CredentialId:
        """The secret's `keyId`, which is kept beside it."""
        return stored_id(value, "key_id", of="the Entra client secret")

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Add a secret named after the marker."""
        del previous
        what = f"adding a client secret to application {principal}"
        if len(marker) > LONGEST_NAME:
            raise ConfigurationError(
                f"{what}: its name would be cut after {LONGEST_NAME} characters and not be found again",
                remedy="give the credential or the environment a shorter name",
            )
        ends = self._clock() + self._lifetime
        wanted = {"displayName": marker, "endDateTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
        answer = self._application.change(
            "POST", f"{path_of(principal)}/addPassword", {"passwordCredential": wanted}, what=what
        )
        if answer.status >= 300:
            raise self._application.refusal(answer, what)
        made = answer.document()
        if not isinstance(made, Mapping) or not made.get("keyId") or not made.get("secretText"):
            raise AmbiguousEffectError(f"{what}: Graph did not show it", remedy="run again: it is looked up")
        value = {
            "tenant_id": self._tenant,
            "client_id": principal,
            "key_id": str(made["keyId"]),
            "client_secret": str(made["secretText"]),
        }
        return Minted(credential=_credential(made), value=secret_value(value))

    def read_back(self, principal: str) -> Minted | NotReported:
        """Graph shows a secret once."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Graph has no soft off for one secret."""
        raise RemoteServiceError(
            f"client secrets of {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the secret instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Remove a secret. Graph says 400 both for an unknown one and for others' reasons, so the list decides."""
        what = f"removing client secret {credential_id} of application {principal}"
        path = f"{path_of(principal)}/removePassword"
        answer = self._application.change("POST", path, {"keyId": str(credential_id)}, what=what)
        if answer.status < 300:
            return
        if self.list(principal).find(credential_id) is None:
            raise NotFoundError(f"application {principal} has no client secret {credential_id}", remedy="nothing to do")
        raise self._application.refusal(answer, what)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Graph v1.0 does not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN


def traits_of(*, self_admin: bool = False) -> Traits:
    """Class B, stamped; class F when other credentials are changed with it."""
    return replace(_TRAITS, self_admin=self_admin)


def _credential(entry: Mapping[str, Any]) -> ProviderCredential:
    return ProviderCredential(
        id=CredentialId(str(entry["keyId"])),
        created=provider_time(entry.get("startDateTime")),
        marker=str(entry.get("displayName") or ""),
        expires=provider_time(entry.get("endDateTime")),
    )


_: type[MintingIssuer] = EntraApplicationPasswordIssuer

KIND = Kind(
    name="entra_application_password",
    family=Family.ISSUER,
    settings=EntraApplicationPasswordSettings,
    summary="Client secret of an Entra application: several may live, each named after the operation that made it.",
    traits=_TRAITS,
    references={"admin": "credentials"},
)

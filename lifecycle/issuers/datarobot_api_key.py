"""DataRobot API keys: class B, several per user, marked in their name.

A principal is a user name (the address of a service account). When it is another user than the one whose key the client
uses, the client must be an administrator of the organisation and the request names that user: DataRobot documents no
such request, so against a real installation the client holds a key of the principal itself.

The listing's last use leaves the prediction API out, so only a use that is reported counts as evidence.

Sources: docs.datarobot.com "API key management"; `/account/apiKeys/` as its public clients use it (inferred where the
reference has none: `expireAt`, `DELETE /account/apiKeys/{id}/`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from lifecycle.clients.datarobot import DataRobotClient
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
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue, secret_value

_TRAITS = Traits(credential_class=CredentialClass.B, stamp=True, request_timeout=timedelta(seconds=30))
_KEYS = "/account/apiKeys/"


class DataRobotApiKeySettings(KindSettings):
    """A credential of kind `datarobot_api_key`.

    Attributes:
        principal: user name of the DataRobot user whose key it is.
        datarobot: name of the installation in the spec's `datarobot` section.
    """

    principal: str
    datarobot: str = "default"


class DataRobotApiKeyIssuer:
    """Makes and ends API keys.

    Args:
        client: of an administrator, or of the principal itself.
    """

    def __init__(self, client: DataRobotClient) -> None:
        self._client = client

    @property
    def traits(self) -> Traits:
        """Class B, no known limit, stamped."""
        return _TRAITS

    def list(self, principal: str) -> CompleteListing:
        """Every key of the user, all pages. Key material that some versions list is dropped at once."""
        entries = self._client.list_all(_KEYS, isScoped="false", **self._subject(principal))
        return CompleteListing(principal=principal, credentials=tuple(_credential(entry) for entry in entries))

    def identify(self, value: SecretValue) -> CredentialId:
        """The key's id, which is kept beside the key."""
        return CredentialId(value["api_key_id"].get_secret_value())

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Create a key named after the marker."""
        del previous
        subject = self._subject(principal)
        answer = self._client.post(_KEYS, {"name": marker, **subject})
        if not isinstance(answer, dict) or not answer.get("id") or not answer.get("key"):
            raise AmbiguousEffectError(
                f"DataRobot made a key for {principal} but did not show it", remedy="run again: it is looked up"
            )
        value = {"api_key_id": str(answer["id"]), "api_token": str(answer["key"])}
        return Minted(credential=_credential(answer), value=secret_value(value))

    def read_back(self, principal: str) -> Minted | NotReported:
        """A key is shown once; lists that hold key material are not relied upon."""
        del principal
        return NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """DataRobot has no soft off."""
        raise RemoteServiceError(
            f"DataRobot API keys cannot be switched {'on' if enabled else 'off'} ({credential_id} of {principal})",
            remedy="revoke the key instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Delete a key."""
        del principal
        self._client.delete(f"{_KEYS}{quote(credential_id, safe='')}/")

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Newest use outside the prediction API; no report is no evidence."""
        entries = self._client.list_all(_KEYS, isScoped="false", **self._subject(principal))
        entry = next((item for item in entries if str(item.get("id")) == credential_id), None)
        if entry is None:
            raise NotFoundError(f"{principal} has no DataRobot API key {credential_id}", remedy="nothing to do")
        return _time(entry.get("lastUsedAt")) or NotReported.UNKNOWN

    def _subject(self, principal: str) -> dict[str, str]:
        """How a request names the principal: not at all when the client is that user."""
        caller = self._client.get("/account/info/")
        if str(caller.get("email", "")).lower() == principal.lower():
            return {}
        organization = quote(str(caller.get("orgId", "")), safe="")
        for user in self._client.list_all(f"/organizations/{organization}/users/"):
            if str(user.get("username", "")).lower() == principal.lower():
                return {"userId": str(user["id"])}
        raise ConfigurationError(
            f"DataRobot has no user {principal} in this organisation",
            remedy="correct `principal`, or let an administrator invite the user",
        )


def _credential(entry: dict[str, Any]) -> ProviderCredential:
    return ProviderCredential(
        id=CredentialId(str(entry["id"])),
        created=_time(entry.get("createdAt")),
        marker=str(entry.get("name") or ""),
        expires=_time(entry.get("expireAt")),
    )


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_: type[MintingIssuer] = DataRobotApiKeyIssuer

KIND = Kind(
    name="datarobot_api_key",
    family=Family.ISSUER,
    settings=DataRobotApiKeySettings,
    summary="API key of a DataRobot user: several may live, each named after the operation that made it.",
    traits=_TRAITS,
    references={"datarobot": "datarobot"},
)

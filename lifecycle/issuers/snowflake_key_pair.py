"""Key pairs of a Snowflake user: class A, the two slots RSA_PUBLIC_KEY and RSA_PUBLIC_KEY_2.

We make the pair and hand over the public half. A credential's id is the fingerprint of its public key, as DESC USER
shows it, so the provider's own list says which key lies where. ALTER USER is not conditional: the slot is read
immediately before it is written, and both slots are declared as the tool's own. Names of users are taken as upper case,
as Snowflake stores those that were made without quotes.

Sources: Snowflake documentation, "Key-pair authentication and key-pair rotation", ALTER USER, DESCRIBE USER.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lifecycle.clients.snowflake import (
    quoted,
    rows_of,
)
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import SettingIssuer
from lifecycle.domain.secret import SecretValue
from lifecycle.issuers.snowflake_pair import SnowflakePair, public_half
from lifecycle.issuers.snowflake_statements import run_statement

_SLOTS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")
_EMPTY = ("", "null")


class SnowflakeKeyPairSettings(KindSettings):
    """A credential of kind `snowflake_key_pair`.

    Attributes:
        account: account identifier, as in the JWT.
        user: the user whose keys they are.
        endpoint: base URL of the account; empty = derived from it.
        admin: the credential of this spec (a Snowflake key pair) that may alter the user; empty = the user itself,
            which then needs that right and a first key that was adopted.
    """

    account: str
    user: str
    endpoint: str = ""
    admin: str | None = None


_TRAITS = Traits(
    credential_class=CredentialClass.A,
    slots=2,
    slot_names=_SLOTS,
    settle=timedelta(seconds=15),
    request_timeout=timedelta(seconds=40),
)


class SnowflakeKeyPairIssuer(SnowflakePair):
    """Sets and unsets public keys; a principal is a user name."""

    declared = _TRAITS

    def list(self, principal: str) -> CompleteListing:
        """The keys in both slots."""
        return CompleteListing(principal=principal, credentials=self._read(principal, self._admin()))

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Put the public half into a slot that holds what is expected, or this key already."""
        if slot not in _SLOTS:
            raise ConfigurationError(f"Snowflake has no key slot {slot!r}", remedy=f"slots are {', '.join(_SLOTS)}")
        if admin is None:
            raise ConfigurationError(
                f"nothing authorises the first key of Snowflake user {principal}",
                remedy="declare `admin:`, or store a key that works and `lifecycle rotate adopt`",
            )
        new = self.identify(value)
        held = next((item.id for item in self._read(principal, admin) if item.slot == slot), None)
        if held == new:
            return ProviderCredential(id=new, slot=slot)
        if held != (expected.id if expected else None):
            raise SlotOccupiedError(
                f"{slot} of Snowflake user {principal} holds {held}, which is not ours",
                remedy=f"ALTER USER {quoted(principal.upper())} UNSET {slot}, when nobody uses it",
            )
        public = public_half(value)
        self._write(f"ALTER USER {quoted(principal.upper())} SET {slot} = '{public}'", admin, f"setting {slot}")
        return ProviderCredential(id=new, slot=slot)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Snowflake has no soft off for one key."""
        raise RemoteServiceError(
            f"keys of Snowflake user {principal} cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the key instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Empty the slot that holds this key."""
        admin = self._admin()
        slot = next((item.slot for item in self._read(principal, admin) if item.id == credential_id), None)
        if slot is None:
            raise NotFoundError(f"Snowflake user {principal} has no key {credential_id}", remedy="nothing to do")
        self._write(f"ALTER USER {quoted(principal.upper())} UNSET {slot}", admin, f"unsetting {slot}")

    def _read(self, principal: str, admin: SecretValue) -> tuple[ProviderCredential, ...]:
        what = f"describing Snowflake user {principal}"
        statement = f"DESC USER {quoted(principal.upper())}"
        answer = run_statement(self._client, admin, statement, what=what, writes=False)
        rows = rows_of(answer) or []
        shown = {row.get("property", "").upper(): row.get("value", "") for row in rows}
        if not {f"{slot}_FP" for slot in _SLOTS} <= shown.keys():
            raise RemoteServiceError(f"{what}: the answer shows no keys", remedy="grant the admin MONITOR on the user")
        return tuple(
            ProviderCredential(
                id=CredentialId(shown[f"{slot}_FP"]), slot=slot, created=_time(shown.get(f"{slot}_LAST_SET_TIME", ""))
            )
            for slot in _SLOTS
            if shown[f"{slot}_FP"] not in _EMPTY
        )

    def _write(self, statement: str, admin: SecretValue, what: str) -> None:
        what = f"{what} of Snowflake user {self._user}"
        run_statement(self._client, admin, statement, what=what, writes=True)


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_: type[SettingIssuer] = SnowflakeKeyPairIssuer

KIND = Kind(
    name="snowflake_key_pair",
    family=Family.ISSUER,
    settings=SnowflakeKeyPairSettings,
    summary="Key pair of a Snowflake user: two slots, the id is the public key's fingerprint.",
    traits=_TRAITS,
    references={"admin": "credentials"},
)

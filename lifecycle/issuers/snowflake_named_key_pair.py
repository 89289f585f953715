"""Named key pairs of a Snowflake user: class A, two names of our own beside those of others.

1. We make the pair and register its public half under `LIFECYCLE_1` or `LIFECYCLE_2`. ADD KEY PAIR refuses a name that
   is taken, so nobody's key is overwritten, whoever acts at the same moment.
2. An old pair is disabled before it is removed, and can be enabled again.
3. ROTATE KEY PAIR is not used: it ends the prior key after a number of hours, whether or not its users have the new
   one, and keeps it under a name of its own choice.
4. It needs a smaller right than the legacy slots: MODIFY PROGRAMMATIC AUTHENTICATION METHODS on the user.

Sources: Snowflake documentation, ALTER USER … ADD, MODIFY, REMOVE, ROTATE KEY PAIR, SHOW USER KEY PAIRS (since
15 July 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

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
from lifecycle.domain.errors import ConfigurationError, NotFoundError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.ports import SettingIssuer
from lifecycle.domain.secret import SecretValue
from lifecycle.issuers.snowflake_key_pair import SnowflakeKeyPairSettings
from lifecycle.issuers.snowflake_pair import SnowflakePair, public_half
from lifecycle.issuers.snowflake_statements import run_statement
from lifecycle.issuers.timestamps import provider_time

_SLOTS = ("LIFECYCLE_1", "LIFECYCLE_2")


class SnowflakeNamedKeyPairSettings(SnowflakeKeyPairSettings):
    """A credential of kind `snowflake_named_key_pair`: the settings of `snowflake_key_pair`."""


_TRAITS = Traits(
    credential_class=CredentialClass.A,
    slots=16,  # a user has room for others; ours are two
    slot_names=_SLOTS,
    soft_off=True,
    conditional_set=True,
    settle=timedelta(seconds=15),
    request_timeout=timedelta(seconds=40),
)


class SnowflakeNamedKeyPairIssuer(SnowflakePair):
    """Registers and removes named key pairs; a principal is a user name."""

    declared = _TRAITS

    def list(self, principal: str) -> CompleteListing:
        """Every key pair of the user, disabled and expired ones included."""
        found = self._read(principal, self._admin()).values()
        return CompleteListing(principal=principal, credentials=tuple(found))

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Register the public half under a name that is free, or holds what is expected, or this key already."""
        if slot not in _SLOTS:
            raise ConfigurationError(f"{slot!r} is no key pair of ours", remedy=f"names are {', '.join(_SLOTS)}")
        if admin is None:
            raise ConfigurationError(
                f"nothing authorises the first key pair of Snowflake user {principal}",
                remedy="declare `admin:`, or store a key that works and `lifecycle rotate adopt`",
            )
        new, held = self.identify(value), self._read(principal, admin).get(slot)
        if held is not None and held.id == new and held.enabled:
            return held
        if held is not None:
            if expected is None or held.id != expected.id:
                raise SlotOccupiedError(
                    f"key pair {slot} of Snowflake user {principal} is {held.id}, which is not ours",
                    remedy=f"{_alter(principal)} REMOVE KEY PAIR {slot}, when nobody uses it",
                )
            self._run(principal, f"REMOVE KEY PAIR {slot}", admin)
        public = public_half(value)
        self._run(principal, f"ADD KEY PAIR {slot} PUBLIC_KEY = '{public}'", admin)
        return ProviderCredential(id=new, slot=slot)

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Disable or enable a key pair; one that is so already is set again, which changes nothing."""
        admin = self._admin()
        name = self._name(principal, credential_id, admin)
        self._run(principal, f"MODIFY KEY PAIR {name} SET DISABLED = {'FALSE' if enabled else 'TRUE'}", admin)

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Remove the key pair for good."""
        admin = self._admin()
        self._run(principal, f"REMOVE KEY PAIR {self._name(principal, credential_id, admin)}", admin)

    def _name(self, principal: str, credential_id: CredentialId, admin: SecretValue) -> str:
        held = self._read(principal, admin)
        name = next((name for name, item in held.items() if item.id == credential_id), None)
        if name is None:
            raise NotFoundError(f"Snowflake user {principal} has no key pair {credential_id}", remedy="nothing to do")
        return name if name in _SLOTS else quoted(name)

    def _read(self, principal: str, admin: SecretValue) -> Mapping[str, ProviderCredential]:
        what = f"listing the key pairs of Snowflake user {principal}"
        statement = f"SHOW USER KEY PAIRS FOR USER {quoted(principal.upper())}"
        answer = run_statement(self._client, admin, statement, what=what, writes=False)
        rows = rows_of(answer) or []
        if any(not {"name", "fingerprint", "status"} <= row.keys() for row in rows):
            raise RemoteServiceError(f"{what}: the answer shows no fingerprints", remedy="check the account's version")
        return {row["name"]: _credential(row) for row in rows}

    def _run(self, principal: str, change: str, admin: SecretValue) -> None:
        what = f"{change.partition(' PUBLIC_KEY')[0]} of Snowflake user {principal}"
        run_statement(self._client, admin, f"{_alter(principal)} {change}", what=what, writes=True)


def _alter(principal: str) -> str:
    return f"ALTER USER {quoted(principal.upper())}"


def _credential(row: Mapping[str, str]) -> ProviderCredential:
    name = row["name"]
    return ProviderCredential(
        id=CredentialId(row["fingerprint"]),
        slot=name if name in _SLOTS else "",
        enabled=row["status"].upper() == "ACTIVE",
        created=provider_time(row.get("created_on", "").removesuffix(" +0000")),
    )


_: type[SettingIssuer] = SnowflakeNamedKeyPairIssuer

KIND = Kind(
    name="snowflake_named_key_pair",
    family=Family.ISSUER,
    settings=SnowflakeNamedKeyPairSettings,
    summary="Named key pair of a Snowflake user: two names of our own, disabled before it is removed.",
    traits=_TRAITS,
    references={"admin": "credentials"},
)

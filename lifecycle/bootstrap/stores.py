"""Secret stores by kind, and the key with which values are fingerprinted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from lifecycle.bootstrap.surroundings import SANDBOX, Surroundings
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import Fingerprinter, SecretRef, SecretText, SecretValue, fingerprint

if TYPE_CHECKING:
    from lifecycle.clients.vault import VaultClient, VaultLogin
    from lifecycle.domain.spec import Spec
    from lifecycle.foundation.rate_budget import RateBudget
    from lifecycle.secret_stores.vault_settings import VaultSettings

_SECRETS_MANAGER_WRITES = 50  # per second and region, fixed (Secrets Manager quotas)
FINGERPRINT_KEY = "lifecycle-fingerprint-key"


class ToolStore(SecretStore, Protocol):
    """A secret store that also keeps the tool's own values, which are replaced in place and never rotated."""

    def recall(self, ref: SecretRef) -> SecretValue:
        """Read a value written by `keep`. Raises NotFoundError."""
        ...

    def keep(self, ref: SecretRef, value: SecretValue) -> None:
        """Write a value in place."""
        ...

    def keep_once(self, ref: SecretRef, value: SecretValue) -> SecretValue:
        """Write a value unless there is one; returns the one that is there."""
        ...


class Stores:
    """The secret stores of one environment, made when first used.

    Args:
        around: settings, spec, sandbox.
        administrator: as whoever prepares the environment, before its roles and logins exist.
    """

    def __init__(self, around: Surroundings, *, administrator: bool = False) -> None:
        self._around = around
        self._administrator = administrator
        self._made: dict[str, ToolStore] = {}

    def named(self, name: str) -> ToolStore:
        """The store with that name in the spec."""
        if name not in self._made:
            chosen = self._around.spec.secret_stores.get(name)
            if chosen is None:
                raise ConfigurationError(
                    f"the spec has no secret store {name!r}", remedy="add it under secret_stores, or name another one"
                )
            self._made[name] = (
                self._secrets_manager(name) if chosen.kind == "aws_secrets_manager" else self._vault(name)
            )
        return self._made[name]

    @property
    def main(self) -> str:
        """Name of the store that keeps the tool's own values: `default`, else the first."""
        names = sorted(self._around.spec.secret_stores)
        return "default" if "default" in names else names[0]

    @cached_property
    def fingerprinter(self) -> Fingerprinter:
        """Names values without revealing them, under the key that is made once and kept in the main store."""
        kept = self.make_fingerprint_key()
        key = bytes.fromhex(kept["key"].get_secret_value())
        return partial(fingerprint, key=key, key_id=kept["id"].get_secret_value())

    def make_fingerprint_key(self) -> SecretValue:
        """Keep a fresh key unless there is one; returns the one that is there."""
        made = {"key": SecretText(secrets.token_hex(32)), "id": SecretText(secrets.token_hex(4))}
        return self.named(self.main).keep_once(SecretRef(store=self.main, path=FINGERPRINT_KEY), made)

    @cached_property
    def write_budget(self) -> RateBudget:
        """Shared by every store of the account: the quota counts all writes of a region together."""
        from lifecycle.foundation.rate_budget import RateBudget

        return RateBudget(_SECRETS_MANAGER_WRITES, burst=10)

    def _secrets_manager(self, name: str) -> ToolStore:
        from lifecycle.clients.aws import AwsClients
        from lifecycle.secret_stores.aws_secrets_manager import AwsSecretsManagerStore

        settings = self._around.spec.secret_stores[name].settings
        clients = self._around.administrator_aws if self._administrator else self._around.aws
        if settings.region and settings.region != clients.connection.region:
            clients = AwsClients(replace(clients.connection, region=settings.region))
        return AwsSecretsManagerStore(
            clients, prefix=settings.prefix, kms_key=settings.kms_key, budget=self.write_budget
        )

    def _vault(self, name: str) -> ToolStore:
        from lifecycle.secret_stores.vault_kv import VaultKvStore

        settings = self._around.spec.secret_stores[name].settings
        return VaultKvStore(self.vault_client(settings), mount=settings.mount, prefix=settings.prefix)

    def vault_client(self, settings: VaultSettings) -> VaultClient:
        """A client for these settings, logged in when first used."""
        from lifecycle.clients.vault import VaultClient

        return VaultClient(
            self._around.resolve(settings.address),
            self._login(settings),
            namespace=settings.namespace,
            ca_file=settings.ca_file,
        )

    def _login(self, settings: VaultSettings) -> VaultLogin:
        from lifecycle.clients.vault import AppRoleLogin, JwtLogin, TokenLogin

        auth, around = settings.auth, self._around
        if settings.address.startswith(SANDBOX) and around.sandbox and around.sandbox.bootstrap.vault:
            return TokenLogin(token=around.sandbox.bootstrap.vault.root_token)
        if self._administrator and around.settings.vault_token.get_secret_value():
            return TokenLogin(token=around.settings.vault_token)
        if auth.approle:
            secret_id = around.settings.vault_secret_id
            return AppRoleLogin(role_id=auth.approle.role_id, secret_id=secret_id, mount=auth.approle.mount)
        if auth.kubernetes:
            k8s = auth.kubernetes
            return JwtLogin(role=k8s.role, jwt_file=k8s.jwt_file, mount=k8s.mount, kubernetes=True)
        if auth.jwt:
            return JwtLogin(role=auth.jwt.role, jwt_file=auth.jwt.jwt_file, mount=auth.jwt.mount)
        return TokenLogin(token=around.settings.vault_token)


def vault_server(spec: Spec, name: str) -> VaultSettings:
    """The settings of a Vault store. Raises ConfigurationError when the store is of another kind."""
    chosen = spec.secret_stores[name]
    if chosen.kind != "vault":
        raise ConfigurationError(f"secret store {name} is no Vault", remedy="name one that is, as `server`")
    settings: VaultSettings = chosen.settings
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptValue:
    """One value of the tool itself at one place of a store: what an issuer keeps between runs."""

    store: ToolStore
    ref: SecretRef

    def load(self) -> SecretValue:
        """Read it. Raises NotFoundError."""
        return self.store.recall(self.ref)

    def save(self, value: SecretValue) -> None:
        """Replace it."""
        self.store.keep(self.ref, value)

"""What a spec says about a Vault: address, login, mount, prefix."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import model_validator

from lifecycle.domain.kinds import Family, Kind, KindSettings


class AppRoleAuth(KindSettings):
    """AppRole; the secret id is given to the process, never written in a spec."""

    role_id: str
    mount: str = "approle"


class KubernetesAuth(KindSettings):
    """The pod's own service account token."""

    role: str
    mount: str = "kubernetes"
    jwt_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class JwtAuth(KindSettings):
    """A token of an identity provider, e.g. of a CI job, in a file."""

    role: str
    jwt_file: Path
    mount: str = "jwt"


class TokenAuth(KindSettings):
    """A token given to the process."""


class VaultAuth(KindSettings):
    """Exactly one way to log in."""

    approle: AppRoleAuth | None = None
    kubernetes: KubernetesAuth | None = None
    jwt: JwtAuth | None = None
    token: TokenAuth | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(item is not None for item in (self.approle, self.kubernetes, self.jwt, self.token)) != 1:
            raise ValueError("needs exactly one of approle, kubernetes, jwt, token")
        return self


class VaultSettings(KindSettings):
    """`secret_stores.NAME.vault`.

    Attributes:
        address: base URL, or `sandbox://vault`.
        auth: how to log in.
        mount: path of the KV version 2 mount.
        prefix: path in front of every secret's name.
        namespace: enterprise or OpenBao namespace.
        ca_file: trust only this authority.
    """

    address: str
    auth: VaultAuth = VaultAuth(token=TokenAuth())
    mount: str = "kv"
    prefix: str = ""
    namespace: str = ""
    ca_file: str = ""


KIND = Kind(
    name="vault",
    family=Family.SECRET_STORE,
    settings=VaultSettings,
    summary="Vault or OpenBao, KV version 2: one flat document per credential, check-and-set.",
)

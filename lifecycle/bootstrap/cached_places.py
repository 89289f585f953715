"""Destinations that read the secret store themselves and cache what they read: they are told, and observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.stores import Stores
from lifecycle.domain.kinds import Kind
from lifecycle.domain.naming import cloud_name
from lifecycle.domain.secret import SecretRef
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.kubernetes import KubernetesClient
    from lifecycle.destinations.kubernetes_rollout import Rollouts
    from lifecycle.destinations.noted_copy import CopyTarget

Client = Callable[[Credential, Any], "KubernetesClient"]

_LABEL = 63  # characters of the name part of an annotation


def cached_kinds() -> tuple[Kind, ...]:
    """Their kinds: one line each."""
    from lifecycle.destinations import external_secret, kubernetes_rollout, secrets_store_csi, vault_agent_file

    return external_secret.KIND, kubernetes_rollout.KIND, secrets_store_csi.KIND, vault_agent_file.KIND


class CachedPlaces:
    """Makes them.

    Args:
        stores: what they read.
        aws_stores: names of those in AWS Secrets Manager, whose version ids others show too.
        client: makes a client of the cluster that settings name.
    """

    def __init__(self, stores: Stores, *, aws_stores: frozenset[str], client: Client) -> None:
        self._stores = stores
        self._aws_stores = aws_stores
        self._client = client

    @property
    def builders(self) -> Mapping[str, Callable[[Credential, Any], CopyTarget]]:
        """Kind -> its builder."""
        return {
            "external_secret": self._external_secret,
            "kubernetes_rollout": self._rollout,
            "secrets_store_csi": self._csi,
            "vault_agent_file": self._agent_file,
        }

    def _external_secret(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.external_secret import ExternalSecret

        return ExternalSecret(
            self._client(credential, settings),
            settings.name,
            settings.namespace,
            self._stores.fingerprinter,
            api_version=settings.api_version,
            keys=settings.keys,
            compare=settings.compare,
            restart=settings.restart,
        )

    def _rollout(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.kubernetes_rollout import KubernetesRollout

        place = f"{', '.join(settings.restart)} in {settings.namespace}"
        return KubernetesRollout(self._rollouts(credential, settings), place)

    def _csi(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.secrets_store_csi import SecretsStoreCsi

        store, ref = self._stores.named(credential.store), SecretRef(store=credential.store, path=credential.name)

        def version() -> str:
            current = store.describe(ref).current
            return str(current.version) if current else ""

        return SecretsStoreCsi(
            self._client(credential, settings),
            settings.secret_provider_class,
            settings.namespace,
            settings.object,
            rollouts=self._rollouts(credential, settings),
            version=version if credential.store in self._aws_stores else None,
        )

    def _agent_file(self, _credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.vault_agent_file import VaultAgentFile

        return VaultAgentFile(settings, self._stores.fingerprinter)

    def _rollouts(self, credential: Credential, settings: Any) -> Rollouts:
        from lifecycle.destinations.kubernetes_rollout import Rollouts

        label = cloud_name("reads", credential.name, limit=_LABEL)
        return Rollouts(self._client(credential, settings), settings.namespace, settings.restart, label)

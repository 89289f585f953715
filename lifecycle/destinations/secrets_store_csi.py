"""Pods that mount a value through the Secrets Store CSI driver: restarted, and each mount seen to hold one version.

The driver reads the secret store when a pod starts, and later only where rotation is switched on. It is given no value:

1. The workloads are rolled out for the value: pods that start after the promotion mount the current one.
2. `look`: the rollouts have come to rest, and every SecretProviderClassPodStatus of the class tells of a mount of the
   object, all of them in one and the same version. Where the store is AWS Secrets Manager, that version is known: it is
   the id of the current one. A pod of a workload that nobody declared thus holds up the revocation, as it should.

Source: kubernetes-sigs/secrets-store-csi-driver: SecretProviderClassPodStatus (secrets-store.csi.x-k8s.io/v1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import Field

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.destinations.kubernetes_rollout import ClusterSettings, ObjectName, Rollouts, Workload
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.secret import Fingerprint, OperationId


class SecretsStoreCsiSettings(ClusterSettings):
    """`deliver_to: [{secrets_store_csi: {…}}]`.

    Attributes:
        secret_provider_class: that the pods mount.
        object: how the provider names the value there, as in `status.objects[].id` of a pod status.
        restart: workloads that mount it, e.g. `deployment/agent`.
    """

    secret_provider_class: ObjectName
    object: str = Field(min_length=1)
    restart: tuple[Workload, ...] = Field(min_length=1)


class SecretsStoreCsi:
    """One object of one SecretProviderClass, and the pods that mount it.

    Args:
        client: of an identity that may get and patch the workloads, and list the pod statuses.
        provider_class: name of the SecretProviderClass.
        namespace: of all of them.
        wanted: the object's id.
        rollouts: the workloads.
        version: the version that a mount must show, asked at each look; None = the provider's versions are its own.
    """

    def __init__(
        self,
        client: KubernetesClient,
        provider_class: str,
        namespace: str,
        wanted: str,
        *,
        rollouts: Rollouts,
        version: Callable[[], str] | None = None,
    ) -> None:
        self._client = client
        self._class = provider_class
        self._namespace = namespace
        self._wanted = wanted
        self._rollouts = rollouts
        self._version = version

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"SecretProviderClass {self._namespace}/{self._class}"

    def put(self, parcel: Parcel) -> Placed:
        """Restart them: the driver reads the store."""
        self._rollouts.restart(parcel.fingerprint)
        return Placed()

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Rollouts first, then what each pod has mounted."""
        del marks
        sight = self._rollouts.look(fingerprint)
        if sight.failing or sight.seen is not Seen.HELD:
            return sight
        versions = set(self._mounted())
        wanted = self._version() if self._version else next(iter(versions), "")
        return Sight(seen=Seen.HELD if wanted and versions == {wanted} else Seen.SETTLING)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """What a running pod has mounted cannot be taken from it: none may be left.

        Raises:
            CheckRefusedError: some are.
        """
        del operation, fence
        pods = sorted(str(status.get("podName", "")) for status in self._statuses())
        if pods:
            shown = ", ".join(pods[:3]) + (f" and {len(pods) - 3} more" if len(pods) > 3 else "")
            raise CheckRefusedError(
                f"{consumer}: {shown} still mount {self.place}",
                remedy="take the volume out of their workloads, or delete these; then run again",
            )

    def _mounted(self) -> Iterator[str]:
        """The version that each pod shows; empty for one that has not mounted the object."""
        for status in self._statuses():
            objects = status.get("objects") or () if status.get("mounted") is True else ()
            found = (item.get("version", "") for item in objects if item.get("id") == self._wanted)
            yield str(next(found, ""))

    def _statuses(self) -> Iterator[Mapping[str, Any]]:
        group = "/apis/secrets-store.csi.x-k8s.io/v1"
        listed = self._client.get(f"{group}/namespaces/{self._namespace}/secretproviderclasspodstatuses")
        for item in listed.get("items") or ():
            status = item.get("status") or {}
            if status.get("secretProviderClassName") == self._class:
                yield status


_: type[CopyTarget] = SecretsStoreCsi

KIND = Kind(
    name="secrets_store_csi",
    family=Family.DESTINATION,
    settings=SecretsStoreCsiSettings,
    summary="Pods that mount a value through the Secrets Store CSI driver: restarted, each mount seen in one version.",
)

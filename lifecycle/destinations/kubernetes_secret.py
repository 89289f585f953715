"""A Kubernetes Secret, applied server-side, and the workloads that are restarted to take it up.

1. Our fields of the Secret are applied under a field manager of our own (`lifecycle-NAME`), never by force: a key that
   somebody else manages is refused. The fence stands in an annotation and the apply names the revision that was read,
   so the API server itself refuses a paused run.
2. Each workload of `restart` is rolled out for the value (`kubernetes_rollout.py`).
3. `look`: the Secret holds the value, and each rollout has come to rest.
4. `take_away`: an apply without data, which removes the keys that are ours and no others.

Source: Kubernetes API reference: Secret; "Server-Side Apply".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.destinations.kubernetes_rollout import ClusterSettings, ObjectName, Rollouts, Workload
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import ConfigurationError, FenceError, NotFoundError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue, secret_value

_FENCE = "lifecycle/fence"


class KubernetesSecretSettings(ClusterSettings):
    """`deliver_to: [{kubernetes_secret: {…}}]`.

    Attributes:
        name: of the Secret.
        keys: key of the Secret -> field of the value; empty = each field under its own name.
        restart: workloads that read it, e.g. `deployment/agent`.
    """

    name: ObjectName
    keys: Mapping[str, str] = {}
    restart: tuple[Workload, ...] = ()


class KubernetesSecret:
    """One Secret and its readers.

    Args:
        client: of an identity that may get and patch the Secret and the workloads.
        name: of the Secret.
        namespace: of all of them.
        fingerprint: names a value without revealing it.
        keys: key -> field of the value; empty = each field under its own name.
        restart: `kind/name` of the workloads.
    """

    def __init__(
        self,
        client: KubernetesClient,
        name: str,
        namespace: str,
        fingerprint: Fingerprinter,
        *,
        keys: Mapping[str, str] | None = None,
        restart: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._fingerprint = fingerprint
        self._keys = keys or {}
        self._rollouts = Rollouts(client, namespace, restart, name)

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"Kubernetes secret {self._namespace}/{self._name}"

    def put(self, parcel: Parcel) -> Placed:
        """Apply the Secret, then restart its readers."""
        data = self._data(parcel.value)
        self._apply(data, parcel.consumer, parcel.fence)
        self._rollouts.restart(parcel.fingerprint)
        return Placed(marks={"data": self._fingerprint(data), "keys": " ".join(sorted(data))})

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Secret, templates, rollouts."""
        try:
            held = held_keys(self._client.get(self._secret), marks.get("keys", "").split())
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        if held is None or self._fingerprint(held) != marks.get("data"):
            return Sight(seen=Seen.CHANGED)
        return self._rollouts.look(fingerprint)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Remove our keys; a Secret that is gone has none."""
        del operation
        try:
            self._client.get(self._secret)
        except NotFoundError:
            return
        self._apply({}, consumer, fence)

    def _apply(self, data: SecretValue, consumer: str, fence: int) -> None:
        revision = self._checked_revision(consumer, fence)
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "annotations": {_FENCE: str(fence)},
                **({"resourceVersion": revision} if revision else {}),
            },
        }
        if data:
            body["data"] = {
                key: base64.b64encode(text.get_secret_value().encode()).decode() for key, text in data.items()
            }
        self._client.apply(self._secret, body, manager=self._manager)

    def _checked_revision(self, consumer: str, fence: int) -> str:
        """The revision that the apply must meet; empty when there is no Secret yet."""
        try:
            metadata = self._client.get(self._secret)["metadata"]
        except NotFoundError:
            return ""
        seen = str((metadata.get("annotations") or {}).get(_FENCE, "0"))
        if seen.isdigit() and int(seen) > fence:
            raise FenceError(
                f"{self.place} of {consumer} was applied under a newer lease ({seen} > {fence})",
                remedy="nothing to do: the newer run carries on",
            )
        return str(metadata.get("resourceVersion", ""))

    def _data(self, value: SecretValue) -> SecretValue:
        mapping = self._keys or {name: name for name in value}
        missing = sorted(set(mapping.values()) - value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} needs {', '.join(missing)}, which the value does not have",
                remedy=f"correct `keys`; the value has: {', '.join(sorted(value))}",
            )
        return {key: value[field] for key, field in mapping.items()}

    @property
    def _secret(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/secrets/{self._name}"

    @property
    def _manager(self) -> str:
        """One per Secret: two Secrets of one workload must not take each other's annotation away."""
        return f"lifecycle-{self._name}"


def held_keys(secret: Mapping[str, Any], keys: Sequence[str]) -> SecretValue | None:
    """These keys of a Secret; None when one is not there, or not text."""
    data = secret.get("data") or {}
    try:
        return secret_value({key: base64.b64decode(data[key], validate=True).decode() for key in keys})
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None


_: type[CopyTarget] = KubernetesSecret

KIND = Kind(
    name="kubernetes_secret",
    family=Family.DESTINATION,
    settings=KubernetesSecretSettings,
    summary="A Kubernetes Secret, applied server-side; its workloads are restarted and their rollout observed.",
)

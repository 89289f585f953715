"""A Kubernetes Secret, applied server-side, and the workloads that are restarted to take it up.

1. Our fields of the Secret are applied under a field manager of our own (`lifecycle-NAME`), never by force: a key that
   somebody else manages is refused. The fence stands in an annotation and the apply names the revision that was read,
   so the API server itself refuses a paused run.
2. Each workload of `restart` gets an annotation in its pod template, which is what `kubectl rollout restart` does. It
   is derived from the fingerprint: the same value again starts no second rollout.
3. `look`: the Secret holds the value, each template has the annotation, and each rollout has come to rest: observed,
   all replicas updated and available. A rollout past its deadline is told as failing.
4. `take_away`: an apply without data, which removes the keys that are ours and no others.

Source: Kubernetes API reference: Secret, Deployment, StatefulSet and DaemonSet status.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import ConfigurationError, FenceError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue, secret_value

_FENCE = "lifecycle/fence"
_PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
_KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}

_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
_Workload = Annotated[str, Field(pattern=r"^(deployment|statefulset|daemonset)/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class KubernetesSecretSettings(KindSettings):
    """`deliver_to: [{kubernetes_secret: {…}}]`.

    Attributes:
        name: of the Secret.
        namespace: where it is.
        server: base URL of the API; inside a cluster https://kubernetes.default.svc.
        ca_file: trust only this authority; empty = the system's.
        token_path: of a mounted service account token, read anew for each request.
        login: instead, a path in the secret store of the credential with a field `token`.
        keys: key of the Secret -> field of the value; empty = each field under its own name.
        restart: workloads that read it, e.g. `deployment/agent`.
    """

    name: _Name
    namespace: _Name
    server: str = "https://kubernetes.default.svc"
    ca_file: str = ""
    token_path: str = ""
    login: str = ""
    keys: Mapping[str, str] = {}
    restart: tuple[_Workload, ...] = ()

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.token_path) == bool(self.login):
            raise ValueError("must say how we log in: write `token_path` or `login`")
        return self


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
        self._restart = tuple(restart)

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"Kubernetes secret {self._namespace}/{self._name}"

    def put(self, parcel: Parcel) -> Placed:
        """Apply the Secret, then restart its readers."""
        data = self._data(parcel.value)
        self._apply(data, parcel.consumer, parcel.fence)
        rollout = _rollout(parcel.fingerprint)
        for workload in self._restart:
            kind, _, name = workload.partition("/")
            body = {
                "apiVersion": "apps/v1",
                "kind": _KINDS[kind],
                "metadata": {"name": name, "namespace": self._namespace},
                "spec": {"template": {"metadata": {"annotations": {self._annotation: rollout}}}},
            }
            self._client.get(self._workload(workload))  # an apply would try to make one that is not there
            self._client.apply(self._workload(workload), body, manager=self._manager)
        return Placed(marks={"data": self._fingerprint(data), "keys": " ".join(sorted(data))})

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Secret, templates, rollouts."""
        try:
            held = _held(self._client.get(self._secret), marks.get("keys", "").split())
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        if held is None or self._fingerprint(held) != marks.get("data"):
            return Sight(seen=Seen.CHANGED)
        seen = Seen.HELD
        for workload in self._restart:
            found = self._client.get(self._workload(workload))
            annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
            if annotations.get(self._annotation) != _rollout(fingerprint):
                return Sight(seen=Seen.CHANGED)
            overdue = _overdue(found)
            if overdue:
                return Sight(seen=Seen.SETTLING, failing=f"{workload}: {overdue}")
            if not _at_rest(workload, found):
                seen = Seen.SETTLING
        return Sight(seen=seen)

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

    def _workload(self, workload: str) -> str:
        kind, _, name = workload.partition("/")
        return f"/apis/apps/v1/namespaces/{self._namespace}/{_PLURALS[kind]}/{name}"

    @property
    def _annotation(self) -> str:
        return f"lifecycle/{self._name}"

    @property
    def _manager(self) -> str:
        """One per Secret: two Secrets of one workload must not take each other's annotation away."""
        return f"lifecycle-{self._name}"


def _rollout(fingerprint: Fingerprint) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def _held(secret: Mapping[str, Any], keys: Sequence[str]) -> SecretValue | None:
    """Our keys of a Secret; None when one is not there, or not text."""
    data = secret.get("data") or {}
    try:
        return secret_value({key: base64.b64decode(data[key], validate=True).decode() for key in keys})
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None


def _overdue(workload: Mapping[str, Any]) -> str:
    conditions = workload.get("status", {}).get("conditions") or ()
    stopped = any(item.get("type") == "Progressing" and item.get("status") == "False" for item in conditions)
    return "the rollout made no progress within its deadline" if stopped else ""


def _at_rest(workload: str, found: Mapping[str, Any]) -> bool:
    """Observed, all updated, all available: what `kubectl rollout status` waits for."""
    status, generation = found.get("status", {}), found["metadata"].get("generation", 0)
    if status.get("observedGeneration", -1) < generation:
        return False
    if workload.startswith("daemonset/"):
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(wanted == status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0))
    wanted = found["spec"].get("replicas", 1)
    ready = "readyReplicas" if workload.startswith("statefulset/") else "availableReplicas"
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", ready)}
    return counts == {wanted}


_: type[CopyTarget] = KubernetesSecret

KIND = Kind(
    name="kubernetes_secret",
    family=Family.DESTINATION,
    settings=KubernetesSecretSettings,
    summary="A Kubernetes Secret, applied server-side; its workloads are restarted and their rollout observed.",
)

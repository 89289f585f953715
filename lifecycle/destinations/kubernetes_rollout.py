"""Workloads that read a value when their pods start: restarted for it, and their rollout observed.

For pods that fetch the value themselves at start (Vault Agent Injector, an init container, an application that reads
the store): a pod that was started after the promotion has read the current value. Other destinations of this family
put a copy first and restart its readers in the same way.

1. Each workload gets an annotation in its pod template, which is what `kubectl rollout restart` does. It is derived
   from the fingerprint: the same value again starts no second rollout.
2. A rollout has come to rest when it is observed, and all replicas are updated and available. One past its deadline is
   told as failing.

Source: Kubernetes API reference: Deployment, StatefulSet and DaemonSet status.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import CheckRefusedError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId

_PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
_KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}

ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
Workload = Annotated[str, Field(pattern=r"^(deployment|statefulset|daemonset)/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class ClusterSettings(KindSettings):
    """How a namespace of a cluster is reached; base of all kinds that live in one.

    Attributes:
        namespace: where all named objects are.
        server: base URL of the API; inside a cluster https://kubernetes.default.svc.
        ca_file: trust only this authority; empty = the system's.
        token_path: of a mounted service account token, read anew for each request.
        login: instead, a path in the secret store of the credential with a field `token`.
    """

    namespace: ObjectName
    server: str = "https://kubernetes.default.svc"
    ca_file: str = ""
    token_path: str = ""
    login: str = ""

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.token_path) == bool(self.login):
            raise ValueError("must say how we log in: write `token_path` or `login`")
        return self


class KubernetesRolloutSettings(ClusterSettings):
    """`deliver_to: [{kubernetes_rollout: {…}}]`.

    Attributes:
        restart: workloads whose pods read the store when they start, e.g. `deployment/agent`.
    """

    restart: tuple[Workload, ...] = Field(min_length=1)


class Rollouts:
    """The workloads that read one copy.

    Args:
        client: of an identity that may get and patch the workloads.
        namespace: of all of them.
        workloads: as `kind/name`.
        label: of the copy; two copies of one workload must not take each other's annotation away.
    """

    def __init__(self, client: KubernetesClient, namespace: str, workloads: Sequence[str], label: str) -> None:
        self._client = client
        self._namespace = namespace
        self._workloads = tuple(workloads)
        self._annotation = f"lifecycle/{label}"
        self._manager = f"lifecycle-{label}"

    def restart(self, fingerprint: Fingerprint) -> None:
        """Start a rollout of each, unless it was started for this value."""
        for workload in self._workloads:
            kind, _, name = workload.partition("/")
            body = {
                "apiVersion": "apps/v1",
                "kind": _KINDS[kind],
                "metadata": {"name": name, "namespace": self._namespace},
                "spec": {"template": {"metadata": {"annotations": {self._annotation: rollout_of(fingerprint)}}}},
            }
            self._client.get(self._path(workload))  # an apply would try to make one that is not there
            self._client.apply(self._path(workload), body, manager=self._manager)

    def look(self, fingerprint: Fingerprint) -> Sight:
        """Whether all were restarted for this value and have come to rest."""
        seen = Seen.HELD
        for workload in self._workloads:
            found = self._client.get(self._path(workload))
            annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
            if annotations.get(self._annotation) != rollout_of(fingerprint):
                return Sight(seen=Seen.CHANGED)
            overdue = _overdue(found)
            if overdue:
                return Sight(seen=Seen.SETTLING, failing=f"{workload}: {overdue}")
            if not _at_rest(workload, found):
                seen = Seen.SETTLING
        return Sight(seen=seen)

    def running(self) -> tuple[str, ...]:
        """Those that have pods, or shall have some."""
        return tuple(workload for workload in self._workloads if self._has_pods(workload))

    def _has_pods(self, workload: str) -> bool:
        try:
            found = self._client.get(self._path(workload))
        except NotFoundError:
            return False
        status = found.get("status", {})
        if workload.startswith("daemonset/"):
            return bool(status.get("currentNumberScheduled", 0) or status.get("desiredNumberScheduled", 0))
        return bool(found["spec"].get("replicas", 1) or status.get("replicas", 0))

    def _path(self, workload: str) -> str:
        kind, _, name = workload.partition("/")
        return f"/apis/apps/v1/namespaces/{self._namespace}/{_PLURALS[kind]}/{name}"


class KubernetesRollout:
    """Workloads that read the store when they start.

    Args:
        rollouts: the workloads.
        place: names them in messages.
    """

    def __init__(self, rollouts: Rollouts, place: str) -> None:
        self._rollouts = rollouts
        self._place = place

    @property
    def place(self) -> str:
        """Names it in messages."""
        return self._place

    def put(self, parcel: Parcel) -> Placed:
        """Restart them: they read the store, and are given no value."""
        self._rollouts.restart(parcel.fingerprint)
        return Placed()

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Their rollouts."""
        del marks
        return self._rollouts.look(fingerprint)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """What a running pod has read cannot be taken from it: nothing may be running any more.

        Raises:
            CheckRefusedError: something is.
        """
        del operation, fence
        running = self._rollouts.running()
        if running:
            raise CheckRefusedError(
                f"{consumer}: {', '.join(running)} still runs with the value",
                remedy="delete it, or scale it to 0; then run again",
            )


def rollout_of(fingerprint: Fingerprint) -> str:
    """What an annotation says of a value: the same for the same value, and no fingerprint."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


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


_: type[CopyTarget] = KubernetesRollout

KIND = Kind(
    name="kubernetes_rollout",
    family=Family.DESTINATION,
    settings=KubernetesRolloutSettings,
    summary="Workloads that read the store when their pods start (Vault Agent Injector): restarted, rollout observed.",
)

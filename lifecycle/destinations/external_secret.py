"""A copy that the External Secrets Operator keeps: made to refresh, seen to have refreshed, then its readers restarted.

The operator reads the secret store by itself, at intervals. It is given no value:

1. An annotation of our own on the ExternalSecret makes it refresh now (`lifecycle/refresh`, derived from the
   fingerprint); beside it stands the `syncedResourceVersion` from before (`lifecycle/synced-before`). Both are applied
   under a field manager of our own.
2. Refreshed means: `syncedResourceVersion` has moved, the condition Ready is true, and the Secret that it makes holds
   the value. A Secret composed by a template cannot be compared (`compare: false`): then the first two have to do. One
   that is refreshed and holds something else is refreshed again.
3. Only then are the workloads of `restart` rolled out: started earlier they would read the old copy again. Until then
   the delivery is not done, and the next look of the run, or the next run, asks again.
4. `look` compares the Secret and the rollouts anew each time: an operator that falls back to an older copy is noticed
   before anything is revoked.

Source: external-secrets/external-secrets: docs/api/externalsecret.md ("Update Behavior"), docs/introduction/faq.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.destinations.kubernetes_rollout import ClusterSettings, ObjectName, Rollouts, Workload, rollout_of
from lifecycle.destinations.kubernetes_secret import held_keys
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import CheckRefusedError, ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue

_REFRESH, _BEFORE = "lifecycle/refresh", "lifecycle/synced-before"


class ExternalSecretSettings(ClusterSettings):
    """`deliver_to: [{external_secret: {…}}]`.

    Attributes:
        name: of the ExternalSecret.
        api_version: that the cluster serves.
        keys: key of the Secret -> field of the value; empty = each field under its own name.
        compare: read the Secret and compare; false only where a template composes it.
        restart: workloads that read the Secret, e.g. `deployment/agent`.
    """

    name: ObjectName
    api_version: Literal["v1", "v1beta1"] = "v1"
    keys: Mapping[str, str] = {}
    compare: bool = True
    restart: tuple[Workload, ...] = ()


class ExternalSecret:
    """One ExternalSecret, the Secret it makes, and its readers.

    Args:
        client: of an identity that may get and patch the ExternalSecret and the workloads, and get the Secret.
        name: of the ExternalSecret.
        namespace: of all of them.
        fingerprint: names a value without revealing it.
        api_version: that the cluster serves.
        keys: key -> field of the value; empty = each field under its own name.
        compare: whether the Secret shows the fields as they are.
        restart: `kind/name` of the workloads.
    """

    def __init__(
        self,
        client: KubernetesClient,
        name: str,
        namespace: str,
        fingerprint: Fingerprinter,
        *,
        api_version: str = "v1",
        keys: Mapping[str, str] | None = None,
        compare: bool = True,
        restart: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._fingerprint = fingerprint
        self._version = api_version
        self._keys = keys or {}
        self._compare = compare
        self._rollouts = Rollouts(client, namespace, restart, name)

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"ExternalSecret {self._namespace}/{self._name}"

    def put(self, parcel: Parcel) -> Placed:
        """Ask for a refresh; once it is seen, restart the readers.

        Raises:
            RemoteServiceError: not refreshed yet; asked again, nothing happens twice.
        """
        wanted = self._wanted(parcel.value)
        marks = {"data": self._fingerprint(wanted), "keys": " ".join(sorted(wanted))}
        found = self._client.get(self._path)
        asked = _annotations(found).get(_REFRESH) == rollout_of(parcel.fingerprint)
        if not asked or (not _not_refreshed(found) and self._other_copy(found, marks)):
            found = self._ask(found, parcel.fingerprint)
        why = _not_refreshed(found) or self._other_copy(found, marks)
        if why:
            raise RemoteServiceError(
                f"{self.place} {why}",
                remedy="see its events, and those of the operator; it is asked again by the next run",
                retryable=True,
            )
        self._rollouts.restart(parcel.fingerprint)
        return Placed(marks=marks)

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """The Secret as it is now, then the rollouts. Whether the operator is well now does not matter."""
        try:
            found = self._client.get(self._path)
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        if _annotations(found).get(_REFRESH) != rollout_of(fingerprint) or self._other_copy(found, marks):
            return Sight(seen=Seen.CHANGED)
        return self._rollouts.look(fingerprint)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """The copy is the operator's: whoever declared it takes it away.

        Raises:
            CheckRefusedError: it is still there.
        """
        del operation, fence
        try:
            self._client.get(self._path)
        except NotFoundError:
            return
        raise CheckRefusedError(
            f"{consumer}: {self.place} still copies the value", remedy="delete it where it is declared; then run again"
        )

    def _ask(self, found: Mapping[str, Any], fingerprint: Fingerprint) -> Mapping[str, Any]:
        """Change the annotations, which makes the operator read the store."""
        marks = {_REFRESH: rollout_of(fingerprint), _BEFORE: _synced(found) or "none"}
        body = {
            "apiVersion": f"external-secrets.io/{self._version}",
            "kind": "ExternalSecret",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "annotations": marks,
                "resourceVersion": found["metadata"].get("resourceVersion", ""),
            },
        }
        return self._client.apply(self._path, body, manager=f"lifecycle-{self._name}")

    def _other_copy(self, found: Mapping[str, Any], marks: Marks) -> str:
        """Why the Secret is not the copy that is meant; empty when it is, or cannot be compared."""
        if not self._compare:
            return ""
        target = (found["spec"].get("target") or {}).get("name") or self._name
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{target}"
        try:
            held = held_keys(self._client.get(path), marks.get("keys", "").split())
        except NotFoundError:
            return f"has made no Secret {target}"
        if held is None or self._fingerprint(held) != marks.get("data"):
            return f"is refreshed, and its Secret {target} holds another value"
        return ""

    def _wanted(self, value: SecretValue) -> SecretValue:
        mapping = self._keys or {name: name for name in value}
        missing = sorted(set(mapping.values()) - value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} is said to show {', '.join(missing)}, which the value does not have",
                remedy=f"correct `keys`; the value has: {', '.join(sorted(value))}",
            )
        return {key: value[field] for key, field in mapping.items()}

    @property
    def _path(self) -> str:
        group = f"/apis/external-secrets.io/{self._version}"
        return f"{group}/namespaces/{self._namespace}/externalsecrets/{self._name}"


def _annotations(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return found["metadata"].get("annotations") or {}


def _not_refreshed(found: Mapping[str, Any]) -> str:
    """Why it does not count as refreshed since it was asked; empty when it does."""
    conditions: Sequence[Mapping[str, Any]] = found.get("status", {}).get("conditions") or ()
    ready = next((item for item in conditions if item.get("type") == "Ready"), None)
    if ready is not None and ready.get("status") != "True":
        reason = str(ready.get("reason", ""))
        return f"could not refresh: {reason if reason.isalpha() else 'it is not Ready'}"
    if ready is None or _synced(found) in ("", _annotations(found).get(_BEFORE)):
        return "was asked to refresh, and has not yet"
    return ""


def _synced(found: Mapping[str, Any]) -> str:
    return str(found.get("status", {}).get("syncedResourceVersion", ""))


_: type[CopyTarget] = ExternalSecret

KIND = Kind(
    name="external_secret",
    family=Family.DESTINATION,
    settings=ExternalSecretSettings,
    summary="A copy kept by the External Secrets Operator: refreshed on demand, compared, its readers restarted.",
)

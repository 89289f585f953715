"""The part of a Kubernetes API server that a Secret destination meets, over one namespace.

It owns fields as server-side apply does (leaf by leaf, one set of managers each) and refuses what the API server
refuses: no or another token (401), another namespace (403), a path that is not there (404), a content type that is not
apply (415), an apply without field manager (422), a body whose name is not the path's (400), data that is not base64,
keys that are not allowed and more than 1 MiB (422), a workload without a selector (422), an immutable Secret (422), a
stale resourceVersion and another manager's field (409).

Beside it work an External Secrets Operator, which copies what it reads whenever an ExternalSecret changes (`operator`),
and a Secrets Store CSI driver, which tells of each pod what it has mounted (`mounts`).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract.http_doubles import Reply, Request

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_PATH = re.compile(
    r"/(?:api/v1/namespaces/([^/]+)/(?:secrets)"
    r"|apis/apps/v1/namespaces/([^/]+)/(?:deployments|statefulsets|daemonsets)"
    r"|apis/external-secrets.io/v1/namespaces/([^/]+)/(?:externalsecrets))/([^/]+)"
)
_MOUNTS = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/mlops/secretproviderclasspodstatuses"
_IDENTITY = {
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "resourceVersion"),
}
Leaf = tuple[str, ...]
_NO_WORKLOAD = ("Secret", "ExternalSecret")


class RefusedError(Exception):
    """A Status with a failure."""

    def __init__(self, code: int, reason: str, message: str = "", causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.causes = code, reason, message, causes


@dataclass
class Stored:
    """One object: its leaves, who owns each, and its counters."""

    kind: str
    leaves: dict[Leaf, Any] = field(default_factory=dict)
    owners: dict[Leaf, set[str]] = field(default_factory=dict)
    version: int = 1
    generation: int = 1
    status: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        made: dict[str, Any] = {"kind": self.kind, "status": self.status}
        for leaf, value in self.leaves.items():
            place = made
            for part in leaf[:-1]:
                place = place.setdefault(part, {})
            place[leaf[-1]] = value
        metadata = made.setdefault("metadata", {})
        metadata |= {"resourceVersion": str(self.version), "generation": self.generation}
        return made


@dataclass
class ApiServer:
    """The server. `rolls_out` false: rollouts wait for `finish`."""

    token: str
    rolls_out: bool = True
    objects: dict[str, Stored] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    lose_answer_of: str = ""
    operator: Callable[["ApiServer", str], None] = lambda server, path: None
    mounts: Callable[[], list[dict[str, Any]]] = list

    def add(self, path: str, kind: str, document: Mapping[str, Any], manager: str) -> Stored:
        """An object that somebody else manages."""
        leaves = flat(document)
        stored = Stored(kind=kind, leaves=leaves, owners={leaf: {manager} for leaf in leaves})
        self.objects[path] = stored
        if kind not in _NO_WORKLOAD:
            self.finish(path)
        return stored

    def finish(self, path: str) -> None:
        """The rollout of a workload comes to rest."""
        stored = self.objects[path]
        count = stored.leaves.get(("spec", "replicas"), 1)
        names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        scheduled = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        stored.status = {"observedGeneration": stored.generation, **dict.fromkeys((*names, *scheduled), count)}

    def answer(self, request: Request) -> Reply:
        try:
            document = self._answer(request)
        except RefusedError as error:
            causes = [{"reason": "FieldManagerConflict", "message": text} for text in error.causes]
            status = {
                "kind": "Status",
                "status": "Failure",
                "code": error.code,
                "reason": error.reason,
                "message": error.message,
                "details": {"causes": causes},
            }
            return Reply(status=error.code, body=json.dumps(status).encode())
        return Reply(body=json.dumps(document).encode())

    def _answer(self, request: Request) -> dict[str, Any]:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Unauthorized")
        parts = urlsplit(request.path)
        if parts.path == _MOUNTS and request.method == "GET":
            return {"kind": "SecretProviderClassPodStatusList", "metadata": {}, "items": self.mounts()}
        found = _PATH.fullmatch(parts.path)
        if found is None:
            raise RefusedError(404, "NotFound")
        if (found[1] or found[2] or found[3]) != "mlops":
            raise RefusedError(403, "Forbidden")
        if request.method == "PATCH":
            return self._apply(parts.path, found[4], request, parse_qs(parts.query))
        if parts.path not in self.objects:
            raise RefusedError(404, "NotFound")
        return self.objects[parts.path].document()

    def _apply(self, path: str, name: str, request: Request, query: dict[str, list[str]]) -> dict[str, Any]:
        if request.headers.get("Content-Type") != "application/apply-patch+yaml":
            raise RefusedError(415, "UnsupportedMediaType")
        if not query.get("fieldManager"):
            raise RefusedError(422, "Invalid", "fieldManager is required for apply patch")
        body = json.loads(request.body)
        if body.get("metadata", {}).get("name") != name or not body.get("kind") or not body.get("apiVersion"):
            raise RefusedError(400, "BadRequest")
        manager, leaves = query["fieldManager"][0], {k: v for k, v in flat(body).items() if k not in _IDENTITY}
        stored = self.objects.get(path)
        wanted = body["metadata"].get("resourceVersion", "")
        if wanted and (stored is None or wanted != str(stored.version)):
            raise RefusedError(409, "Conflict", "the object has been modified")
        stored = stored or Stored(kind=body["kind"])
        _check_conflicts(stored, leaves, manager, force=query.get("force") == ["true"])
        _check_valid(stored, body["kind"], leaves)
        self._merge(path, stored, leaves, manager)
        self.applied.append(path)
        if self.lose_answer_of and self.lose_answer_of in path:
            raise RefusedError(504, "Timeout")
        return stored.document()

    def _merge(self, path: str, stored: Stored, leaves: dict[Leaf, Any], manager: str) -> None:
        before = dict(stored.leaves)
        for leaf in [leaf for leaf, owners in stored.owners.items() if manager in owners and leaf not in leaves]:
            stored.owners[leaf].discard(manager)
            if not stored.owners[leaf]:
                del stored.owners[leaf], stored.leaves[leaf]
        for leaf, value in leaves.items():
            stored.leaves[leaf] = value
            stored.owners.setdefault(leaf, set()).add(manager)
        self.objects[path] = stored
        if stored.leaves == before:
            return
        stored.version += 1
        if stored.kind == "ExternalSecret":
            self.operator(self, path)
        elif any(
            leaf[0] == "spec" for leaf in {**before, **stored.leaves} if before.get(leaf) != stored.leaves.get(leaf)
        ):
            stored.generation += 1
            if self.rolls_out:
                self.finish(path)


def flat(document: Mapping[str, Any], above: Leaf = ()) -> dict[Leaf, Any]:
    """Every leaf of a document by its path."""
    found: dict[Leaf, Any] = {}
    for name, item in document.items():
        found |= flat(item, (*above, name)) if isinstance(item, dict) else {(*above, name): item}
    return found


def _check_conflicts(stored: Stored, leaves: dict[Leaf, Any], manager: str, *, force: bool) -> None:
    causes = tuple(
        f'conflict with "{owner}" using v1: .{".".join(leaf)}'
        for leaf, value in leaves.items()
        if leaf in stored.leaves and stored.leaves[leaf] != value
        for owner in sorted(stored.owners[leaf] - {manager})
    )
    if causes and not force:
        raise RefusedError(409, "Conflict", f"Apply failed with {len(causes)} conflicts", causes)


def _check_valid(stored: Stored, kind: str, leaves: dict[Leaf, Any]) -> None:
    if kind == "ExternalSecret":
        if not any(leaf[:2] == ("spec", "secretStoreRef") for leaf in {**stored.leaves, **leaves}):
            raise RefusedError(422, "Invalid", "spec.secretStoreRef: Required value")
        return
    if kind != "Secret":
        if not any(leaf[:2] == ("spec", "selector") for leaf in {**stored.leaves, **leaves}):
            raise RefusedError(422, "Invalid", "spec.selector: Required value")
        return
    data = {leaf[1]: value for leaf, value in leaves.items() if leaf[0] == "data"}
    if stored.leaves.get(("immutable",)) and data:
        raise RefusedError(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
    try:
        size = sum(len(base64.b64decode(value, validate=True)) for value in data.values())
    except (binascii.Error, TypeError):
        raise RefusedError(400, "BadRequest", "illegal base64 data") from None
    if size > 1024 * 1024 or not all(_KEY.fullmatch(key) for key in data):
        raise RefusedError(422, "Invalid", "data: invalid")

"""A Feast feature store: each declared feature exists with its type, and the feature server answers for one entity.

Types come from the REST registry where the spec names one, else from the form of the served values. Feast tells an
unknown feature and a missing join key by 500, an unknown view by 404; both name what the spec refers to, not a fault.
It answers 401 "Invalid or expired access token" for every token that it could not check, also when its identity
provider is away: that counts as a refusal only if the token itself says that it has expired.

Sources: Feast 0.67, `feature_server.py`, `permissions/server/rest.py`, `errors.py`, REST registry reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, model_validator

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.http_login import login_headers
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

Reference = Annotated[str, Field(pattern=r"^\w+:\w+$")]
TokenState = Literal["none", "unknown", "expired"]
Type = Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")]
_FORMS: Mapping[str, tuple[type, ...]] = {
    "INT32": (int,),
    "INT64": (int,),
    "FLOAT": (int, float),
    "DOUBLE": (int, float),
    "BOOL": (bool,),
    "STRING": (str,),
    "BYTES": (str,),
    "UNIX_TIMESTAMP": (str, int),
}
_UNKNOWN = ("not found in projection", "missing join key values")


class FeatureStoreSettings(KindSettings):
    """A connector of kind `feature_store`; also the target that is verified.

    Attributes:
        url: base URL of the feature server.
        features: `VIEW:FEATURE` -> its type as Feast names it, e.g. INT64.
        entities: join key -> value, of an entity that is looked up.
        registry: base URL of the REST registry, up to /api/v1; empty = types are judged by the served values.
        project: of the registry.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    features: Annotated[Mapping[Reference, Type], Field(min_length=1)]
    entities: Annotated[Mapping[str, str | int], Field(min_length=1)]
    registry: str = ""
    project: str = ""
    ca_file: str = ""

    @model_validator(mode="after")
    def _project_named(self) -> Self:
        if self.registry and not self.project:
            raise ValueError("registry needs `project`")
        return self


def typed(reference: str, kind: str) -> str:
    """How the type of a feature stands in a result."""
    return f"{reference} is {kind}"


class FeatureStoreVerifier:
    """Verifies that features are still there.

    Args:
        url: of the feature server.
        registry: of the REST registry; empty = none.
        clock: the time.
    """

    def __init__(self, url: str, *, registry: str = "", clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of the feature server")
        self._registry = checked_endpoint(registry, what="the address of the feature registry") if registry else ""
        self._clock = clock

    def verify(
        self, target: FeatureStoreSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Read each view in the registry, then look the entity up, view by view."""
        views: dict[str, list[str]] = {}
        for reference in target.features:
            views.setdefault(reference.partition(":")[0], []).append(reference)
        served = (f"serves {view}" for view in views)
        asked = (*(typed(*item) for item in target.features.items()), *served)
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        login, held = login_headers(value), _state_of(value, self._clock())
        failures: list[tuple[Reason, str]] = []
        waits: list[timedelta] = []
        try:
            for view, references in views.items():
                if self._registry:
                    answer = self._read_view(probe, web, login, target, view)
                    failures.extend(_compare(probe, target, answer, view, held=held))
                    waits.extend(filter(None, [retry_after(answer.headers)]))
                answer = self._look_up(probe, web, login, target, references)
                failures.extend(_judge(probe, target, answer, view, held=held, types=not self._registry))
                waits.extend(filter(None, [retry_after(answer.headers)]))
        except Exception as error:
            return probe.failed_exchange(error)
        if failures:
            return probe.result(*worst(failures), retry_after=max(waits, default=None))
        return probe.works()

    def _read_view(
        self, probe: Probe, web: WebClient, login: Mapping[str, str], target: FeatureStoreSettings, view: str
    ) -> Answer:
        url = f"{self._registry}/feature_views/{quote(view)}?{urlencode({'project': target.project})}"
        return web.exchange("GET", url, headers=login, deadline=probe.deadline)

    def _look_up(
        self,
        probe: Probe,
        web: WebClient,
        login: Mapping[str, str],
        target: FeatureStoreSettings,
        references: list[str],
    ) -> Answer:
        body = {"features": references, "entities": {key: [item] for key, item in target.entities.items()}}
        headers = {"Content-Type": "application/json", **login}
        url = f"{self._url}/get-online-features"
        return web.exchange("POST", url, headers=headers, content=json.dumps(body).encode(), deadline=probe.deadline)


def _compare(
    probe: Probe, target: FeatureStoreSettings, answer: Answer, view: str, *, held: TokenState
) -> list[tuple[Reason, str]]:
    """What the registry says of one view's features against the declared types."""
    document = answer.document()
    spec = document.get("spec") if isinstance(document, dict) else None
    listed = spec.get("features") if isinstance(spec, dict) else None
    if answer.status != 200 or not isinstance(listed, list):
        return [_refusal(answer, f"registry: {view}", held=held)]
    found = {f"{view}:{item.get('name')}": str(item.get("valueType")) for item in listed if isinstance(item, dict)}
    failures = []
    for reference, kind in target.features.items():
        if reference.partition(":")[0] != view:
            continue
        if found.get(reference) == kind:
            probe.show(typed(reference, kind))
        else:
            told = f"is {found[reference]}" if reference in found else "is not in the registry"
            failures.append((Reason.NOT_CONFIGURED, f"{reference} {told}"))
    return failures


def _judge(
    probe: Probe, target: FeatureStoreSettings, answer: Answer, view: str, *, held: TokenState, types: bool
) -> list[tuple[Reason, str]]:
    """What the feature server says of one view; with `types` the served values show those too."""
    values = _served(answer)
    if values is None:
        return [_refusal(answer, f"feature server: {view}", held=held)]
    failures = []
    for reference, kind in target.features.items():
        of_view, _, name = reference.partition(":")
        if of_view != view:
            continue
        if name not in values:
            failures.append((Reason.NOT_CONFIGURED, f"{reference} is not served"))
        elif types and _has_form(values[name], kind):
            probe.show(typed(reference, kind))
        elif types:
            told = "has no value for this entity" if values[name] is None else f"is served in another form than {kind}"
            failures.append((Reason.NOT_CONFIGURED, f"{reference} {told}"))
    if not failures:
        probe.show(f"serves {view}")
    return failures


def _served(answer: Answer) -> Mapping[str, Any] | None:
    """The looked-up value by feature name; None when this is no answer of a feature server."""
    try:
        document = json.loads(answer.body)
        names, results = document["metadata"]["feature_names"], document["results"]
        found = {str(name): result["values"][0] for name, result in zip(names, results, strict=True)}
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return found if answer.status == 200 else None


def _has_form(value: Any, kind: str) -> bool:
    if kind not in _FORMS:
        return value is not None  # lists and maps: their form does not tell their type
    return isinstance(value, _FORMS[kind]) and isinstance(value, bool) == (kind == "BOOL")


def _state_of(value: SecretValue, now: datetime) -> TokenState:
    """What is known of a token before it is sent: one that is a JWT says when it expires."""
    if not value:
        return "none"
    try:
        payload = value["token"].get_secret_value().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return "expired" if now.timestamp() > float(claims["exp"]) else "unknown"
    except (KeyError, IndexError, TypeError, ValueError):
        return "unknown"


def _refusal(answer: Answer, step: str, *, held: TokenState) -> tuple[Reason, str]:
    told = f"{step}: HTTP {answer.status}"
    document = answer.document()
    if answer.status in (404, 500) and isinstance(document, str | dict):
        text = json.dumps(document).lower()
        unknown = any(part in text for part in _UNKNOWN) or (answer.status == 404 and "notfound" in text)
        if unknown:
            return Reason.NOT_CONFIGURED, f"{told}, a view, feature or join key does not exist"
    detail = answer.text_field("detail")
    if answer.status == 401 and (held == "none" or detail == "Missing authentication token"):
        return Reason.NOT_CONFIGURED if detail else Reason.AMBIGUOUS, f"{told}, without a token"
    if answer.status == 401 and detail:
        told = f"{told}, said of every token that Feast could not check; see its log"
        return Reason.EXPIRED if held == "expired" else Reason.AMBIGUOUS, told
    if answer.status == 403 and isinstance(document, str | dict) and document:
        return Reason.NO_PERMISSION, told
    reason = Reason.AMBIGUOUS if answer.status < 500 and answer.status != 429 else reason_of_status(answer.status)
    return capped(reason, answer.status), f"{told}, not Feast's form"


_: type[ConnectorVerifier] = FeatureStoreVerifier

KIND = Kind(
    name="feature_store",
    family=Family.CONNECTOR,
    settings=FeatureStoreSettings,
    summary="A Feast feature store: each declared feature exists with its type, and is served.",
)

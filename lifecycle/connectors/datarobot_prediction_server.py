"""A DataRobot prediction server: one row is scored, after its columns were compared with the deployment's features.

Nothing is scored that does not fit. What is scored is one row; the deployment's usage counts it as one prediction. The
API judges the key first (`GET /account/info/`), so that a refusal by the prediction server can be told apart: there the
same 401 stands for a wrong API key and for a wrong `datarobot-key`.

Sources: DataRobot Prediction API reference (general errors), serverless Prediction API reference, REST API reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "GET /account/info/"
FEATURES = "the row has the deployment's features"
SCORED = "one row scored"
Cell = str | int | float | bool | None
_KEY_MISSING = "datarobot-key header is missing"
_PAGES = 20
_NUMBERS = frozenset({"Numeric", "Length"})
_WORDS = frozenset({"Text", "Categorical"})


class PredictionServerSettings(KindSettings):
    """A connector of kind `datarobot_prediction_server`; also the target that is verified.

    Attributes:
        deployment: its id.
        row: a harmless row to score: feature -> value; one prediction is counted.
        url: of the dedicated prediction server, e.g. https://acme.orm.datarobot.com; empty = serverless, by the API.
        datarobot: name of the installation in the spec.
        ca_file: trust only this authority; empty = the system's.
    """

    deployment: Annotated[str, Field(pattern=r"^[0-9A-Za-z]+$")]
    row: Annotated[Mapping[str, Cell], Field(min_length=1)]
    url: str = ""
    datarobot: str = "default"
    ca_file: str = ""


class PredictionServerVerifier:
    """Verifies that a key scores.

    Args:
        endpoint: of the API; ends in /api/v2.
        server: of the prediction server; empty = serverless.
        clock: the time.
    """

    def __init__(self, endpoint: str, *, server: str = "", clock: Clock) -> None:
        self._endpoint = endpoint
        self._server = checked_endpoint(server, what="the address of the prediction server") if server else ""
        self._clock = clock

    def verify(
        self, target: PredictionServerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in at the API, compare the row with the features, score it."""
        probe = Probe.begin((LOGIN, FEATURES, SCORED), clock=self._clock, deadline=deadline, via=via)
        if "api_token" not in value:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no field api_token")
        try:
            web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
            client = DataRobotClient(self._endpoint, value["api_token"], web=web)
            account = client.exchange("GET", "/account/info/", deadline=probe.deadline)
            if account.status != 200 or not account.text_field("email"):
                return probe.result(*_refusal(account, LOGIN), retry_after=retry_after(account.headers))
            probe.show(LOGIN)
            return self._misfit(probe, client, target) or self._score(probe, client, web, target, value)
        except LifecycleError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)

    def _misfit(
        self, probe: Probe, client: DataRobotClient, target: PredictionServerSettings
    ) -> VerificationResult | None:
        """Why this row must not be sent; None when it fits."""
        features: list[Mapping[str, Any]] = []
        for _page in range(_PAGES):
            path = f"/deployments/{target.deployment}/features/?offset={len(features)}&limit=100"
            answer = client.exchange("GET", path, deadline=probe.deadline)
            document = answer.document()
            data = document.get("data") if isinstance(document, dict) else None
            if answer.status != 200 or not isinstance(document, dict) or not isinstance(data, list):
                return probe.result(*_refusal(answer, "features"), retry_after=retry_after(answer.headers))
            features.extend(item for item in data if isinstance(item, dict))
            if not document.get("next") or not data:
                break
        else:
            return probe.result(Reason.AMBIGUOUS, "the list of features does not end")
        wrong = list(misfits(target.row, features))
        if wrong:
            return probe.result(Reason.NOT_CONFIGURED, f"row: {'; '.join(wrong[:3])}")
        probe.show(FEATURES)
        return None

    def _score(
        self,
        probe: Probe,
        client: DataRobotClient,
        web: WebClient,
        target: PredictionServerSettings,
        value: SecretValue,
    ) -> VerificationResult:
        own = value.get("datarobot_key")
        key = own or (_key_of_deployment(client, target.deployment, probe) if self._server else None)
        headers = {
            "Authorization": f"Bearer {value['api_token'].get_secret_value()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            **({"datarobot-key": key.get_secret_value()} if key else {}),
        }
        base = f"{self._server}/predApi/v1.0" if self._server else client.endpoint
        answer = web.exchange(
            "POST",
            f"{base}/deployments/{target.deployment}/predictions",
            headers=headers,
            content=json.dumps([dict(target.row)]).encode(),
            deadline=probe.deadline,
        )
        return self._judge(probe, answer, own_key=own is not None)

    def _judge(self, probe: Probe, answer: Answer, *, own_key: bool) -> VerificationResult:
        document = answer.document()
        if answer.status == 200:
            scored = document.get("data") if isinstance(document, dict) else None
            if not isinstance(scored, list) or len(scored) != 1 or "prediction" not in scored[0]:
                return probe.result(Reason.AMBIGUOUS, "200 without a prediction")
            probe.show(SCORED)
            return probe.works()
        reason, told = _refusal(answer, "prediction server")
        if reason is Reason.WRONG_VALUE:
            if _KEY_MISSING in answer.text_field("message"):
                # The words for a wrong one too. The API key was not looked at.
                reason = Reason.WRONG_VALUE if own_key else Reason.NOT_CONFIGURED
                return probe.result(reason, f"{told}: the datarobot-key is refused, not the API key")
            reason, told = Reason.AMBIGUOUS, f"{told}, though the API accepts this key"
        return probe.result(reason, told, retry_after=retry_after(answer.headers))


def misfits(row: Mapping[str, Cell], features: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with a row, in words without its values: missing, unknown, of another type."""
    types = {str(item.get("name")): item for item in features}
    if not types:
        yield "the deployment shows no features"
    yield from (f"{name} is missing" for name in types if name not in row)
    yield from (f"{name} is no feature of the deployment" for name in row if types and name not in types)
    for name, cell in row.items():
        if name in types and not _fits(cell, types[name]):
            yield f"{name} is not {types[name].get('featureType')}"


def _fits(cell: Cell, feature: Mapping[str, Any]) -> bool:
    kind = feature.get("featureType")
    if cell is None:
        return True  # a missing value is one that every model takes
    if kind in _NUMBERS:
        return isinstance(cell, int | float) and not isinstance(cell, bool)
    if kind == "Boolean":
        return isinstance(cell, bool)
    if kind == "Date":
        return isinstance(cell, str) and _is_date(cell, str(feature.get("dateFormat") or ""))
    return isinstance(cell, str) if kind == "Text" else kind not in _WORDS or isinstance(cell, str | int)


def _is_date(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _key_of_deployment(client: DataRobotClient, deployment: str, probe: Probe) -> SecretText | None:
    """The `datarobot-key` as the API shows it to whoever may use the deployment; None where there is none."""
    answer = client.exchange("GET", f"/deployments/{deployment}/", deadline=probe.deadline)
    document = answer.document()
    server = document.get("defaultPredictionServer") if isinstance(document, dict) else None
    key = server.get("datarobot-key") if isinstance(server, dict) else None
    return SecretText(key) if isinstance(key, str) and key else None


_CODES = {401: Reason.WRONG_VALUE, 403: Reason.NO_PERMISSION, 404: Reason.AMBIGUOUS}


def _refusal(answer: Answer, step: str) -> tuple[Reason, str]:
    told = f"{step}: HTTP {answer.status}, request {answer.headers.get('x-request-id', 'unknown')}"
    message = answer.text_field("message")
    if not message:
        # DataRobot says every error in JSON with a message: this came from something in between.
        return capped(Reason.AMBIGUOUS, answer.status), f"{told}, not DataRobot's form"
    if answer.status == 401 and "No credentials provided" in message:
        return Reason.NOT_CONFIGURED, f"{told}: no key arrived, a header may have been stripped"
    return capped(_CODES.get(answer.status, reason_of_status(answer.status)), answer.status), told


_: type[ConnectorVerifier] = PredictionServerVerifier

KIND = Kind(
    name="datarobot_prediction_server",
    family=Family.CONNECTOR,
    settings=PredictionServerSettings,
    summary="A DataRobot deployment: the key scores one row, whose columns were compared with its features.",
    references={"datarobot": "datarobot"},
)

"""The prediction side of the DataRobot double: a deployment's features, and scoring, dedicated and serverless.

It refuses what the Prediction API refuses: a missing or unknown key, a missing or wrong `datarobot-key` (in the same
words), a body that is no list of rows, a row without a feature that the model needs. It scores every row with 0.5.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.datarobot_state import ROOT, Caller, DataRobotState, Record, invalid, page
from lifecycle.sandbox.wsgi import Reply, ReplyError, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

PREDICTION_API = "/predApi/v1.0"
FEATURES = (
    {"name": "tenure", "featureType": "Numeric", "importance": 0.6, "dateFormat": None, "knownInAdvance": False},
    {"name": "plan", "featureType": "Categorical", "importance": 0.3, "dateFormat": None, "knownInAdvance": False},
    {"name": "since", "featureType": "Date", "importance": 0.1, "dateFormat": "%Y-%m-%d", "knownInAdvance": False},
)


class Predictions:
    """Features and scores."""

    def __init__(self, state: DataRobotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Their paths; those of the Prediction API have no final slash."""
        return routes(
            ("GET", f"{ROOT}/deployments/<deployment_id>/features/", self.features),
            ("POST", f"{ROOT}/deployments/<deployment_id>/predictions", self.serverless),
            ("POST", f"{PREDICTION_API}/deployments/<deployment_id>/predictions", self.dedicated),
        )

    def features(self, request: Request, _: Caller, deployment_id: str) -> Reply:
        """What a row must have."""
        self._state.find("deployments", deployment_id)
        return page(request, self._features(deployment_id))

    def serverless(self, request: Request, caller: Caller, deployment_id: str) -> Reply:
        """Score rows; no `datarobot-key` is asked for."""
        return self._score(request, caller, deployment_id)

    def dedicated(self, request: Request, caller: Caller, deployment_id: str) -> Reply:
        """Score rows, with the key of the deployment's prediction server."""
        found = self._state.find("deployments", deployment_id)
        wanted = str(found["defaultPredictionServer"]["datarobot-key"])
        if not wanted or not hmac.compare_digest(wanted, request.headers.get("datarobot-key", "")):
            raise ReplyError(401, {"message": "The datarobot-key header is missing"})
        return self._score(request, caller, deployment_id)

    def _score(self, request: Request, _: Caller, deployment_id: str) -> Reply:
        found = self._state.find("deployments", deployment_id)
        rows = _rows(request)
        for feature in self._features(deployment_id):
            if any(feature["name"] not in row for row in rows):
                raise invalid(f"Missing required column: {feature['name']}")
        found["predictionUsage"]["lastTimestamp"] = self._state.now()
        self._state.save()
        scored = [{"rowId": number, "prediction": 0.5, "predictionValues": []} for number, _ in enumerate(rows)]
        return Reply(body={"data": scored}, headers={"X-DataRobot-Execution-Time": "1"})

    def _features(self, deployment_id: str) -> list[Record]:
        return [dict(item) for item in self._state.table("features").get(deployment_id, {}).get("data", ())]


def authenticated_scorer(identify: Callable[[Request], Caller]) -> Callable[[Request], Caller]:
    """The same login, refused in the words of the Prediction API where that is asked."""

    def check(request: Request) -> Caller:
        try:
            return identify(request)
        except ReplyError as refused:
            if not request.path.startswith(PREDICTION_API) or refused.reply.status != 401:
                raise
            sent = request.headers.get("Authorization")
            told = "Invalid API token" if sent else "Invalid Authorization header. No credentials provided."
            raise ReplyError(401, {"message": told}) from None

    return check


def _rows(request: Request) -> list[dict[str, Any]]:
    if request.mimetype != "application/json":
        raise ReplyError(415, {"message": f"Unsupported content type: {request.mimetype}"})
    try:
        rows = json.loads(request.get_data())
    except ValueError:
        raise ReplyError(400, {"message": "The request body is not JSON."}) from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise invalid("The body must be a non-empty list of objects.")
    return rows

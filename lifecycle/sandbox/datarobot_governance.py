"""What the DataRobot double knows around a deployment: its project, change requests, statistics, authorizations.

A change request needs a deployment that exists, a known action, and can be cancelled by whoever made it. Reviewers are
the organisation's administrators. Categories of the training data are in the histograms of the project's features.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from lifecycle.sandbox.datarobot_deployments import start_job
from lifecycle.sandbox.datarobot_state import (
    ROOT,
    Caller,
    DataRobotState,
    Record,
    body_of,
    forbidden,
    invalid,
    iso,
    new_id,
    not_found,
    page,
    text_of,
)
from lifecycle.sandbox.wsgi import Reply, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

PROJECT_ID = "64c0000000000000000000e1"
CATEGORIES = {"plan": ("basic", "plus", "premium")}
REQUESTS = f"{ROOT}/changeRequests/"
_TABLE = "changeRequests"
_ACTIONS = (
    "approve",
    "changeStatus",
    "changeImportance",
    "cleanupStats",
    "delete",
    "replaceModel",
    "replaceModelPackage",
)
_WEEK = timedelta(days=7)


class Governance:
    """Projects, change requests, statistics and authorizations.

    Args:
        state: what is remembered.
        url: of the double, for links.
    """

    def __init__(self, state: DataRobotState, url: str) -> None:
        self._state = state
        self._url = url

    def routes(self) -> list[Route]:
        """Their paths."""
        deployment, project = f"{ROOT}/deployments/<deployment_id>/", f"{ROOT}/projects/<project_id>/"
        one = f"{REQUESTS}<request_id>/"
        return routes(
            ("GET", f"{deployment}serviceStats/", self.service_stats),
            ("GET", f"{deployment}healthSettings/", self.health_settings),
            ("GET", project, self.project),
            ("GET", f"{project}featureHistograms/<name>/", self.histogram),
            ("GET", REQUESTS, self.list),
            ("POST", REQUESTS, self.create),
            ("GET", one, self.get),
            ("PATCH", f"{one}status/", self.change_status),
            ("GET", f"{one}suggestedReviewers/", self.reviewers),
            ("GET", f"{ROOT}/externalOAuth/authorizedProviders/", self.authorizations),
        )

    def service_stats(self, _: Request, __: Caller, deployment_id: str) -> Reply:
        """A week without trouble."""
        found = self._state.find("deployments", deployment_id)
        now = self._state.clock()
        metrics = {
            "totalPredictions": 0,
            "totalRequests": 0,
            "slowRequests": 0,
            "executionTime": None,
            "responseTime": None,
            "userErrorRate": 0.0,
            "serverErrorRate": 0.0,
            "numConsumers": 0,
            "cacheHitRatio": 0.0,
            "medianLoad": 0.0,
            "peakLoad": 0.0,
        }
        period = {"start": iso(now - _WEEK.total_seconds()), "end": iso(now)}
        return Reply(body={"period": period, "metrics": metrics, "modelId": found["model"]["id"]})

    def health_settings(self, _: Request, __: Caller, deployment_id: str) -> Reply:
        """Nobody has said how often predictions are expected."""
        self._state.find("deployments", deployment_id)
        off = {"enabled": False, "expectedFrequency": "P1D"}
        return Reply(body={"predictionsTimeliness": off, "actualsTimeliness": off})

    def project(self, _: Request, __: Caller, project_id: str) -> Reply:
        """One project."""
        if project_id != PROJECT_ID:
            raise not_found()
        return Reply(body={"id": PROJECT_ID, "projectName": "customer-churn", "stage": "modeling", "target": "churn"})

    def histogram(self, _: Request, __: Caller, project_id: str, name: str) -> Reply:
        """The categories of a feature of the training data."""
        if project_id != PROJECT_ID or name not in CATEGORIES:
            raise not_found()
        return Reply(body={"plot": [{"label": label, "count": 10, "target": 0.5} for label in CATEGORIES[name]]})

    def list(self, request: Request, _: Caller) -> Reply:
        """Change requests of an entity type, by entity and status if asked."""
        if request.args.get("entityType") != "deployment":
            raise invalid("entityType must be deployment")
        entity, statuses = request.args.get("entityId"), request.args.getlist("status")
        return page(
            request,
            [
                _shown(item)
                for item in self._state.table(_TABLE).values()
                if entity in (None, item["entityId"]) and (not statuses or item["status"] in statuses)
            ],
        )

    def create(self, request: Request, caller: Caller) -> Reply:
        """A new request, which waits for its review."""
        body = body_of(request)
        entity, action = text_of(body, "entityId"), text_of(body, "action")
        if text_of(body, "entityType") != "deployment" or action not in _ACTIONS:
            raise invalid(f"entityType must be deployment and action one of {', '.join(_ACTIONS)}")
        self._state.find("deployments", entity)
        made: Record = {
            "id": new_id(),
            "entityType": "deployment",
            "entityId": entity,
            "action": action,
            "change": body.get("change"),
            "changeVersionId": new_id(),
            "status": "pending",
            "autoApply": bool(body.get("autoApply", False)),
            "userId": caller.user["id"],
            "userName": caller.user["username"],
            "comment": str(body.get("comment") or ""),
            "numApprovalsRequired": 1,
            "createdAt": self._state.now(),
            "updatedAt": self._state.now(),
        }
        self._state.table(_TABLE)[str(made["id"])] = made
        self._state.save()
        return Reply(status=201, body=_shown(made))

    def get(self, _: Request, __: Caller, request_id: str) -> Reply:
        """One request."""
        return Reply(body=_shown(self._state.find(_TABLE, request_id)))

    def change_status(self, request: Request, caller: Caller, request_id: str) -> Reply:
        """Cancel it, asynchronously; to resolve one takes an approval, which the double does not know."""
        item = self._state.find(_TABLE, request_id)
        if item["userId"] != caller.user["id"]:
            raise forbidden()
        if body_of(request).get("status") != "cancelled":
            raise invalid("the request has no approval")
        item |= {"status": "cancelled", "updatedAt": self._state.now()}
        job = start_job(self._state, f"{REQUESTS}{request_id}/", {})
        return Reply(status=202, body={}, headers={"Location": f"{self._url}{ROOT}/status/{job}/"})

    def reviewers(self, request: Request, _: Caller, request_id: str) -> Reply:
        """Who may review it."""
        self._state.find(_TABLE, request_id)
        found = [user for user in self._state.table("users").values() if user["orgAdmin"]]
        return page(request, [{"userId": user["id"], "username": user["username"]} for user in found])

    def authorizations(self, request: Request, _: Caller) -> Reply:
        """Nobody has authorized a provider."""
        return page(request, ())


def _shown(item: Record) -> Record:
    may = {name: True for name in ("canUpdate", "canCancel", "canComment", "canReview")}
    return item | {"userOperations": may | {"canResolve": False}}

"""Deployments, prediction servers and environments, asynchronous status and agent intake of the DataRobot double."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.datarobot_state import (
    ROOT,
    Caller,
    DataRobotState,
    Record,
    body_of,
    in_use,
    invalid,
    new_id,
    page,
    text_of,
)
from lifecycle.sandbox.wsgi import Reply, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

DEPLOYMENTS = f"{ROOT}/deployments/"
ENVIRONMENTS = f"{ROOT}/predictionEnvironments/"
_PLATFORMS = (
    "aws",
    "gcp",
    "azure",
    "onPremise",
    "datarobot",
    "datarobotServerless",
    "openShift",
    "other",
    "snowflake",
    "sapAiCore",
)
_INTAKE = ("predictionRequests", "predictionInputs", "actuals")
_POLLS = 1  # how often a job is seen running before it is done


def new_deployment(deployment_id: str, label: str, server: Record, environment: Record, now: str) -> Record:
    """A healthy, active deployment."""
    health = {"status": "passing", "message": "No issues.", "startDate": now, "endDate": now}
    return {
        "id": deployment_id,
        "label": label,
        "description": "",
        "status": "active",
        "importance": "LOW",
        "model": {"id": new_id(), "type": "Custom Model", "targetName": "churn", "projectId": ""},
        "modelPackage": {"id": new_id(), "name": label, "registeredModelId": new_id()},
        "defaultPredictionServer": server,
        "predictionEnvironment": {name: environment[name] for name in ("id", "name", "platform")},
        "predictionUsage": {"dailyRates": [], "lastTimestamp": now},
        "permissions": ["CAN_VIEW"],
        "governance": {},
        **{name: dict(health) for name in ("serviceHealth", "modelHealth", "accuracyHealth", "fairnessHealth")},
    }


class Deployments:
    """The model-serving side of the API."""

    def __init__(self, state: DataRobotState, url: str) -> None:
        self._state = state
        self._url = url

    def routes(self) -> list[Route]:
        """Their paths."""
        one, environment = f"{DEPLOYMENTS}<deployment_id>/", f"{ENVIRONMENTS}<environment_id>/"
        return routes(
            ("GET", DEPLOYMENTS, self.list),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("PATCH", f"{one}status/", self.change_status),
            ("GET", f"{one}settings/", self.settings),
            ("GET", f"{ROOT}/status/<status_id>/", self.status),
            ("GET", f"{ROOT}/predictionServers/", self.servers),
            ("GET", ENVIRONMENTS, self.environments),
            ("POST", ENVIRONMENTS, self.create_environment),
            ("GET", environment, self.environment),
            ("PATCH", environment, self.update_environment),
            ("DELETE", environment, self.delete_environment),
            ("POST", f"{ROOT}/remoteEvents/", self.remote_event),
            *((("POST", f"{one}{name}/fromJSON/", self.intake)) for name in _INTAKE),
        )

    def list(self, request: Request, _: Caller) -> Reply:
        """All deployments."""
        return page(request, self._state.table("deployments").values())

    def get(self, _: Request, __: Caller, deployment_id: str) -> Reply:
        """One deployment."""
        return Reply(body=self._state.find("deployments", deployment_id))

    def update(self, request: Request, _: Caller, deployment_id: str) -> Reply:
        """Change label or description."""
        found, body = self._state.find("deployments", deployment_id), body_of(request)
        found |= {name: body[name] for name in ("label", "description", "importance") if name in body}
        self._state.save()
        return Reply(status=204)

    def change_status(self, request: Request, _: Caller, deployment_id: str) -> Reply:
        """Activate or deactivate, asynchronously: 202 and where to ask."""
        self._state.find("deployments", deployment_id)
        wanted = text_of(body_of(request), "status")
        if wanted not in {"active", "inactive"}:
            raise invalid("status must be active or inactive")
        return self._start_job(f"{DEPLOYMENTS}{deployment_id}/", {"deployment": deployment_id, "status": wanted})

    def settings(self, _: Request, __: Caller, deployment_id: str) -> Reply:
        """What is monitored."""
        self._state.find("deployments", deployment_id)
        on = {"enabled": True}
        return Reply(body={"targetDrift": on, "featureDrift": on, "predictionsDataCollection": on})

    def status(self, _: Request, __: Caller, status_id: str) -> Reply:
        """How far a job is: 200 while it runs, then 303 to its result."""
        job = self._state.find("jobs", status_id)
        if job["polls"] > 0:
            job["polls"] -= 1
            self._state.save()
            shown = {name: job[name] for name in ("statusId", "created", "statusType")}
            return Reply(body=shown | {"status": "RUNNING", "message": "", "code": 0, "description": ""})
        effect = job["effect"]
        if effect.get("deployment") in self._state.table("deployments"):
            self._state.table("deployments")[effect["deployment"]]["status"] = effect["status"]
        self._state.save()
        return Reply(status=303, body={}, headers={"Location": self._url + job["result"]})

    def servers(self, request: Request, _: Caller) -> Reply:
        """The prediction servers."""
        return page(request, self._state.table("predictionServers").values())

    def environments(self, request: Request, _: Caller) -> Reply:
        """All prediction environments."""
        return page(request, self._state.table("predictionEnvironments").values())

    def create_environment(self, request: Request, _: Caller) -> Reply:
        """A new prediction environment."""
        body = body_of(request)
        name, platform = text_of(body, "name"), text_of(body, "platform")
        if platform not in _PLATFORMS:
            raise invalid(f"platform must be one of {', '.join(_PLATFORMS)}")
        if any(item["name"] == name for item in self._state.table("predictionEnvironments").values()):
            raise in_use("Prediction environment", name)
        extra = {key: body[key] for key in ("description", "credentialId", "datastoreId", "managedBy") if body.get(key)}
        item = new_environment(name, platform, self._state.now()) | extra
        self._state.table("predictionEnvironments")[item["id"]] = item
        self._state.save()
        return Reply(status=201, body=item)

    def environment(self, _: Request, __: Caller, environment_id: str) -> Reply:
        """One prediction environment."""
        return Reply(body=self._state.find("predictionEnvironments", environment_id))

    def update_environment(self, request: Request, _: Caller, environment_id: str) -> Reply:
        """Change name or description."""
        item, body = self._state.find("predictionEnvironments", environment_id), body_of(request)
        item |= {name: body[name] for name in ("name", "description") if name in body}
        self._state.save()
        return Reply(body=item)

    def delete_environment(self, _: Request, __: Caller, environment_id: str) -> Reply:
        """Delete one."""
        self._state.find("predictionEnvironments", environment_id)
        del self._state.table("predictionEnvironments")[environment_id]
        self._state.save()
        return Reply(status=204)

    def intake(self, request: Request, _: Caller, deployment_id: str) -> Reply:
        """Records of a monitoring agent: the deployment's last use moves."""
        found = self._state.find("deployments", deployment_id)
        if not isinstance(body_of(request).get("data"), list):
            raise invalid("data is required")
        found["predictionUsage"]["lastTimestamp"] = self._state.now()
        self._state.save()
        return Reply(status=202, body={"message": "ok"})

    def remote_event(self, request: Request, caller: Caller) -> Reply:
        """An event of a monitoring agent, kept in the audit log."""
        body = body_of(request)
        self._state.log_event(text_of(body, "eventType"), caller.user, {"message": body.get("message", "")})
        self._state.save()
        return Reply(status=202, body={})

    def _start_job(self, result: str, effect: dict[str, Any]) -> Reply:
        job = start_job(self._state, result, effect)
        return Reply(status=202, body={}, headers={"Location": f"{self._url}{ROOT}/status/{job}/"})


def start_job(state: DataRobotState, result: str, effect: dict[str, Any]) -> str:
    """Remember a job that ends in `result`, a path; returns its id, to be asked for at `/status/`."""
    status_id = new_id()
    state.table("jobs")[status_id] = {
        "statusId": status_id,
        "created": state.now(),
        "statusType": "",
        "polls": _POLLS,
        "result": result,
        "effect": effect,
    }
    state.save()
    return status_id


def new_environment(name: str, platform: str, now: str) -> Record:
    """A healthy prediction environment."""
    return {
        "id": new_id(),
        "name": name,
        "platform": platform,
        "description": "",
        "permissions": ["CAN_VIEW"],
        "isDeleted": False,
        "supportedModelFormats": ["externalModel"],
        "isManagedByManagementAgent": False,
        "health": {"status": "passing", "message": "No issues.", "timestamp": now},
    }

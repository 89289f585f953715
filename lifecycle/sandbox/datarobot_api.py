"""The DataRobot double as a process of its own: `python -m lifecycle.sandbox.datarobot_api --state DIR`.

It speaks the part of REST API 2.49 that `lifecycle`, DataRobot's Python client and a monitoring agent use: version,
account, API keys, users, entitlements, audit log, credentials with associations, data stores with connection tests,
deployments, their features and predictions, prediction servers and environments, asynchronous status, agent intake,
OAuth providers, change requests, the project of the deployment. It refuses

- a missing, unknown, deleted or expired key, and every key of a deactivated or expired user: 401;
- another user's keys, users and the audit log without administrator rights: 403 or 404; a change of an OAuth provider
  by anybody but who added it: 403;
- a credential whose fields do not fit its type, an unknown field, a missing one: 422; a name in use: 409;
- a connection test with anything but what the fake database accepts now (see `datarobot_data_stores`): 400;
- a path without its final slash: 404.

Secrets are never returned, API keys once. Faults are injected as told in `control`. It has no roles beyond
administrator or not, no quotas, no SSO; credentials and data stores are seen by the whole organisation.

From the start it has an administrator with the key of `bootstrap.json`, three service users without keys
(`SERVICE_USERS`), one deployment (`DEPLOYMENT_ID`), its prediction server and its environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lifecycle.sandbox.control import Control
from lifecycle.sandbox.datarobot_credentials import Credentials
from lifecycle.sandbox.datarobot_data_stores import DataStores
from lifecycle.sandbox.datarobot_deployments import Deployments, new_deployment, new_environment
from lifecycle.sandbox.datarobot_governance import PROJECT_ID, Governance
from lifecycle.sandbox.datarobot_keys import Account, add_key, authenticate
from lifecycle.sandbox.datarobot_oauth import OAuthProviders
from lifecycle.sandbox.datarobot_predictions import FEATURES, Predictions, authenticated_scorer
from lifecycle.sandbox.datarobot_state import ROOT, Caller, DataRobotState, new_id
from lifecycle.sandbox.server_process import ServerContext, run_server
from lifecycle.sandbox.wsgi import JsonApi, Reply, Route

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.wrappers import Request

NAME = "datarobot"
VERSION = {"major": 2, "minor": 49, "versionString": "2.49.0"}
ORGANIZATION_ID = "64a0000000000000000000aa"
ADMINISTRATOR = "admin@sandbox.example"
SERVICE_USERS = ("svc-mlops@sandbox.example", "svc-scoring@sandbox.example", "svc-ingest@sandbox.example")
DEPLOYMENT_ID = "64b0000000000000000000d1"


def build(context: ServerContext, *, clock: Callable[[], float] = time.time) -> WSGIApplication:
    """Make the double.

    Args:
        context: URL, data folder and the bootstrap values it starts with.
        clock: seconds since 1970.
    """
    state = DataRobotState.load(context.data_dir / "state.json", clock)
    _provision(state, context)
    stores = DataStores(state)
    told = (Deployments(state, context.url), Predictions(state), Governance(state, context.url))
    rooms = (Account(state), Credentials(state), OAuthProviders(state), stores, *told)
    version = Route(method="GET", rule=f"{ROOT}/version/", handler=_version)

    def identify(request: Request) -> Caller:
        return authenticate(request, state)

    api = JsonApi(
        [version, *(route for room in rooms for route in room.routes())],
        before=authenticated_scorer(identify),
        on_unrouted=lambda status: Reply(
            status=status, body={"message": {404: "Not Found", 405: "Method Not Allowed"}.get(status, "Error")}
        ),
    )
    return Control(
        api,
        name=NAME,
        instance_id=context.bootstrap.instance_id,
        token=context.bootstrap.control_token,
        extra=stores.controls(),
        lock=api.lock,
    )


def _version(_: Request, __: Caller) -> Reply:
    return Reply(body=VERSION)


def _provision(state: DataRobotState, context: ServerContext) -> None:
    if state.table("users"):
        return
    for name in (ADMINISTRATOR, *SERVICE_USERS):
        user_id = new_id()
        state.table("users")[user_id] = {
            "id": user_id,
            "username": name,
            "firstName": name.partition("@")[0],
            "lastName": "Sandbox",
            "orgId": ORGANIZATION_ID,
            "tenantId": "sandbox",
            "activated": True,
            "expirationDate": None,
            "orgAdmin": name == ADMINISTRATOR,
        }
    administrator = next(iter(state.table("users").values()))
    token = context.bootstrap.datarobot.admin_key.get_secret_value()
    add_key(state, administrator, "lifecycle sandbox administrator", token=token)
    _provision_deployment(state, context.url)
    state.save()


def _provision_deployment(state: DataRobotState, url: str) -> None:
    server = {"id": new_id(), "url": url, "datarobot-key": new_id(), "batchPredictions": {}}
    environment = new_environment("sandbox", "other", state.now())
    state.table("predictionServers")[str(server["id"])] = server
    state.table("predictionEnvironments")[environment["id"]] = environment
    state.table("features")[DEPLOYMENT_ID] = {"data": [dict(feature) for feature in FEATURES]}
    shown = {name: server[name] for name in ("id", "url", "datarobot-key")}
    made = new_deployment(DEPLOYMENT_ID, "customer-churn", shown, environment, state.now())
    made["model"]["projectId"] = PROJECT_ID
    state.table("deployments")[DEPLOYMENT_ID] = made


def main() -> int:
    """Entry of the process."""
    return run_server(NAME, build)


if __name__ == "__main__":
    raise SystemExit(main())

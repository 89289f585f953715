"""DataRobot's own Python client judges the double."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import datarobot
import httpx
import pytest
from datarobot.errors import ClientError, ServerError

from lifecycle.sandbox.datarobot_api import DEPLOYMENT_ID
from tests.integration.sandbox.conftest import Sandbox

dr: Any = datarobot  # its package re-exports without saying so, which the type checker refuses
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture
def sandbox_of_module(shared: Callable[[Sequence[str]], Sandbox]) -> Sandbox:
    return shared(["datarobot"])


@pytest.fixture
def endpoint(sandbox_of_module: Sandbox) -> str:
    return sandbox_of_module.up("datarobot").endpoints["datarobot"]


@pytest.fixture
def client(sandbox_of_module: Sandbox, endpoint: str) -> Iterator[None]:
    token = sandbox_of_module.bootstrap.datarobot.admin_key.get_secret_value()
    with dr.client.client_configuration(endpoint=endpoint, token=token, max_retries=0):
        yield


@pytest.fixture
def control(sandbox_of_module: Sandbox, endpoint: str) -> Callable[[str, str, Any], None]:
    token = sandbox_of_module.bootstrap.control_token.get_secret_value()
    base = endpoint.removesuffix("/api/v2")

    def send(method: str, path: str, document: Any) -> None:
        headers = {"X-Control-Token": token}
        answer = httpx.request(method, f"{base}/__control__/{path}", json=document, headers=headers, trust_env=False)
        answer.raise_for_status()

    return send


def test_client_connects_and_a_wrong_token_is_told(sandbox_of_module: Sandbox, endpoint: str) -> None:
    token = sandbox_of_module.bootstrap.datarobot.admin_key.get_secret_value()
    with dr.client.client_configuration(endpoint=endpoint, token=token):
        pass
    with pytest.raises(ClientError), dr.client.client_configuration(endpoint=endpoint, token="wrong"):
        pytest.fail("the client accepted a wrong token")


@pytest.mark.usefixtures("client")
def test_credentials_of_every_kind_the_client_makes() -> None:
    name = uuid4().hex
    made = [
        dr.Credential.create_basic(name=f"{name}-1", user="u", password="p", description="told"),
        dr.Credential.create_s3(name=f"{name}-2", aws_access_key_id="a", aws_secret_access_key="s"),
        dr.Credential.create_snowflake_key_pair(name=f"{name}-3", user="u", private_key="k", passphrase="p"),
        dr.Credential.create_azure_service_principal(
            name=f"{name}-4", client_id="c", client_secret="s", azure_tenant_id="t"
        ),
        dr.Credential.create_databricks_access_token(name=f"{name}-5", databricks_access_token="t"),
        dr.Credential.create_databricks_service_principal(name=f"{name}-6", client_id="c", client_secret="s"),
        dr.Credential.create_gcp(name=f"{name}-7", gcp_key=json.dumps({"type": "service_account"})),
        dr.Credential.create_azure(name=f"{name}-8", azure_connection_string="c"),
        dr.Credential.create_oauth(name=f"{name}-9", token="t", refresh_token="r"),
    ]
    listed = {item.credential_id: item.credential_type for item in dr.Credential.list()}
    assert {item.credential_id: item.credential_type for item in made}.items() <= listed.items()
    made[0].update(name=f"{name}-renamed", password="q")
    assert dr.Credential.get(made[0].credential_id).name == f"{name}-renamed"
    for item in made:
        item.delete()
    with pytest.raises(ClientError):
        dr.Credential.get(made[0].credential_id)


@pytest.mark.usefixtures("client")
def test_connection_test_follows_the_stored_secret(control: Callable[[str, str, Any], None]) -> None:
    name = f"features-{uuid4().hex}"
    credential = dr.Credential.create_basic(name=name, user="u", password="old")
    store = dr.DataStore.create("jdbc", name, driver_id="5a6af02eb15372000117c040", jdbc_url="jdbc:postgresql://h/d")
    assert store.id in {item.id for item in dr.DataStore.list()}
    control("PUT", f"backends/{name}", {"user": "u", "password": "new"})
    with pytest.raises(ClientError, match="invalid credentials"):
        store.test(credential_id=credential.credential_id)
    data = {"credentialType": "basic", "user": "u", "password": "new"}
    assert store.test(credential_data=data) == {"message": "Connection successful"}
    credential.update(password="new")
    tested = store.test(credential_id=credential.credential_id, set_default_credential=True)
    assert tested == {"message": "Connection successful"}
    store.delete()
    credential.delete()


@pytest.mark.usefixtures("client")
def test_deployment_is_read_deactivated_and_activated() -> None:
    deployment = dr.Deployment.get(DEPLOYMENT_ID)
    assert deployment.label == "customer-churn"
    deployment.deactivate(max_wait=30)
    assert dr.Deployment.get(DEPLOYMENT_ID).status == "inactive"
    deployment.activate(max_wait=30)
    assert dr.Deployment.get(DEPLOYMENT_ID).status == "active"


@pytest.mark.usefixtures("client")
def test_prediction_servers_environments_and_drivers_are_listed() -> None:
    assert dr.PredictionServer.list()
    assert [item.name for item in dr.PredictionEnvironment.list()] == ["sandbox"]
    assert [item.canonical_name for item in dr.DataDriver.list()] == ["PostgreSQL"]


@pytest.mark.usefixtures("client")
def test_injected_faults_reach_the_client(control: Callable[[str, str, Any], None]) -> None:
    control("POST", "faults", {"path": "/api/v2/credentials/", "status": 503})
    with pytest.raises(ServerError):
        dr.Credential.list()
    dr.Credential.list()


def test_reset_after_the_effect_loses_only_the_answer(
    sandbox_of_module: Sandbox, endpoint: str, control: Callable[[str, str, Any], None]
) -> None:
    token = sandbox_of_module.bootstrap.datarobot.admin_key.get_secret_value()
    name = uuid4().hex
    control("POST", "faults", {"method": "POST", "path": "*/apiKeys/", "reset": True, "when": "after"})
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        with pytest.raises(httpx.TransportError):
            http.post(f"{endpoint}/account/apiKeys/", json={"name": name})
        listed = http.get(f"{endpoint}/account/apiKeys/").json()["data"]
    assert [item["name"] for item in listed].count(name) == 1


@pytest.mark.usefixtures("client")
def test_client_reads_the_features_that_a_row_must_have() -> None:
    found = {item["name"]: item["feature_type"] for item in dr.Deployment.get(DEPLOYMENT_ID).get_features()}
    assert found == {"tenure": "Numeric", "plan": "Categorical", "since": "Date"}


@pytest.mark.usefixtures("client")
def test_client_reads_what_the_doctor_asks_about_a_deployment() -> None:
    deployment = dr.Deployment.get(DEPLOYMENT_ID)
    assert deployment.get_service_stats().metrics["totalRequests"] == 0
    assert deployment.get_health_settings()["predictions_timeliness"]["enabled"] is False
    assert deployment.get_drift_tracking_settings()["feature_drift"]["enabled"] is True
    histogram = dr.models.feature.FeatureHistogram.get(deployment.model["project_id"], "plan")
    assert [item["label"] for item in histogram.plot] == ["basic", "plus", "premium"]


@pytest.mark.usefixtures("client")
def test_change_request_is_made_listed_and_cancelled_by_the_client() -> None:
    made = dr.models.change_request.ChangeRequest.create(
        entity_type="deployment",
        entity_id=DEPLOYMENT_ID,
        action="changeStatus",
        change={"status": "inactive"},
        auto_apply=False,
        comment="quarter end",
    )
    listed = dr.models.change_request.ChangeRequest.list("deployment", DEPLOYMENT_ID, ["pending"])
    assert [(item.id, item.status, item.user_name) for item in listed] == [(made.id, "pending", made.user_name)]
    made.cancel()
    assert dr.models.change_request.ChangeRequest.list("deployment", DEPLOYMENT_ID, ["pending"]) == []

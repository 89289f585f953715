"""What the DataRobot double grants and refuses around a deployment."""

from typing import Any

import pytest

from lifecycle.sandbox.datarobot_api import ADMINISTRATOR, DEPLOYMENT_ID
from lifecycle.sandbox.datarobot_governance import PROJECT_ID
from tests.unit.sandbox.test_datarobot_double import Start, call, service_key

_REQUEST = {"entityType": "deployment", "entityId": DEPLOYMENT_ID, "action": "changeStatus"}


def test_change_request_waits_until_its_maker_cancels_it(start_datarobot: Start) -> None:
    double = start_datarobot()
    made = call(double, "POST", "changeRequests/", _REQUEST).get_json()
    assert (made["status"], made["userName"]) == ("pending", ADMINISTRATOR)
    query = {"entityType": "deployment", "entityId": DEPLOYMENT_ID}
    assert [item["id"] for item in call(double, "GET", "changeRequests/", **query).get_json()["data"]] == [made["id"]]
    reviewers = call(double, "GET", f"changeRequests/{made['id']}/suggestedReviewers/").get_json()["data"]
    assert [item["username"] for item in reviewers] == [ADMINISTRATOR]
    status = f"changeRequests/{made['id']}/status/"
    other = service_key(double)["key"]
    assert call(double, "PATCH", status, {"status": "cancelled"}, key=other).status_code == 403
    assert call(double, "PATCH", status, {"status": "resolving"}).status_code == 422
    answer = call(double, "PATCH", status, {"status": "cancelled"})
    assert answer.status_code == 202 and "/api/v2/status/" in answer.headers["Location"]
    assert call(double, "GET", f"changeRequests/{made['id']}/").get_json()["status"] == "cancelled"
    assert call(double, "GET", "changeRequests/", **query, status="pending").get_json()["data"] == []


@pytest.mark.parametrize(
    ("change", "status"),
    [({"entityType": "project"}, 422), ({"action": "dance"}, 422), ({"entityId": "64b0000000000000000000ff"}, 404)],
)
def test_change_request_that_makes_no_sense(start_datarobot: Start, change: dict[str, Any], status: int) -> None:
    assert call(start_datarobot(), "POST", "changeRequests/", _REQUEST | change).status_code == status


def test_list_of_change_requests_needs_a_type(start_datarobot: Start) -> None:
    assert call(start_datarobot(), "GET", "changeRequests/").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "projects/64c0000000000000000000ff/",
        f"projects/{PROJECT_ID}/featureHistograms/tenure/",
        "deployments/64b0000000000000000000ff/serviceStats/",
        "deployments/64b0000000000000000000ff/healthSettings/",
        "changeRequests/64b0000000000000000000ff/suggestedReviewers/",
    ],
)
def test_what_is_not_there_is_404(start_datarobot: Start, path: str) -> None:
    assert call(start_datarobot(), "GET", path).status_code == 404


def test_project_of_the_deployment_knows_its_categories(start_datarobot: Start) -> None:
    double = start_datarobot()
    project = call(double, "GET", f"deployments/{DEPLOYMENT_ID}/").get_json()["model"]["projectId"]
    assert call(double, "GET", f"projects/{project}/").get_json()["id"] == PROJECT_ID
    plot = call(double, "GET", f"projects/{project}/featureHistograms/plan/").get_json()["plot"]
    assert [item["label"] for item in plot] == ["basic", "plus", "premium"]


@pytest.mark.parametrize(
    "path", ["changeRequests/", f"deployments/{DEPLOYMENT_ID}/serviceStats/", "externalOAuth/authorizedProviders/"]
)
def test_nothing_is_shown_without_a_key(start_datarobot: Start, path: str) -> None:
    assert call(start_datarobot(), "GET", path, key="wrong").status_code == 401


def test_nobody_has_authorized_a_provider(start_datarobot: Start) -> None:
    answer = call(start_datarobot(), "GET", "externalOAuth/authorizedProviders/").get_json()
    assert (answer["data"], answer["next"]) == ([], None)

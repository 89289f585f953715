from typing import Any

import pytest

from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason
from lifecycle.operations import diagnose_deployment as deployed
from tests.unit.operations.diagnosis import DAY, NOW, Table, cause, fine, not_asked, ok, refused, rows, unknown, unmet

_ONE = "/deployments/d1/"
_REQUESTS = "/changeRequests/?entityType=deployment&entityId=d1"
_SERVER = "https://acme.orm.datarobot.com"


def _view(*others: str, server: Seen | None = None, **answers: Seen) -> deployed.DeploymentView:
    paths = {
        "one": _ONE,
        "project": "/projects/p1/",
        "requests": _REQUESTS,
        "reviewers": "/changeRequests/c1/suggestedReviewers/",
        "stats": f"{_ONE}serviceStats/",
        "settings": f"{_ONE}settings/",
        "health": f"{_ONE}healthSettings/",
    }
    table = Table({paths[name]: seen for name, seen in answers.items()}, {_SERVER: server} if server else {})
    return deployed.DeploymentView(installation=table, deployment="d1", others=others, now=NOW)


def _deployment(**fields: Any) -> Seen:
    return ok(**{"label": "churn", "status": "active", "model": {"projectId": "p1"}, **fields})


@pytest.mark.parametrize("status", [403, 404])
def test_deployment_that_is_not_seen(status: int) -> None:
    assert cause(deployed.absent(_view(one=refused(status)))).evidence == f"HTTP {status}"


def test_deployment_that_is_seen() -> None:
    assert fine(deployed.absent(_view(one=_deployment()))) == "d1, churn"
    unknown(deployed.absent(_view(one=refused(500))))


def test_project_that_is_not_seen() -> None:
    assert "p1" in cause(deployed.project_absent(_view(one=_deployment(), project=refused(404)))).message


def test_project_that_is_seen_or_that_there_is_none() -> None:
    assert fine(deployed.project_absent(_view(one=_deployment(), project=ok()))) == "p1"
    not_asked(deployed.project_absent(_view(one=_deployment(model={"projectId": ""}))))
    unknown(deployed.project_absent(_view(one=_deployment(), project=refused(500))))


def test_deployment_that_another_pipeline_uses() -> None:
    found = cause(deployed.used_elsewhere(_view("connectors.score of prod")))
    assert found.evidence == "connectors.score of prod"


def test_deployment_that_nobody_else_uses() -> None:
    fine(deployed.used_elsewhere(_view()))


@pytest.mark.parametrize("status", ["inactive", "errored"])
def test_deployment_that_does_not_serve(status: str) -> None:
    assert cause(deployed.inactive(_view(one=_deployment(status=status), requests=rows()))).evidence == status


def test_deployment_that_serves_or_waits() -> None:
    assert fine(deployed.inactive(_view(one=_deployment()))) == "active"
    waiting = rows({"status": "pending", "entityId": "d1"})
    not_asked(deployed.inactive(_view(one=_deployment(status="inactive"), requests=waiting)))


def test_approval_that_is_pending_names_since_when_and_who() -> None:
    request = {
        "id": "c1",
        "status": "pending",
        "entityId": "d1",
        "action": "changeStatus",
        "userName": "ann@acme.example",
        "createdAt": "2026-11-20T08:00:00Z",
        "comment": "never shown",
    }
    found = cause(
        deployed.approval_pending(_view(requests=rows(request), reviewers=rows({"username": "bo@acme.example"})))
    )
    assert found.evidence == "changeStatus by ann@acme.example, since 2026-11-20 08:00Z"
    assert found.remedy.endswith("bo@acme.example") and "never shown" not in str(found)
    nobody = cause(deployed.approval_pending(_view(requests=rows(request))))
    assert "administrator" in nobody.remedy


def test_approval_that_nothing_waits_for() -> None:
    done = {"id": "c1", "status": "resolved", "entityId": "d1"}
    other = {"id": "c2", "status": "pending", "entityId": "d2"}
    assert fine(deployed.approval_pending(_view(requests=rows(done, other)))) == "nothing waits"
    not_asked(deployed.approval_pending(_view(requests=refused(403))))
    unknown(deployed.approval_pending(_view(requests=refused(500))))


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (unmet(Reason.NAME_NOT_RESOLVED), ExitCode.CONNECT),
        (refused(502, native=False), ExitCode.REMOTE),
        (Seen(reason=Reason.WORKS, status=200, took=deployed.SLOW), ExitCode.REFUSED),
    ],
)
def test_prediction_server_that_is_not_reached_fails_or_is_slow(server: Seen, code: ExitCode) -> None:
    view = _view(one=_deployment(defaultPredictionServer={"url": _SERVER}), server=server)
    assert cause(deployed.server_unreached(view)).exit_code is code


def test_prediction_server_that_answers() -> None:
    view = _view(one=_deployment(defaultPredictionServer={"url": _SERVER}), server=refused(404, native=False))
    assert fine(deployed.server_unreached(view)) == f"{_SERVER} answered in 0 ms"
    not_asked(deployed.server_unreached(_view(one=_deployment())))


@pytest.mark.parametrize(
    ("slow", "failed", "told"), [(50, 0.0, "predictions are slow"), (0, 0.2, "predictions fail on the server")]
)
def test_predictions_that_are_slow_or_fail(slow: int, failed: float, told: str) -> None:
    stats = ok(metrics={"totalRequests": 100, "slowRequests": slow, "serverErrorRate": failed})
    assert cause(deployed.server_struggles(_view(stats=stats))).message == told


def test_predictions_that_are_well() -> None:
    stats = ok(metrics={"totalRequests": 100, "slowRequests": 2, "serverErrorRate": 0.01})
    assert fine(deployed.server_struggles(_view(stats=stats))) == "100 requests, 2% slow, 1% failed"
    assert "no requests" in fine(deployed.server_struggles(_view(stats=ok(metrics={"totalRequests": True}))))
    not_asked(deployed.server_struggles(_view(stats=refused(403))))
    unknown(deployed.server_struggles(_view(stats=refused(500))))


def test_drift_that_nobody_tracks() -> None:
    settings = ok(targetDrift={"enabled": True}, featureDrift={"enabled": False})
    assert cause(deployed.drift_off(_view(settings=settings))).evidence == "featureDrift"


def test_drift_that_is_tracked() -> None:
    fine(deployed.drift_off(_view(settings=ok(targetDrift={"enabled": True}, featureDrift={"enabled": True}))))
    not_asked(deployed.drift_off(_view(settings=refused(403))))
    unknown(deployed.drift_off(_view(settings=refused(500))))


@pytest.mark.parametrize(
    ("last", "expected", "told"),
    [
        (None, None, "7 days"),
        (NOW - 8 * DAY, None, "7 days"),
        (NOW - DAY, "PT6H", "6 hours"),
        (NOW - 3 * DAY, "P2D", "2 days"),
        (NOW - 8 * DAY, "P0D", "7 days"),
    ],
)
def test_deployment_without_predictions(last: Any, expected: str | None, told: str) -> None:
    health = ok(predictionsTimeliness={"enabled": expected is not None, "expectedFrequency": expected})
    usage = {"lastTimestamp": last and last.isoformat()}
    found = cause(deployed.quiet(_view(one=_deployment(predictionUsage=usage), health=health)))
    assert found.message.endswith(told)


def test_deployment_that_predicts_as_expected() -> None:
    usage = {"lastTimestamp": (NOW - 6 * DAY).isoformat()}
    assert fine(deployed.quiet(_view(one=_deployment(predictionUsage=usage)))) == "last 2026-11-18 12:00Z"

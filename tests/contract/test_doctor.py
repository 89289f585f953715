"""The doctor's questions at the DataRobot double, at servers that no vendor wrote, and through a real proxy."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.datarobot_answers import DataRobotAnswers
from lifecycle.clients.web import WebClient
from lifecycle.domain.diagnosis import Cause, Fine
from lifecycle.domain.secret import SecretText
from lifecycle.domain.verification import Reason
from lifecycle.operations import diagnose_access as access
from lifecycle.operations import diagnose_agents as watched
from lifecycle.operations import diagnose_connectors as around
from lifecycle.operations import diagnose_data as data
from lifecycle.operations import diagnose_deployment as deployed
from lifecycle.sandbox.datarobot_api import ADMINISTRATOR, DEPLOYMENT_ID
from tests.contract.odd_servers import closed_port, page, raw_server
from tests.contract.sandbox_server import Double, running_double
from tests.unit.operations.diagnosis import cause, fine
from tests.unit.operations.test_diagnose_data import Sheet

_ROW = ("12", "basic", "2024-01-31")
_COLUMNS = ("tenure", "plan", "since")


def _view(double: Double, url: str = "", **options: object) -> DataRobotAnswers:
    client = DataRobotClient(f"{url or double.url}/api/v2", double.bootstrap.datarobot.admin_key)
    return DataRobotAnswers(client, patience=timedelta(seconds=10), **options)  # type: ignore[arg-type]  # as given


def _now() -> datetime:
    return datetime.now(UTC)


def _deployment(view: DataRobotAnswers, deployment: str = DEPLOYMENT_ID) -> deployed.DeploymentView:
    return deployed.DeploymentView(installation=view, deployment=deployment, others=(), now=_now())


def test_nothing_is_wrong_with_a_fresh_installation(double: Double) -> None:
    view = _view(double)
    one = _deployment(view)
    sheet = data.DataView(installation=view, deployment=DEPLOYMENT_ID, table=Sheet(content=(_ROW,), columns=_COLUMNS))
    findings = [
        access.name_not_resolved(view, "h"),
        access.proxy_refuses(view, "h"),
        access.connection_fails(view, "h"),
        access.tls_fails(view, "h", spoken=True),
        access.service_fails(view),
        access.version_differs(view, (2, 49)),
        access.key_refused(view, "key"),
        access.user_ends(view, (), _now()),
        access.entitlement_missing(view, ("ENABLE_MLOPS",)),
        deployed.absent(one),
        deployed.project_absent(one),
        deployed.inactive(one),
        deployed.approval_pending(one),
        deployed.server_unreached(one),
        deployed.server_struggles(one),
        deployed.drift_off(one),
        deployed.quiet(one),
        watched.channel_failing(view, _now()),
        around.refresh_token_ends(view, _now()),
        data.columns_differ(sheet),
        data.rows_broken(sheet),
        data.types_differ(sheet),
        data.values_missing(sheet),
        data.categories_unseen(sheet),
    ]
    assert [item for item in findings if not isinstance(item, Fine)] == []


def test_whose_key_it_is(double: Double) -> None:
    assert fine(access.key_refused(_view(double), "it")) == f"it is of {ADMINISTRATOR}"


def test_wrong_key_is_named_and_never_shown(double: Double) -> None:
    view = DataRobotAnswers(DataRobotClient(f"{double.url}/api/v2", SecretText("canary-3b1f")))
    assert "canary-3b1f" not in str(cause(access.key_refused(view, "it")))
    assert fine(access.service_fails(view)) and not isinstance(access.version_differs(view, (2, 49)), Cause)


def test_change_request_is_named_with_its_reviewers(double: Double) -> None:
    client = DataRobotClient(f"{double.url}/api/v2", double.bootstrap.datarobot.admin_key)
    body = {"entityType": "deployment", "entityId": DEPLOYMENT_ID, "action": "changeStatus", "comment": "off"}
    made = client.post("/changeRequests/", body)
    found = cause(deployed.approval_pending(_deployment(_view(double))))
    assert made["id"] in found.message and ADMINISTRATOR in found.remedy
    client.patch(f"/changeRequests/{made['id']}/status/", {"status": "cancelled"})
    fine(deployed.approval_pending(_deployment(_view(double))))


def test_deployment_that_does_not_exist(double: Double) -> None:
    cause(deployed.absent(_deployment(_view(double), "64b0000000000000000000ff")))


def test_input_file_that_does_not_fit(double: Double) -> None:
    def look(content: tuple[tuple[str, ...], ...], columns: tuple[str, ...] = _COLUMNS) -> data.DataView:
        sheet = Sheet(content=content, columns=columns)
        return data.DataView(installation=_view(double), deployment=DEPLOYMENT_ID, table=sheet)

    cause(data.columns_differ(look((), ("tenure", "plan"))))
    cause(data.types_differ(look((("x", "basic", "2024-01-31"),))))
    cause(data.categories_unseen(look((("1", "platinum", "2024-01-31"),))))


def test_event_of_an_agent_is_found(tmp_path: Path) -> None:
    with running_double("datarobot", tmp_path) as own:  # an event cannot be taken back
        client = DataRobotClient(f"{own.url}/api/v2", own.bootstrap.datarobot.admin_key)
        client.post("/remoteEvents/", {"eventType": watched.RATE_LIMITED, "message": "m"})
        assert watched.RATE_LIMITED in cause(watched.channel_failing(_view(own), _now())).message
        fine(watched.channel_failing(_view(own), _now() + timedelta(hours=2)))


def test_each_question_is_asked_once(double: Double) -> None:
    double.fault(path="/api/v2/version/", status=503, times=None)
    view = _view(double)
    assert cause(access.service_fails(view)).evidence == "HTTP 503"
    double.clear_faults()
    assert cause(access.service_fails(view)).evidence == "HTTP 503"


def test_every_page_of_a_list_is_read(double: Double) -> None:
    def body(page: int, following: str | None) -> dict[str, object]:
        return {"data": [{"username": f"user-{page}"}], "next": following}

    path = "/api/v2/organizations/o/users/"
    double.fault(path=path, status=200, body=body(1, "https://elsewhere.example/never-followed"))
    double.fault(path=path, status=200, body=body(2, None))
    seen = _view(double).ask_all("/organizations/o/users/")
    assert [item["username"] for item in seen.items()] == ["user-1", "user-2"]


def test_part_of_a_list_is_not_taken_for_all(double: Double) -> None:
    path = "/api/v2/organizations/o/users/"
    double.fault(path=path, status=200, body={"data": [{"username": "u"}], "next": "more"})
    double.fault(path=path, status=500)
    assert not _view(double).ask_all("/organizations/o/users/").good


def test_server_that_is_not_there(double: Double) -> None:
    view = _view(double, closed_port())
    assert cause(access.connection_fails(view, "h")).evidence == str(Reason.CONNECTION_REFUSED)


def test_block_page_is_no_answer_of_the_service(double: Double) -> None:
    with raw_server(page("403 Forbidden")) as url:
        view = _view(double, url)
        assert "proxy" in cause(access.proxy_refuses(view, "h")).message
    with raw_server(page("200 OK")) as url:
        assert "not DataRobot's API" in cause(access.service_fails(_view(double, url))).message


def test_silent_server_ends_in_time(double: Double) -> None:
    with raw_server(None) as url:
        client = DataRobotClient(f"{url}/api/v2", double.bootstrap.datarobot.admin_key)
        view = DataRobotAnswers(client, patience=timedelta(milliseconds=300))
        assert cause(access.service_fails(view)).evidence == str(Reason.TIMEOUT_READ)


def test_redirect_is_not_followed_with_the_key(double: Double) -> None:
    with raw_server(page("302 Found", extra=f"Location: {double.url}/api/v2/version/\r\n")) as url:
        cause(access.service_fails(_view(double, url)))


def test_knock_sends_no_key_and_goes_to_the_root(double: Double) -> None:
    with listening() as (url, heard):
        _view(double).knock(f"{url.replace('http://', 'http://user:word@')}/predApi/v1.0")
    token = double.bootstrap.datarobot.admin_key.get_secret_value().encode()
    assert heard[0].startswith(b"GET / HTTP/1.1") and token not in heard[0] and b"Authorization" not in heard[0]


def test_proxy_that_refuses_is_told_from_a_dead_server(double: Double) -> None:
    with raw_server(b"HTTP/1.1 403 Filtered\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as proxy:
        web = WebClient(proxy=proxy)
        client = DataRobotClient("https://app.datarobot.example/api/v2", SecretText("k"), web=web)
        assert cause(access.proxy_refuses(DataRobotAnswers(client, web=web), "h")).evidence == "proxy refused"


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """Keeps what it is sent, and answers 204."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        thread.join(5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()

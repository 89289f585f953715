import base64
import json
from collections.abc import Iterator

import pytest

from lifecycle.connectors.jenkins import LOGIN, JenkinsSettings, JenkinsVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server

_VALID = {"username": "svc-ci", "api_token": "11jenkins"}
_HEADERS = {"X-Jenkins": "2.462.3"}


def _answer(request: Request) -> Reply:
    """A double: refuses a wrong token in HTML as BasicHeaderProcessor does, hides what the user may not see."""
    login = base64.b64encode(f"{_VALID['username']}:{_VALID['api_token']}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {login}":
        body = b"<html><body>Invalid password/token for user: svc-ci</body></html>"
        return Reply(status=401, body=body, headers={**_HEADERS, "Content-Type": "text/html"})
    bodies: dict[str, dict[str, object]] = {
        "/whoAmI/api/json": {"name": "svc-ci", "authenticated": True, "anonymous": False},
        "/job/team/job/rotate%20all/api/json?tree=name": {"name": "rotate all"},
    }
    if request.path.startswith("/job/locked"):
        denied = {"X-You-Are-Authenticated-As": "svc-ci", "X-Required-Permission": "hudson.model.Item.Read"}
        return Reply(status=403, body=b"<html/>", headers=_HEADERS | denied)
    found = bodies.get(request.path)
    if found is None:
        return Reply(status=404, body=b"<html/>", headers=_HEADERS)
    return Reply(body=json.dumps(found).encode(), headers={**_HEADERS, "Content-Type": "application/json"})


def _make(url: str) -> JenkinsVerifier:
    return JenkinsVerifier(url, clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """Against a double of the controller."""

    @pytest.fixture
    def bench(self) -> Iterator[ConnectorBench]:
        with http_double(_answer) as url:
            yield ConnectorBench(
                make=_make,
                url=url,
                target=JenkinsSettings(url=url, can_read=("team/rotate all",)),
                valid=secret_value(_VALID),
                invalid=secret_value({**_VALID, "api_token": "wrong-token"}),
                proves=(LOGIN, "sees team/rotate all"),
            )

    @pytest.mark.parametrize("job", ["absent", "locked"])
    def test_job_that_is_hidden_or_denied_is_a_missing_right(self, bench: ConnectorBench, job: str) -> None:
        result = bench.verify(target=JenkinsSettings(url=bench.url, can_read=(job,)))
        assert (result.reason, result.proved) == (Reason.NO_PERMISSION, (LOGIN,))

    def test_value_that_is_no_api_token_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page("403 Forbidden", "No valid crumb was included", extra="X-Jenkins: 2\r\n"), Reason.NOT_CONFIGURED),
        (page("403 Forbidden", extra="X-You-Are-Authenticated-As: anonymous\r\n"), Reason.NOT_CONFIGURED),
        (page("401 Unauthorized", "log in", extra="X-Jenkins: 2\r\n"), Reason.AMBIGUOUS),
        (page("200 OK", '{"authenticated": false, "anonymous": true}', "application/json"), Reason.NOT_CONFIGURED),
        (page("502 Bad Gateway", "Invalid password/token for user"), Reason.SERVICE_FAULT),
    ],
)
def test_codes(answer: bytes, reason: Reason) -> None:
    with raw_server(answer) as url:
        result = _make(url).verify(JenkinsSettings(url=url), secret_value(_VALID), deadline=LONG, via=None)
    assert result.reason is reason

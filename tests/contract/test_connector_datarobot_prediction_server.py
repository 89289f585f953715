import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lifecycle.connectors.datarobot_prediction_server import (
    FEATURES,
    LOGIN,
    SCORED,
    PredictionServerSettings,
    PredictionServerVerifier,
    misfits,
)
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from lifecycle.sandbox.datarobot_api import DEPLOYMENT_ID
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.sandbox_server import Double, running_double

_ROW = {"tenure": 12, "plan": "gold", "since": "2026-01-31"}
_SCORING = f"/predApi/v1.0/deployments/{DEPLOYMENT_ID}/predictions"


def _make(url: str) -> PredictionServerVerifier:
    return PredictionServerVerifier(f"{url}/api/v2", server=url, clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """Against the sandbox's double, as dedicated prediction server."""

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        return ConnectorBench(
            make=_make,
            url=double.url,
            target=PredictionServerSettings(deployment=DEPLOYMENT_ID, row=_ROW),
            valid={"api_token": double.bootstrap.datarobot.admin_key},
            invalid=secret_value({"api_token": "wrong-login"}),
            proves=(LOGIN, FEATURES, SCORED),
        )

    def test_serverless_by_the_api(self, bench: ConnectorBench) -> None:
        verifier = PredictionServerVerifier(f"{bench.url}/api/v2", clock=lambda: NOW)
        assert verifier.verify(bench.target, bench.valid, deadline=LONG, via=None).proved == bench.proves

    def test_refused_datarobot_key_of_the_value_is_its_fault(self, bench: ConnectorBench) -> None:
        result = bench.verify({**bench.valid, "datarobot_key": SecretText("wrong-datarobot-key")})
        assert (result.status, result.proved) == (VerificationStatus.INVALID, (LOGIN, FEATURES))
        assert "not the API key" in result.detail

    def test_refused_datarobot_key_of_the_deployment_is_not(self, bench: ConnectorBench, double: Double) -> None:
        double.fault(path=_SCORING, status=401, body={"message": "The datarobot-key header is missing"})
        assert bench.verify().reason is Reason.NOT_CONFIGURED

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            ({"tenure": 1, "plan": "gold"}, "since is missing"),
            ({**_ROW, "colour": "red"}, "colour is no feature"),
            ({**_ROW, "tenure": "twelve"}, "tenure is not Numeric"),
            ({**_ROW, "since": "31.01.2026"}, "since is not Date"),
        ],
    )
    def test_row_that_does_not_fit_is_never_sent(self, bench: ConnectorBench, row: dict[str, Any], told: str) -> None:
        result = bench.verify(target=PredictionServerSettings(deployment=DEPLOYMENT_ID, row=row))
        assert (result.reason, result.proved) == (Reason.NOT_CONFIGURED, (LOGIN,))
        assert told in result.detail
        assert "twelve" not in result.detail

    def test_unknown_deployment_is_hidden_or_absent(self, bench: ConnectorBench) -> None:
        target = PredictionServerSettings(deployment="64b0000000000000000000ff", row=_ROW)
        assert bench.verify(target=target).reason is Reason.AMBIGUOUS

    @pytest.mark.parametrize(
        ("status", "message", "reason"),
        [
            (401, "Invalid API token", Reason.AMBIGUOUS),  # the API has just accepted this key
            (401, "Invalid Authorization header. No credentials provided.", Reason.NOT_CONFIGURED),
            (403, "no", Reason.NO_PERMISSION),
            (404, "Not Found", Reason.AMBIGUOUS),
            (422, "'wd': wd is not allowed key", Reason.NOT_CONFIGURED),
            (429, "Invalid API token", Reason.THROTTLED),
            (500, "Invalid API token", Reason.SERVICE_FAULT),
            (504, "no", Reason.TIMEOUT_READ),
        ],
    )
    def test_refusals_of_the_prediction_server(
        self, bench: ConnectorBench, double: Double, status: int, message: str, reason: Reason
    ) -> None:
        double.fault(path=_SCORING, status=status, body={"message": message}, retry_after=7)
        result = bench.verify()
        assert (result.reason, result.not_proved) == (reason, (SCORED,))

    def test_success_without_a_prediction_proves_nothing(self, bench: ConnectorBench, double: Double) -> None:
        double.fault(path=_SCORING, status=200, body={"data": [{}]})
        assert bench.verify().reason is Reason.AMBIGUOUS

    def test_value_without_a_token_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("kind", "cell", "fits"),
    [
        ("Numeric", 1.5, True),
        ("Numeric", True, False),
        ("Boolean", True, True),
        ("Boolean", 1, False),
        ("Text", "free", True),
        ("Text", 1, False),
        ("Categorical", 3, True),
        ("Categorical", 1.5, False),
        ("Date", "2026-01-31T10:00:00", True),
        ("Date", 20260131, False),
        ("Currency", "$5", True),
        ("Numeric", None, True),
    ],
)
def test_types(kind: str, cell: str | int | float | bool | None, fits: bool) -> None:
    assert (not list(misfits({"f": cell}, [{"name": "f", "featureType": kind}]))) is fits


def test_deployment_without_features_fits_nothing() -> None:
    assert list(misfits({"f": 1}, [])) == ["the deployment shows no features"]


def _endless(answers: dict[str, object]) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        body = answers["account" if "account" in request.path else "features"]
        return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    return answer


def test_list_without_end_is_given_up() -> None:
    page = {"data": [{"name": "f", "featureType": "Text"}], "next": "more"}
    value: SecretValue = secret_value({"api_token": "t"})
    with http_double(_endless({"account": {"email": "a@b.example"}, "features": page})) as url:
        target = PredictionServerSettings(deployment="d1", row={"f": "x"})
        assert _make(url).verify(target, value, deadline=LONG, via=None).reason is Reason.AMBIGUOUS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()

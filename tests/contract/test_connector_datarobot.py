from collections.abc import Iterator

import pytest

from lifecycle.connectors.datarobot import LOGIN, VERSION, DataRobotSettings, DataRobotVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.sandbox_server import Double, running_double

_ADMIN = "admin@sandbox.example"


def _make(url: str, version: str = "2.49") -> DataRobotVerifier:
    return DataRobotVerifier(f"{url}/api/v2", api_version=version, clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """Against the sandbox's double."""

    @pytest.fixture
    def bench(self, double: Double) -> ConnectorBench:
        return ConnectorBench(
            make=_make,
            url=double.url,
            target=DataRobotSettings(user=_ADMIN),
            valid={"api_token": double.bootstrap.datarobot.admin_key},
            invalid=secret_value({"api_token": "wrong-login"}),
            proves=(LOGIN, VERSION),
        )

    def test_key_of_another_user_is_told(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=DataRobotSettings(user="someone@else.example")).reason is Reason.WRONG_TENANT

    @pytest.mark.parametrize("pinned", ["2.50", "3.0", "1.99"])
    def test_other_version_than_pinned(self, bench: ConnectorBench, pinned: str) -> None:
        result = _make(bench.url, pinned).verify(bench.target, bench.valid, deadline=LONG, via=None)
        assert result.reason is Reason.VERSION_NOT_SUPPORTED
        assert result.proved == (LOGIN,)

    def test_newer_minor_version_is_fine(self, bench: ConnectorBench) -> None:
        result = _make(bench.url, "2.40").verify(bench.target, bench.valid, deadline=LONG, via=None)
        assert result.reason is Reason.WORKS

    def test_announced_deprecation_is_told(self, bench: ConnectorBench, double: Double) -> None:
        body = {"major": 2, "minor": 49, "versionString": "2.49.0"}
        double.fault(path="/api/v2/version/", status=200, body=body, headers={"Deprecation": "true"})
        assert bench.verify().reason is Reason.VERSION_NOT_SUPPORTED

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (401, Reason.WRONG_VALUE),
            (403, Reason.NO_PERMISSION),
            (404, Reason.AMBIGUOUS),
            (422, Reason.NOT_CONFIGURED),
            (429, Reason.THROTTLED),
            (500, Reason.SERVICE_FAULT),
            (504, Reason.TIMEOUT_READ),
        ],
    )
    def test_status_in_the_vendors_form(
        self, bench: ConnectorBench, double: Double, status: int, reason: Reason
    ) -> None:
        double.fault(path="/api/v2/account/info/", status=status, body={"message": "no"}, retry_after=7)
        result = bench.verify()
        assert result.reason is reason
        assert result.retry_after is not None

    def test_value_without_a_token_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("datarobot", tmp_path_factory.mktemp("datarobot")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()

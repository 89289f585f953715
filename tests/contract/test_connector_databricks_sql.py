import json
from collections.abc import Iterator

import pytest

from lifecycle.connectors.databricks_sql import LOGIN, WAREHOUSE, DatabricksSqlSettings, DatabricksSqlVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import http_double
from tests.contract.odd_servers import page, raw_server
from tests.fakes import databricks
from tests.fakes.databricks import DatabricksDouble

_TABLE = "main.features.customer"
_PERSONAL = secret_value({"token": databricks.PERSONAL_TOKEN})
_PRINCIPAL = secret_value({"client_id": databricks.CLIENT_ID, "client_secret": databricks.CLIENT_SECRET})


def _make(url: str) -> DatabricksSqlVerifier:
    return DatabricksSqlVerifier(url, clock=lambda: NOW)


def _target(**settings: object) -> DatabricksSqlSettings:
    fixed = {"url": "https://adb-1.2.azuredatabricks.net", "warehouse": databricks.WAREHOUSE}
    return DatabricksSqlSettings.model_validate(fixed | settings)


@pytest.fixture
def workspace() -> DatabricksDouble:
    return DatabricksDouble()


@pytest.fixture
def url(workspace: DatabricksDouble) -> Iterator[str]:
    with http_double(workspace) as address:
        yield address


class TestPersonalToken(ConnectorContract):
    """A personal token, against a double of the workspace."""

    @pytest.fixture
    def bench(self, url: str) -> ConnectorBench:
        return ConnectorBench(
            make=_make,
            url=url,
            target=_target(can_select=[_TABLE], principal="svc@acme.example"),
            valid=_PERSONAL,
            invalid=secret_value({"token": "wrong-token"}),
            proves=(LOGIN, WAREHOUSE, f"select {_TABLE}"),
        )

    def test_no_row_is_read_and_nothing_outlives_the_wait(
        self, bench: ConnectorBench, workspace: DatabricksDouble
    ) -> None:
        bench.verify()
        assert [item["statement"] for item in workspace.statements] == ["SELECT 1", f"SELECT 1 FROM {_TABLE} LIMIT 0"]
        assert {item["on_wait_timeout"] for item in workspace.statements} == {"CANCEL"}

    def test_without_warehouse_the_login_alone(self, bench: ConnectorBench, workspace: DatabricksDouble) -> None:
        assert bench.verify(target=_target(warehouse="")).proved == (LOGIN,)
        assert workspace.statements == []

    @pytest.mark.parametrize(
        ("warehouse", "reason"),
        [
            (databricks.DENIED_WAREHOUSE, Reason.NO_PERMISSION),
            (databricks.STOPPED_WAREHOUSE, Reason.TIMEOUT_TOTAL),
            ("wh-absent", Reason.NOT_CONFIGURED),
        ],
    )
    def test_warehouse_that_cannot_be_used(self, bench: ConnectorBench, warehouse: str, reason: Reason) -> None:
        result = bench.verify(target=_target(warehouse=warehouse))
        assert (result.reason, result.proved) == (reason, (LOGIN,))

    @pytest.mark.parametrize(
        ("table", "reason"),
        [("main.hr.salary", Reason.NO_PERMISSION), ("main.hr.absent", Reason.NOT_CONFIGURED)],
    )
    def test_table_that_cannot_be_read_is_named(self, bench: ConnectorBench, table: str, reason: Reason) -> None:
        result = bench.verify(target=_target(can_select=[table, _TABLE]))
        assert (result.reason, result.not_proved) == (reason, (f"select {table}",))

    def test_name_that_is_no_table_is_never_sent(self, bench: ConnectorBench, workspace: DatabricksDouble) -> None:
        result = bench.verify(target=_target(can_select=["a; DROP TABLE b"]))
        assert result.reason is Reason.NOT_CONFIGURED
        assert workspace.statements == []

    def test_another_principal_is_told(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=_target(principal="other@acme.example")).reason is Reason.WRONG_TENANT

    def test_tables_need_a_warehouse(self, bench: ConnectorBench) -> None:
        target = _target(warehouse="", can_select=[_TABLE])
        assert bench.verify(target=target).reason is Reason.NOT_CONFIGURED

    def test_value_of_another_kind_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"api_token": "x"})).reason is Reason.NOT_CONFIGURED


class TestServicePrincipal(ConnectorContract):
    """An OAuth service principal, against a double of the workspace."""

    @pytest.fixture
    def bench(self, url: str) -> ConnectorBench:
        return ConnectorBench(
            make=_make,
            url=url,
            target=_target(principal=databricks.CLIENT_ID),
            valid=_PRINCIPAL,
            invalid=secret_value({"client_id": databricks.CLIENT_ID, "client_secret": "dose-wrong"}),
            proves=(LOGIN, WAREHOUSE),
        )

    def test_access_token_that_died_is_fetched_once_more(
        self, bench: ConnectorBench, workspace: DatabricksDouble
    ) -> None:
        workspace.refuse_issued = 1
        assert bench.verify().reason is Reason.WORKS
        assert len(workspace.issued) == 2

    def test_refused_fresh_tokens_do_not_judge_the_secret(
        self, bench: ConnectorBench, workspace: DatabricksDouble
    ) -> None:
        workspace.refuse_issued = 2
        assert bench.verify().reason is Reason.AMBIGUOUS
        assert len(workspace.issued) == 2


@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        ("403 Forbidden", 403, "Invalid access token.", Reason.WRONG_VALUE),
        ("401 Unauthorized", 401, "Credential was not sent or was of an unsupported type", Reason.NOT_CONFIGURED),
        ("403 Forbidden", "PERMISSION_DENIED", "no", Reason.NO_PERMISSION),
        ("403 Forbidden", "INSUFFICIENT_PERMISSIONS", "no", Reason.NO_PERMISSION),
        ("403 Forbidden", 403, "Source IP 1.2.3.4 is blocked by Databricks IP ACL", Reason.NETWORK_POLICY),
        ("403 Forbidden", "PERMISSION_DENIED", "IP is blocked by Databricks IP ACL", Reason.NETWORK_POLICY),
        ("404 Not Found", "RESOURCE_DOES_NOT_EXIST", "absent", Reason.NOT_CONFIGURED),
        ("400 Bad Request", "INVALID_PARAMETER_VALUE", "endpoint does not exist", Reason.NOT_CONFIGURED),
        ("429 Too Many Requests", "REQUEST_LIMIT_EXCEEDED", "slow", Reason.THROTTLED),
        ("429 Too Many Requests", "RESOURCE_EXHAUSTED", "slow", Reason.THROTTLED),
        ("400 Bad Request", "TEMPORARILY_UNAVAILABLE", "later", Reason.SERVICE_FAULT),
        ("400 Bad Request", "BAD_REQUEST", "no worker environment", Reason.SERVICE_FAULT),
        ("500 Internal Server Error", 403, "Invalid access token.", Reason.SERVICE_FAULT),
        ("403 Forbidden", "SOMETHING_NEW", "no", Reason.AMBIGUOUS),
    ],
)
def test_codes(status: str, code: object, message: str, reason: Reason) -> None:
    body = json.dumps({"error_code": code, "message": message})
    with raw_server(page(status, body, "application/json")) as url:
        result = _make(url).verify(_target(), _PERSONAL, deadline=LONG, via=None)
    assert result.reason is reason
    assert "1.2.3.4" not in result.detail


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        ("401 Unauthorized", "invalid_client", Reason.WRONG_VALUE),
        ("400 Bad Request", "unauthorized_client", Reason.NO_PERMISSION),
        ("400 Bad Request", "invalid_scope", Reason.NO_PERMISSION),
        ("400 Bad Request", "invalid_request", Reason.NOT_CONFIGURED),
        ("400 Bad Request", "temporarily_unavailable", Reason.SERVICE_FAULT),
        ("429 Too Many Requests", "invalid_client", Reason.THROTTLED),
        ("500 Internal Server Error", "invalid_client", Reason.SERVICE_FAULT),
    ],
)
def test_codes_of_the_token_endpoint(status: str, error: str, reason: Reason) -> None:
    with raw_server(page(status, json.dumps({"error": error}), "application/json")) as url:
        result = _make(url).verify(_target(), _PRINCIPAL, deadline=LONG, via=None)
    assert result.reason is reason
    assert (result.status is VerificationStatus.INVALID) is (reason is Reason.WRONG_VALUE)

"""A metric of a Python process becomes an alert that arrives."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import prometheus_client
import pytest

from tests.servers.prometheus import Alertmanager, Prometheus, amtool, promtool

_RULE = """
groups:
  - name: tests
    rules:
      - alert: CredentialLapses
        expr: lifecycle_test_days_left < 7
        labels: {severity: page}
"""


def eventually(holds: Callable[[], object]) -> None:
    """Wait for what Prometheus does in its own rhythm, a second per step here."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come about within a minute"
        time.sleep(0.1)


def test_metric_becomes_an_alert_in_the_alertmanager(
    prometheus_server: Callable[..., Prometheus], alertmanager: Callable[..., Alertmanager], tmp_path: Path
) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Gauge("lifecycle_test_days_left", "Days", registry=registry).set(3)
    metrics, thread = prometheus_client.start_http_server(0, addr="127.0.0.1", registry=registry)
    rules = tmp_path / "rules.yml"
    rules.write_text(_RULE)
    alerts = alertmanager()
    server = prometheus_server(alertmanager=alerts.url)
    server.configure(scrape=[f"127.0.0.1:{metrics.server_port}"], rules=[rules])
    eventually(alerts.alerts)
    assert alerts.alerts()[0]["labels"]["alertname"] == "CredentialLapses"
    assert server.query("lifecycle_test_days_left")[0]["value"][1] == "3"
    metrics.shutdown()
    thread.join()


def test_prometheus_refuses_a_rule_that_does_not_parse(
    prometheus_server: Callable[..., Prometheus], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(_RULE.replace("<", "< <"))
    server = prometheus_server()
    with pytest.raises(httpx.HTTPStatusError):
        server.configure(rules=[rules])


@pytest.mark.parametrize(("text", "status"), [(_RULE, 0), (_RULE.replace("<", "< <"), 1)])
def test_promtool_checks_rules_without_a_server(tmp_path: Path, text: str, status: int) -> None:
    (tmp_path / "rules.yml").write_text(text)
    argv = [str(promtool()), "check", "rules", str(tmp_path / "rules.yml")]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == status


@pytest.mark.parametrize(("receiver", "status"), [("nobody", 0), ("somebody", 1)])
def test_amtool_checks_that_the_receivers_of_routes_exist(tmp_path: Path, receiver: str, status: int) -> None:
    (tmp_path / "am.yml").write_text(f"route: {{receiver: {receiver}}}\nreceivers: [{{name: nobody}}]\n")
    argv = [str(amtool()), "check-config", str(tmp_path / "am.yml")]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == status

"""Debian's Prometheus and Alertmanager, with promtool and amtool, which check files without a server."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_http_server, start_process
from tests.servers.provisioned import installed_package


def promtool() -> Path:
    """Checks rules, their tests, and metrics."""
    return installed_package("promtool")


def amtool() -> Path:
    """Checks Alertmanager configurations."""
    return installed_package("amtool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        url: Base URL.
        folder: Holds its configuration and log.
        alertmanager: Base URL of where it sends alerts; empty for nowhere.
    """

    url: str
    folder: Path
    alertmanager: str = ""

    def configure(self, *, scrape: Sequence[str] = (), rules: Sequence[Path] = ()) -> None:
        """Replace its configuration and have it read; a bad one raises `httpx.HTTPStatusError`.

        Args:
            scrape: `host:port` of servers with /metrics.
            rules: Files with rules.
        """
        (self.folder / "prometheus.yml").write_text(_configuration(scrape, rules, self.alertmanager))
        with httpx.Client(trust_env=False) as client:
            client.post(f"{self.url}/-/reload").raise_for_status()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now, and return its vector."""
        data = _get(f"{self.url}/api/v1/query", query=expression)["data"]
        result: list[dict[str, Any]] = data["result"]
        return result

    def alerts(self) -> list[dict[str, Any]]:
        """Its pending and firing alerts."""
        alerts: list[dict[str, Any]] = _get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """A running Alertmanager.

    Attributes:
        url: Base URL.
    """

    url: str

    def alerts(self) -> list[dict[str, Any]]:
        """What it was sent and has not resolved."""
        alerts: list[dict[str, Any]] = _get(f"{self.url}/api/v2/alerts")
        return alerts


def _get(url: str, **query: str) -> Any:
    with httpx.Client(trust_env=False) as client:
        return client.get(url, params=query).raise_for_status().json()


def _configuration(scrape: Sequence[str], rules: Sequence[Path], alertmanager: str) -> str:
    # A second each: the tests wait for what production does every minute.
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(file) for file in rules],
        "scrape_configs": [{"job_name": "tests", "static_configs": [{"targets": list(scrape)}]}],
    }
    if alertmanager:
        target = alertmanager.removeprefix("http://")
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}
    return yaml.safe_dump(configuration)


@dataclass(slots=True, kw_only=True)
class _Started:
    processes: list[ServerProcess] = field(default_factory=list)

    def prometheus(self, folder: Path, alertmanager: str) -> Prometheus:
        (folder / "prometheus.yml").write_text(_configuration((), (), alertmanager))

        def start(port: int) -> ServerProcess:
            flags = [
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
            ]
            argv: list[str | Path] = [installed_package("prometheus"), *flags]
            return start_process(argv, log=folder / "prometheus.log", env=minimal_environment(folder))

        process, port = start_http_server(start, health="/-/ready")
        self.processes.append(process)
        return Prometheus(url=f"http://127.0.0.1:{port}", folder=folder, alertmanager=alertmanager)

    def alertmanager(self, folder: Path, configuration: str) -> Alertmanager:
        (folder / "alertmanager.yml").write_text(configuration)

        def start(port: int) -> ServerProcess:
            flags = [
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",  # Else it opens a second port, for peers.
            ]
            argv: list[str | Path] = [installed_package("prometheus-alertmanager"), *flags]
            return start_process(argv, log=folder / "alertmanager.log", env=minimal_environment(folder))

        process, port = start_http_server(start, health="/-/ready")
        self.processes.append(process)
        return Alertmanager(url=f"http://127.0.0.1:{port}")


_NO_RECEIVER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Callable[..., Alertmanager]]:
    """A function that starts an Alertmanager: `alertmanager(configuration=TEXT)`; by default it notifies nobody."""
    started = _Started()

    def start(*, configuration: str = _NO_RECEIVER) -> Alertmanager:
        folder = tmp_path / f"alertmanager-{len(started.processes)}"
        folder.mkdir()
        return started.alertmanager(folder, configuration)

    yield start
    for process in started.processes:
        process.stop()


@pytest.fixture
def prometheus_server(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """A function that starts a Prometheus: `prometheus_server(alertmanager=URL)`; `configure` it afterwards."""
    started = _Started()

    def start(*, alertmanager: str = "") -> Prometheus:
        folder = tmp_path / f"prometheus-{len(started.processes)}"
        folder.mkdir()
        return started.prometheus(folder, alertmanager)

    yield start
    for process in started.processes:
        process.stop()

"""Prometheus and Alertmanager with a login, each in its real server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from lifecycle.connectors.alertmanager import PUSH, STATUS, AlertmanagerSettings, AlertmanagerVerifier
from lifecycle.connectors.prometheus import QUERY, WRITE, PrometheusSettings, PrometheusVerifier
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, start_on_free_port, start_process, wait_for_tcp, wait_until
from tests.servers.provisioned import installed_package

_LOGIN = {"username": "pusher", "password": "right-password"}
# bcrypt of the password, with the least rounds, as exporter-toolkit wants it.
_BCRYPT = "$2b$04$lifecyclelifecyclelifexhRpfPWVwjNEVIb1.CvokWb2lixnooq"
_RECEIVER = "--web.enable-remote-write-receiver"


def _web_file(folder: Path) -> Path:
    file = folder / "web.yml"
    file.write_text(yaml.safe_dump({"basic_auth_users": {_LOGIN["username"]: _BCRYPT}}))
    return file


def _started(name: str, folder: Path, *flags: str) -> Iterator[str]:
    web = _web_file(folder)

    def start(port: int) -> ServerProcess:
        argv: list[str | Path] = [
            installed_package(name),
            *flags,
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.config.file={web}",
        ]
        return start_process(argv, log=folder / f"{name}.log", env=minimal_environment(folder))

    def wait(process: ServerProcess, port: int) -> None:
        wait_for_tcp(port, process=process, what=name)
        login, url = (_LOGIN["username"], _LOGIN["password"]), f"http://127.0.0.1:{port}/-/ready"
        with httpx.Client(trust_env=False, auth=login) as client:  # it listens before it serves
            wait_until(lambda: client.get(url).status_code == httpx.codes.OK, process=process, what=name)

    process, port = start_on_free_port(start, wait)
    yield f"http://127.0.0.1:{port}"
    process.stop()


def _prometheus(folder: Path, *flags: str) -> Iterator[str]:
    (folder / "prometheus.yml").write_text("{}")
    data = f"--storage.tsdb.path={folder}/data"
    yield from _started("prometheus", folder, f"--config.file={folder}/prometheus.yml", data, *flags)


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _prometheus(tmp_path_factory.mktemp("prometheus"), _RECEIVER)


@pytest.fixture(scope="module")
def alertmanager_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    flags = (f"--config.file={folder}/am.yml", f"--storage.path={folder}/data", "--cluster.listen-address=")
    yield from _started("prometheus-alertmanager", folder, *flags)


def _valid() -> SecretValue:
    return secret_value(_LOGIN)


def _invalid() -> SecretValue:
    return secret_value({**_LOGIN, "password": "wrong-password"})


class TestPrometheus(ConnectorContract):
    """Against Debian's Prometheus with a login."""

    @pytest.fixture
    def bench(self, prometheus_url: str) -> ConnectorBench:
        return ConnectorBench(
            make=lambda url: PrometheusVerifier(url, clock=lambda: NOW),
            url=prometheus_url,
            target=PrometheusSettings(url=prometheus_url, remote_write=True),
            valid=_valid(),
            invalid=_invalid(),
            proves=(QUERY, WRITE),
        )

    def test_a_remote_write_of_nothing_leaves_nothing(self, bench: ConnectorBench) -> None:
        bench.verify()
        with httpx.Client(trust_env=False, auth=(_LOGIN["username"], _LOGIN["password"])) as client:
            found = client.get(f"{bench.url}/api/v1/label/__name__/values").json()
        assert found["data"] == []

    def test_without_a_login_it_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({}).reason is Reason.NOT_CONFIGURED

    def test_a_token_is_sent_as_bearer(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "nobody-knows-it"})).reason is Reason.WRONG_VALUE

    def test_receiver_that_is_switched_off_is_told(self, bench: ConnectorBench, tmp_path: Path) -> None:
        for url in _prometheus(tmp_path):
            result = bench.verify(url=url)
            assert (result.reason, result.proved) == (Reason.NOT_CONFIGURED, (QUERY,))


class TestAlertmanager(ConnectorContract):
    """Against Debian's Alertmanager with a login."""

    @pytest.fixture
    def bench(self, alertmanager_url: str) -> ConnectorBench:
        return ConnectorBench(
            make=lambda url: AlertmanagerVerifier(url, clock=lambda: NOW),
            url=alertmanager_url,
            target=AlertmanagerSettings(url=alertmanager_url),
            valid=_valid(),
            invalid=_invalid(),
            proves=(STATUS, PUSH),
        )

    def test_no_alert_is_left_behind(self, bench: ConnectorBench) -> None:
        bench.verify()
        with httpx.Client(trust_env=False, auth=(_LOGIN["username"], _LOGIN["password"])) as client:
            assert client.get(f"{bench.url}/api/v2/alerts").json() == []

    def test_without_push_only_the_status_is_read(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=AlertmanagerSettings(url=bench.url, push=False)).proved == (STATUS,)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page("401 Unauthorized", extra="WWW-Authenticate: Basic\r\n"), Reason.WRONG_VALUE),
        (page("401 Unauthorized"), Reason.AMBIGUOUS),
        (page("403 Forbidden"), Reason.NO_PERMISSION),
        (page("404 Not Found"), Reason.NOT_CONFIGURED),
    ],
)
def test_codes(answer: bytes, reason: Reason) -> None:
    with raw_server(answer) as url:
        bench = ConnectorBench(
            make=lambda base: PrometheusVerifier(base, clock=lambda: NOW),
            url=url,
            target=PrometheusSettings(url=url),
            valid=_valid(),
            invalid={},
            proves=(),
        )
        assert bench.verify().reason is reason

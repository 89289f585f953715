"""The doubles as plain WSGI applications: no socket, a clock that the test moves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from lifecycle.sandbox import datarobot_api, oauth_server
from lifecycle.sandbox.bootstrap_file import SandboxBootstrap, create_bootstrap
from lifecycle.sandbox.oauth_tokens import TokenTimes
from lifecycle.sandbox.server_process import ServerContext

NOW = 1_790_000_000.0


@dataclass(slots=True)
class MovingClock:
    """A clock that stands until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True, kw_only=True)
class Double:
    """A double with its bootstrap values."""

    client: Client
    bootstrap: SandboxBootstrap
    data_dir: Path

    def control(self, method: str, path: str, document: Any = None) -> TestResponse:
        headers = {"X-Control-Token": self.bootstrap.control_token.get_secret_value()}
        return self.client.open(f"/__control__/{path}", method=method, json=document, headers=headers)


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def context(tmp_path: Path) -> Callable[[str], ServerContext]:
    bootstrap = create_bootstrap(tmp_path, "instance-1")

    def make(name: str) -> ServerContext:
        data = tmp_path / name
        data.mkdir(exist_ok=True)
        return ServerContext(name=name, url="http://127.0.0.1:1", data_dir=data, bootstrap=bootstrap)

    return make


@pytest.fixture
def start_oauth(context: Callable[[str], ServerContext], clock: MovingClock) -> Callable[..., Double]:
    def start(**times: float) -> Double:
        made = context("oauth")
        app = oauth_server.build(made, clock=clock, overlap_seconds=100, times=TokenTimes(**times))
        return Double(client=Client(app), bootstrap=made.bootstrap, data_dir=made.data_dir)

    return start


@pytest.fixture
def start_datarobot(context: Callable[[str], ServerContext], clock: MovingClock) -> Callable[[], Double]:
    def start() -> Double:
        made = context("datarobot")
        return Double(
            client=Client(datarobot_api.build(made, clock=clock)), bootstrap=made.bootstrap, data_dir=made.data_dir
        )

    return start

"""What every test shares: the fixtures of real servers, the markers, the network guard of unit tests."""

from pathlib import Path

import pytest
import pytest_socket

pytest.register_assert_rewrite("tests.servers")  # Some of the modules below import each other.

pytest_plugins = [
    "tests.servers.azurite",
    "tests.servers.chromium",
    "tests.servers.dns",
    "tests.servers.entra",
    "tests.servers.envoy",
    "tests.servers.feast_server",
    "tests.servers.glewlwyd",
    "tests.servers.https_target",
    "tests.servers.kafka",
    "tests.servers.moto",
    "tests.servers.oidc",
    "tests.servers.openbao",
    "tests.servers.postgres",
    "tests.servers.prometheus",
    "tests.servers.rabbitmq",
    "tests.servers.snowflake_gate",
    "tests.servers.squid",
    "tests.servers.terraform",
    "tests.servers.tinyproxy",
    "tests.servers.versitygw",
]

_TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "integration: needs a real server or binary of tests/servers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of tests/integration, so that no file there can forget to."""
    for item in items:
        if (_TESTS / "integration") in item.path.parents:
            item.add_marker(pytest.mark.integration)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Take the network from unit tests; Unix sockets stay, as event loops need them."""
    if (_TESTS / "unit") in item.path.parents:
        pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Give it back, whatever the test did."""
    if (_TESTS / "unit") in item.path.parents:
        pytest_socket.enable_socket()

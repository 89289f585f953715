"""RabbitMQ with its management API, one node per test worker: the slowest server here, about five seconds."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.servers.certificates import write_server_certificate
from tests.servers.environment import minimal_environment
from tests.servers.process import ServerProcess, free_port, start_http_server, start_process
from tests.servers.provisioned import installed_package

# Not the one on PATH: Debian's wrapper changes the user and reads the machine's own configuration.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_ADMIN = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMqUser:
    """A user of the broker."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMq:
    """The running broker.

    Attributes:
        port: Of AMQP 0-9-1 on 127.0.0.1, without TLS.
        tls_port: The same with TLS.
        ca_file: What verifies its certificate.
        management: Base URL of the management API.
        admin: A user who may do everything.
    """

    port: int
    tls_port: int
    ca_file: Path
    management: str
    admin: RabbitMqUser

    def call(self, method: str, path: str, *, user: RabbitMqUser | None = None, **body: Any) -> httpx.Response:
        """Call the management API as `user`, else as `admin`, and return the answer whatever its status.

        Args:
            method: Of http.
            path: Below `/api`, with names percent-encoded.
            user: Who calls.
            body: Members of the JSON body.
        """
        user = user or self.admin
        with httpx.Client(auth=(user.name, user.password), trust_env=False, timeout=30) as client:
            return client.request(method, f"{self.management}/api{path}", json=body)

    def fresh_user(self) -> RabbitMqUser:
        """Make a user that nobody else uses, with every permission on the virtual host `/`."""
        user = RabbitMqUser(name=f"user-{uuid4()}", password=secrets.token_urlsafe())
        self.set_password(user)
        permissions = f"/permissions/%2F/{quote(user.name)}"
        self.call("PUT", permissions, configure=".*", write=".*", read=".*").raise_for_status()
        return user

    def set_password(self, user: RabbitMqUser) -> None:
        """Make `user`, or give it the password that it carries."""
        self.call("PUT", f"/users/{quote(user.name)}", password=user.password, tags="management").raise_for_status()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """The broker of this worker; tests take users by `fresh_user` and queues with fresh names."""
    folder = tmp_path_factory.mktemp("rabbitmq")
    certificate = write_server_certificate(folder)
    admin = RabbitMqUser(name=_ADMIN, password=secrets.token_urlsafe())
    # Else the node starts a name daemon on a well-known port, which outlives it.
    names_port = free_port()
    ports: dict[str, int] = {}
    epmd = start_process(
        [installed_package("epmd"), "-port", str(names_port), "-address", "127.0.0.1"],
        log=folder / "epmd.log",
        env=minimal_environment(folder),
    )

    def start(management_port: int) -> ServerProcess:
        ports.update(amqp=free_port(), amqps=free_port())
        _write_configuration(folder, management_port, ports, admin)
        env = _environment(folder, f"tests{management_port}@localhost", names_port)
        return start_process([_SERVER], log=folder / "rabbitmq.log", env=env)

    process, port = start_http_server(start, health="/")
    yield RabbitMq(
        port=ports["amqp"],
        tls_port=ports["amqps"],
        ca_file=certificate.ca_file,
        management=f"http://127.0.0.1:{port}",
        admin=admin,
    )
    process.kill()  # Its data die with the test run, and it takes three seconds to end in peace.
    epmd.stop()


def _write_configuration(folder: Path, management_port: int, ports: dict[str, int], admin: RabbitMqUser) -> None:
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    configuration = folder / "rabbitmq.conf"
    configuration.touch(mode=0o600)
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{ports['amqp']}",
        "listeners.ssl.1": f"127.0.0.1:{ports['amqps']}",
        "ssl_options.cacertfile": folder / "ca.pem",
        "ssl_options.certfile": folder / "server.crt",
        "ssl_options.keyfile": folder / "server.key",
        "management.tcp.ip": "127.0.0.1",
        "management.tcp.port": management_port,
        "default_user": admin.name,
        "default_pass": admin.password,
        "log.console": "true",
        "log.file": "false",
    }
    configuration.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))


def _environment(folder: Path, node: str, names_port: int) -> dict[str, str]:
    return minimal_environment(
        folder,
        RABBITMQ_NODENAME=node,
        RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
        RABBITMQ_CONF_ENV_FILE="/dev/null",
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
        RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
        RABBITMQ_LOG_BASE=str(folder / "log"),
        RABBITMQ_PID_FILE=str(folder / "pid"),
        RABBITMQ_DIST_PORT=str(free_port()),
        # One scheduler, which does not spin: the other core belongs to the other worker.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        # The script then becomes the server, instead of waiting for it, and the server dies with the worker.
        RUNNING_UNDER_SYSTEMD="true",
        ERL_EPMD_PORT=str(names_port),
        ERL_EPMD_ADDRESS="127.0.0.1",
    )

"""moto: an emulator of AWS, one per test worker. For correctness, never for load."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import boto3
import httpx
import pytest

from tests.servers.environment import AWS_TEST_REGION, aws_environment, minimal_environment
from tests.servers.process import ServerProcess, start_http_server, start_process

_ADMINISTRATOR = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKey:
    """An access key of a user in an emulator."""

    access_key_id: str
    secret_access_key: str

    def session(self) -> boto3.Session:
        """A boto3 session with this key; pass `endpoint_url` to its clients."""
        return boto3.Session(self.access_key_id, self.secret_access_key, region_name=AWS_TEST_REGION)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotoServer:
    """The running emulator.

    Attributes:
        endpoint: Base URL, without a trailing slash.
    """

    endpoint: str

    def reset(self) -> None:
        """Forget everything, and accept any key again."""
        self._control("reset")
        self._control("reset-auth", content="inf")
        # Without Docker a rotation Lambda is accepted but runs no code.
        self._control("config", content='{"lambda": {"use_docker": false}}')

    def enforce_auth(self) -> AwsKey:
        """Refuse unknown keys and wrong signatures from now on.

        Returns:
            The key of a new administrator: nothing else gets in any more.
        """
        name = f"administrator-{uuid4()}"
        iam = self.any_key().session().client("iam", endpoint_url=self.endpoint)
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=_ADMINISTRATOR)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self._control("reset-auth", content="0")
        return AwsKey(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])

    @staticmethod
    def any_key() -> AwsKey:
        """The key that every moto accepts while authentication is not enforced."""
        return AwsKey(access_key_id="testing", secret_access_key="testing")

    def environment(self, key: AwsKey | None = None) -> dict[str, str]:
        """The AWS_* variables that lead a child process here, with `key` or `any_key()`."""
        key = key or self.any_key()
        return aws_environment(self.endpoint, access_key_id=key.access_key_id, secret_access_key=key.secret_access_key)

    def _control(self, action: str, content: str = "") -> None:
        # A form-encoded body makes reset-auth answer 500, so the type is set by hand.
        headers = {"Content-Type": "application/json"}
        with httpx.Client(trust_env=False) as client:
            answer = client.post(f"{self.endpoint}/moto-api/{action}", content=content, headers=headers)
        answer.raise_for_status()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    """The emulator of this worker; tests isolate themselves by fresh names, or use `fresh_moto`."""
    folder = tmp_path_factory.mktemp("moto")

    def start(port: int) -> ServerProcess:
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        env = minimal_environment(folder, **aws_environment(f"http://127.0.0.1:{port}"))
        return start_process(argv, log=folder / "moto.log", env=env)

    process, port = start_http_server(start, health="/moto-api/")
    server = MotoServer(endpoint=f"http://127.0.0.1:{port}")
    server.reset()
    yield server
    process.stop()


@pytest.fixture
def fresh_moto(moto_server: MotoServer) -> Iterator[MotoServer]:
    """The same emulator, emptied before and after this test; for tests that enforce authentication."""
    moto_server.reset()
    yield moto_server
    moto_server.reset()

"""versitygw: a real S3, IAM and STS server, where moto is laxer than AWS (deactivated keys)."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.moto import AwsKey
from tests.servers.process import ServerProcess, start_http_server, start_process
from tests.servers.provisioned import provisioned


@dataclass(frozen=True, slots=True, kw_only=True)
class VersityGateway:
    """The two servers of one gateway.

    Attributes:
        iam_endpoint: For the boto3 clients `iam` and `sts`.
        s3_endpoint: For the boto3 client `s3`.
        root: The key of the root account.
    """

    iam_endpoint: str
    s3_endpoint: str
    root: AwsKey


@pytest.fixture(scope="session")
def versitygw() -> Iterator[VersityGateway]:
    """The gateway of this worker; tests create users and buckets with fresh names."""
    # Not pytest's folder: the path of a Unix socket may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="versitygw-"))
    (folder / "iam").mkdir()
    (folder / "data").mkdir()
    root = AwsKey(access_key_id="ROOTEXAMPLE", secret_access_key=secrets.token_hex(20))
    iam, iam_port = start_http_server(lambda port: _start_iam(folder, root, port), health="/health")
    s3, s3_port = start_http_server(lambda port: _start_s3(folder, root, port), health="/health")
    yield VersityGateway(
        iam_endpoint=f"http://127.0.0.1:{iam_port}", s3_endpoint=f"http://127.0.0.1:{s3_port}", root=root
    )
    s3.stop()
    iam.stop()
    shutil.rmtree(folder)


def _start_iam(folder: Path, root: AwsKey, port: int) -> ServerProcess:
    (folder / "iam.sock").unlink(missing_ok=True)
    command = ["iam", "--dir", str(folder / "iam"), "--private-ports", str(folder / "iam.sock")]
    return _start(folder, root, port, "iam", [*command])


def _start_s3(folder: Path, root: AwsKey, port: int) -> ServerProcess:
    iam = ["--iam-dir", str(folder / "iam"), "--iam-standalone-endpoint", str(folder / "iam.sock")]
    # The sidecar keeps metadata in files: not every file system of a CI runner has extended attributes.
    (folder / "sidecar").mkdir(exist_ok=True)
    posix = ["posix", "--sidecar", str(folder / "sidecar"), str(folder / "data")]
    return _start(folder, root, port, "s3", [*iam, "--quiet", *posix])


def _start(folder: Path, root: AwsKey, port: int, name: str, arguments: list[str]) -> ServerProcess:
    # Global flags stand before the subcommand; the root key stays out of argv.
    flags = ["--port", f"127.0.0.1:{port}", "--health", "/health"]
    env = minimal_environment(
        folder, ROOT_ACCESS_KEY_ID=root.access_key_id, ROOT_SECRET_ACCESS_KEY=root.secret_access_key
    )
    return start_process([provisioned("versitygw"), *flags, *arguments], log=folder / f"{name}.log", env=env)

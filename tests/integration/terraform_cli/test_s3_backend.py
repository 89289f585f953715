"""State and lock in S3: two runs at once, locks left by dead runs, a missing bucket, refused credentials."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from lifecycle.domain.errors import AuthenticationError, UnreachableError
from lifecycle.terraform_cli.events import Event, Message
from lifecycle.terraform_cli.failures import StateLockedError
from lifecycle.terraform_cli.lock_holders import stored_lock
from lifecycle.terraform_cli.run_records import RunRecords, start_time
from lifecycle.terraform_cli.runner import TerraformCli
from tests.integration.terraform_cli.roots import cli, data, when, write_root
from tests.servers.moto import MotoServer

_KEY = "test.tfstate"


class Place:
    """A root with its state in a bucket of the emulator."""

    def __init__(self, folder: Path, binary: Path, environment: dict[str, str], moto: MotoServer, s3: Any) -> None:
        self.folder = folder / "root"
        self.runs = folder / "runs"
        self.binary = binary
        self.environment = environment
        self.bucket = f"state-{uuid4().hex}"
        self.s3 = s3
        self.moto = moto
        s3.create_bucket(Bucket=self.bucket)

    def write(self, run: str = "", *, bucket: str = "") -> None:
        backend = {
            "bucket": bucket or self.bucket,
            "key": _KEY,
            "region": "us-east-1",
            "use_lockfile": True,
            "use_path_style": True,
            "skip_requesting_account_id": True,
        }
        write_root(self.folder, data("a", run=run, terraform={"backend": {"s3": backend}}))

    def fetch_lock(self) -> bytes | None:
        try:
            content: bytes = self.s3.get_object(Bucket=self.bucket, Key=f"{_KEY}.tflock")["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return content

    def cli(self, **more: Any) -> TerraformCli:
        return cli(self.folder, self.binary, self.environment, lock_holder=stored_lock(self.fetch_lock), **more)

    def killed_run(self) -> int:
        """Let a run in another process be killed, with Terraform, while it holds the lock; returns Terraform's pid."""
        begun = self.folder.parent / "begun"
        self.write(f"touch {begun}; sleep 60")
        program = textwrap.dedent(
            f"""
            import boto3
            from pathlib import Path
            from lifecycle.terraform_cli.lock_holders import stored_lock
            from tests.integration.terraform_cli.roots import cli
            s3 = boto3.client("s3", endpoint_url={self.moto.endpoint!r})
            def fetch():
                return s3.get_object(Bucket={self.bucket!r}, Key="{_KEY}.tflock")["Body"].read()
            root = Path({str(self.folder)!r})
            terraform = cli(root, Path({str(self.binary)!r}), {self.environment!r}, lock_holder=stored_lock(fetch))
            terraform.init()
            terraform.plan(root / "p")
            terraform.apply(root / "p")
            """
        )
        environment = {**self.environment, **self.moto.environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen([sys.executable, "-c", program], env=environment)
        when(lambda: begun.exists() and any(r.lock_id for r in RunRecords(self.runs).all()), lambda: None).join()
        (record,) = RunRecords(self.runs).all()
        os.killpg(record.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        when(lambda: start_time(record.pid) == 0, lambda: None).join()
        begun.unlink()
        self.write()
        return record.pid


@pytest.fixture(params=["terraform", "tofu"])
def place(
    request: pytest.FixtureRequest, terraform_environment: dict[str, str], moto_server: MotoServer, tmp_path: Path
) -> Place:
    environment = {**terraform_environment, **moto_server.environment()}
    s3 = boto3.client(
        "s3",
        endpoint_url=moto_server.endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    return Place(tmp_path, request.getfixturevalue(f"{request.param}_binary"), environment, moto_server, s3)


def test_of_two_runs_at_once_one_names_the_other(place: Place) -> None:
    gate, begun = place.folder.parent / "gate", place.folder.parent / "begun"
    place.write(f"touch {begun}; until [ -e {gate} ]; do sleep 0.05; done")
    first, second = place.cli(), place.cli()
    first.init()
    first.plan(place.folder / "p")
    refused: list[BaseException] = []

    def try_second() -> None:
        try:
            second.plan(place.folder / "q")
        except StateLockedError as error:
            refused.append(error)
        finally:
            gate.touch()

    other = when(begun.exists, try_second)
    first.apply(place.folder / "p")
    other.join()
    (error,) = refused
    assert isinstance(error, StateLockedError)
    assert error.lock.operation == "OperationTypeApply"
    assert "still at work" in error.message
    assert f"lifecycle unlock {error.lock.id}" in error.remedy
    assert place.fetch_lock() is None


def test_the_lock_of_our_own_killed_run_is_released(place: Place) -> None:
    place.killed_run()
    assert place.fetch_lock() is not None
    events: list[Event] = []
    terraform = place.cli(observer=events.append)
    terraform.init()
    assert terraform.plan(place.folder / "next") is True
    assert terraform.apply(place.folder / "next").addresses
    assert any(isinstance(event, Message) and "Releasing the lock" in event.text for event in events)
    assert place.fetch_lock() is None
    assert RunRecords(place.runs).all() == ()


def _other_host(runs: RunRecords) -> None:
    (record,) = runs.all()
    runs._write(replace(record, host="elsewhere"))


def _other_boot(runs: RunRecords) -> None:
    (record,) = runs.all()
    runs._write(replace(record, boot_id="another boot"))


def _living_process(runs: RunRecords) -> None:
    (record,) = runs.all()
    runs._write(replace(record, pid=os.getpid(), start_time=start_time(os.getpid())))


def _no_record(runs: RunRecords) -> None:
    (record,) = runs.all()
    runs.close(record)


def _lock_never_seen(runs: RunRecords) -> None:
    (record,) = runs.all()
    runs._write(replace(record, lock_id=""))


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (_other_host, "a run on elsewhere"),
        (_other_boot, "has restarted"),
        (_living_process, "still at work"),
        (_no_record, "no run of ours"),
        (_lock_never_seen, "no run of ours"),
    ],
)
def test_a_lock_that_is_not_provably_ours_and_dead_is_reported_and_kept(
    place: Place, alter: Callable[[RunRecords], None], reason: str
) -> None:
    place.killed_run()
    alter(RunRecords(place.runs))
    terraform = place.cli()
    terraform.init()
    with pytest.raises(StateLockedError, match=reason) as locked:
        terraform.plan(place.folder / "next")
    kept = place.fetch_lock()
    assert kept is not None
    assert json.loads(kept)["ID"] == locked.value.lock.id
    terraform.force_unlock(locked.value.lock.id)
    assert terraform.plan(place.folder / "next") is True


def test_a_missing_bucket_is_named_with_its_remedy(place: Place) -> None:
    bucket = f"absent-{uuid4().hex}"
    place.write(bucket=bucket)
    with pytest.raises(UnreachableError, match=bucket) as missing:
        place.cli(state=f"s3://{bucket}/{_KEY}").init()
    assert "lifecycle bootstrap" in missing.value.remedy


def test_an_endpoint_that_is_down_is_unreachable(place: Place) -> None:
    place.write()
    place.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    place.environment["AWS_MAX_ATTEMPTS"] = "1"
    with pytest.raises(UnreachableError):
        place.cli().init()


def test_refused_credentials_are_an_authentication_error(place: Place, fresh_moto: MotoServer) -> None:
    place.write()
    fresh_moto.enforce_auth()
    with pytest.raises(AuthenticationError) as refused:
        place.cli().init()
    assert "Log in" in refused.value.remedy

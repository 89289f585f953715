"""The policy bundle's digest, pinned in an SSM parameter of the account that the pin itself names."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.policy_pin import pinned_digest
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import LifecycleError, PolicyError
from lifecycle.settings import Settings

ROOT = Path(__file__).parents[3]
DIGEST = f"sha256:{'a' * 64}"
ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/lifecycle/pin"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def around(tmp_path: Path, arn: str = ARN) -> Surroundings:
    settings = Settings(env="reference", root=ROOT, policy_pin=f"ssm:{arn}")
    paths = Paths(root=ROOT, env="reference", state_home=tmp_path)
    return Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None)


def keep(value: str) -> None:
    client = boto3.client("ssm", region_name="eu-west-1")
    client.put_parameter(Name="/lifecycle/pin", Value=value, Type="String")


def test_the_parameter_pins(tmp_path: Path) -> None:
    keep(DIGEST)
    assert pinned_digest(around(tmp_path)) == DIGEST


def test_a_parameter_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    keep("latest")
    with pytest.raises(PolicyError, match="holds no digest"):
        pinned_digest(around(tmp_path))


def test_a_parameter_of_another_account_is_not_taken_for_it(tmp_path: Path) -> None:
    keep(DIGEST)
    with pytest.raises(LifecycleError):
        pinned_digest(around(tmp_path, ARN.replace("123456789012", "999999999999")))


def test_a_missing_parameter_is_no_pin(tmp_path: Path) -> None:
    with pytest.raises(LifecycleError, match="reading the pinned policy digest"):
        pinned_digest(around(tmp_path))

"""Terraform and OpenTofu, offline: binaries, provider mirror, CLI configuration, a shared provider."""

import platform
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.moto import MotoServer
from tests.servers.process import start_process, wait_until
from tests.servers.provisioned import installed, provisioned

_REGISTRY = "registry.terraform.io"
_PLACES = (Path.home() / ".terraform.d", Path("/usr/local"), Path("/usr/share"), Path("/opt"))
_DEPTH = 4
_REATTACH = re.compile(r"TF_REATTACH_PROVIDERS='(.+)'")


@pytest.fixture(scope="session")
def terraform_binary() -> Path:
    """The Terraform CLI."""
    return installed("terraform", remedy="Install Terraform 1.11 or newer.")


@pytest.fixture(scope="session")
def tofu_binary() -> Path:
    """The OpenTofu CLI, built from pinned sources."""
    return provisioned("opentofu")


@pytest.fixture(scope="session")
def provider_mirror() -> Path:
    """The filesystem mirror: the folder that holds `registry.terraform.io/hashicorp/aws`."""
    for place in _PLACES:
        for depth in range(_DEPTH):
            for registry in place.glob("*/" * depth + _REGISTRY):
                if (registry / "hashicorp" / "aws").is_dir():
                    return registry.parent
    pytest.fail(
        "No mirror of the AWS provider was found. Run: terraform providers mirror ~/.terraform.d/mirror"
        " in a folder that requires registry.terraform.io/hashicorp/aws 5.100.0"
    )


@pytest.fixture(scope="session")
def terraform_cli_config(tmp_path_factory: pytest.TempPathFactory, provider_mirror: Path) -> Path:
    """A CLI configuration file: providers from the mirror only, no call home."""
    path = tmp_path_factory.mktemp("terraform") / "cli.tfrc"
    path.write_text(
        f"""
disable_checkpoint = true

provider_installation {{
  filesystem_mirror {{
    path    = "{provider_mirror}"
    include = ["{_REGISTRY}/*/*"]
  }}
}}
"""
    )
    return path


@pytest.fixture(scope="session")
def terraform_environment(terraform_cli_config: Path) -> dict[str, str]:
    """The whole environment of a terraform process: offline, without AWS_CA_BUNDLE and TF_LOG.

    Add `moto_server.environment()` for AWS, and `aws_provider_reattach` to save provider starts.
    """
    return minimal_environment(
        terraform_cli_config.parent,
        TF_CLI_CONFIG_FILE=str(terraform_cli_config),
        TF_IN_AUTOMATION="1",
        CHECKPOINT_DISABLE="1",
    )


@pytest.fixture(scope="session")
def aws_provider_reattach(
    tmp_path_factory: pytest.TempPathFactory, provider_mirror: Path, moto_server: MotoServer
) -> Iterator[dict[str, str]]:
    """TF_REATTACH_PROVIDERS for one AWS provider process that every command of this worker shares.

    It reads AWS_* from its own environment, which leads to `moto_server`; what a command's environment
    says about AWS does not reach it. `init` still installs the provider; the others are 2.5 times faster.
    """
    folder = tmp_path_factory.mktemp("aws-provider")
    log = folder / "provider.log"
    # Without AWS_CA_BUNDLE: with it the second Configure in one process fails.
    env = minimal_environment(folder, **moto_server.environment())
    process = start_process([_provider_binary(provider_mirror), "-debug"], log=log, env=env)
    wait_until(lambda: _REATTACH.search(log.read_text()) is not None, process=process, what="AWS provider")
    match = _REATTACH.search(log.read_text())
    assert match is not None
    yield {"TF_REATTACH_PROVIDERS": match[1]}
    process.stop()


def _provider_binary(mirror: Path) -> Path:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = mirror / _REGISTRY / "hashicorp" / "aws"
    found = sorted(folder.glob(f"*/{platform.system().lower()}_{machine}/terraform-provider-aws_*"))
    if not found:
        pytest.fail(f"The provider mirror has no unpacked AWS provider for this platform: {folder}")
    return found[-1]

"""Terraform works against the strict emulator, with state and lock file in the sandbox's bucket."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lifecycle.sandbox.aws_resources import CLUSTER, STATE_BUCKET, VPC_ID
from tests.integration.sandbox.conftest import Sandbox
from tests.servers.environment import aws_environment, minimal_environment

MAIN = f"""
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws", version = "= 5.100.0" }}
  }}
  backend "s3" {{
    bucket                      = "{STATE_BUCKET}"
    key                         = "sandbox.tfstate"
    region                      = "eu-west-1"
    use_lockfile                = true
    use_path_style              = true
    skip_credentials_validation = true
  }}
}}
provider "aws" {{
  region                      = "eu-west-1"
  allowed_account_ids         = ["123456789012"]
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 2
}}
data "aws_vpc" "sandbox" {{
  tags = {{ Name = "lifecycle-sandbox" }}
}}
data "aws_ecs_cluster" "sandbox" {{ cluster_name = "{CLUSTER}" }}
resource "aws_secretsmanager_secret" "shell" {{ name = "sandbox/shell" }}
resource "aws_iam_user" "scoring" {{ name = "scoring" }}
resource "aws_iam_user_policy" "scoring" {{
  user   = aws_iam_user.scoring.name
  policy = jsonencode({{ Version = "2012-10-17", Statement = [
    {{ Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::lifecycle-sandbox-features/*" }}
  ] }})
}}
resource "aws_vpc_security_group_egress_rule" "https" {{
  security_group_id = aws_security_group.egress.id
  cidr_ipv4         = "192.0.2.0/24"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}}
resource "aws_security_group" "egress" {{
  name   = "egress"
  vpc_id = data.aws_vpc.sandbox.id
}}
output "vpc" {{ value = data.aws_vpc.sandbox.id }}
"""


@pytest.fixture
def terraform(
    tmp_path: Path,
    shared: Callable[[Sequence[str]], Sandbox],
    terraform_binary: Path,
    terraform_cli_config: Path,
) -> Callable[..., str]:
    """Runs Terraform with the sandbox's key; returns its output, fails with it."""
    sandbox = shared(["aws"])
    keys = sandbox.bootstrap.aws
    aws = aws_environment(
        sandbox.up("aws").endpoints["aws"],
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key.get_secret_value(),
    )
    env = minimal_environment(tmp_path, TF_CLI_CONFIG_FILE=str(terraform_cli_config), TF_IN_AUTOMATION="1", **aws)
    (tmp_path / "main.tf").write_text(MAIN)

    def run(*arguments: str) -> str:
        argv = [str(terraform_binary), *arguments]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_apply_second_plan_and_destroy_with_state_and_lock_in_the_sandbox_bucket(
    terraform: Callable[..., str],
) -> None:
    terraform("init", "-input=false")
    terraform("apply", "-input=false", "-auto-approve")
    assert terraform("output", "-raw", "vpc") == VPC_ID
    terraform("plan", "-input=false", "-detailed-exitcode")  # 0: no changes
    terraform("destroy", "-input=false", "-auto-approve")

"""A module of a user that carries a value: written anew when the journal counts up, refused when it counts down."""

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from lifecycle.domain.plan import Plan
from lifecycle.domain.policy import GateInput
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.terraform_cli.cli_config import ProviderMirror
from lifecycle.terraform_cli.plan_reader import read_plan
from lifecycle.terraform_cli.render import render
from lifecycle.terraform_cli.runner import TerraformCli
from lifecycle.terraform_cli.static_check import static_check
from tests.integration.terraform_cli.roots import cli
from tests.servers.moto import MotoServer
from tests.unit.terraform_cli.specs import renderings, spec

ROOT = Path(__file__).parents[3]
_ENTRY, _SECRET, _PARAMETER = "datarobot-agent-key", "own/agent-key", "/own/agent-key"
_MODULE = f"""
variable "value_version" {{
  type = number
}}

ephemeral "aws_secretsmanager_secret_version" "current" {{
  secret_id = "{_SECRET}"
}}

resource "aws_ssm_parameter" "copy" {{
  name             = "{_PARAMETER}"
  type             = "SecureString"
  value_wo         = ephemeral.aws_secretsmanager_secret_version.current.secret_string
  value_wo_version = var.value_version
}}
"""
_CALL = f"""
module "credential_{_ENTRY}" {{
  source        = "../modules/own_copy"
  value_version = var.credential_versions["{_ENTRY}"]
}}
"""


class Place:
    """A generated root with one file of the user's own beside it."""

    def __init__(self, folder: Path, binary: Path, environment: dict[str, str], mirror: Path) -> None:
        self.versions: dict[str, int] = {_ENTRY: 1}
        self.root, modules = folder / "root", folder / "modules"
        (modules / "own_copy").mkdir(parents=True)
        (modules / "own_copy" / "main.tf").write_text(_MODULE)
        self.root.mkdir()
        files = render(spec(), modules_path="../modules", renderings=renderings())
        document = json.loads(files["main.tf.json"])
        kept = {"terraform": document["terraform"], "variable": document["variable"]}
        kept["terraform"]["backend"] = {"local": {}}
        kept["provider"] = {"aws": {"region": "eu-west-1"}}
        (self.root / "main.tf.json").write_text(json.dumps(kept))
        (self.root / "own.tf").write_text(_CALL)
        assert [str(item) for item in static_check(self.root, modules)] == []
        self.terraform: TerraformCli = cli(
            self.root,
            binary,
            environment,
            mirror=ProviderMirror(folder=mirror, only=True),
            plan_variables=lambda: {"credential_versions": json.dumps(self.versions)},
        )

    def plan(self, version: int) -> Plan | None:
        """What Terraform would do at this version; None for nothing."""
        self.versions[_ENTRY] = version
        changes = self.terraform.plan(self.root / "plan.bin")
        return read_plan(self.terraform.show(self.root / "plan.bin")) if changes else None


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name="eu-west-1")


def test_value_is_written_at_each_new_version_kept_nowhere_and_never_written_back(
    tmp_path: Path,
    terraform_binary: Path,
    provider_mirror: Path,
    terraform_environment: dict[str, str],
    moto_server: MotoServer,
    aws_provider_reattach: dict[str, str],
    session: boto3.Session,
) -> None:
    moto_server.reset()
    secrets = session.client("secretsmanager", endpoint_url=moto_server.endpoint)
    parameters = session.client("ssm", endpoint_url=moto_server.endpoint)
    environment = {**terraform_environment, **moto_server.environment(), **aws_provider_reattach}
    place = Place(tmp_path, terraform_binary, environment, provider_mirror)
    secrets.create_secret(Name=_SECRET, SecretString="canary-value-one")
    place.terraform.init()

    def held() -> str:
        return str(parameters.get_parameter(Name=_PARAMETER, WithDecryption=True)["Parameter"]["Value"])

    assert place.plan(1) is not None
    place.versions[_ENTRY] = 7  # rotated between plan and apply: the reviewed version is what counts
    place.terraform.apply(place.root / "plan.bin")
    assert held() == "canary-value-one" and place.plan(1) is None
    secrets.put_secret_value(SecretId=_SECRET, SecretString="canary-value-two")
    assert place.plan(1) is None  # a value alone is no change
    assert place.plan(2) is not None
    place.terraform.apply(place.root / "plan.bin")
    assert held() == "canary-value-two"
    older = place.plan(1)
    assert older is not None
    engine = TypedPolicyEngine(ROOT / "policies", clock=lambda: datetime.now(UTC))
    verdict = engine.evaluate(GateInput(spec=spec(), plan=older))
    rules = {finding.rule for finding in verdict.blocking}
    assert "LC-VAL-006" in rules and "LC-PLAN-005" not in rules
    assert not any(b"canary-value" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

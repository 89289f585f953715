"""The gate over plans that the real AWS provider makes of our modules: no false alarm, no miss."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from lifecycle.domain.plan import Plan
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, Severity
from lifecycle.domain.review import changes_digest, describe
from lifecycle.domain.spec import AllowlistEntry, SandboxSettings
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.terraform_cli.cli_config import ProviderMirror
from lifecycle.terraform_cli.plan_reader import read_plan
from lifecycle.terraform_cli.render import render
from tests.integration.terraform_cli.roots import cli
from tests.servers.moto import MotoServer
from tests.unit.terraform_cli.specs import allowlist, renderings, spec

ROOT = Path(__file__).parents[3]
ENGINE = TypedPolicyEngine(ROOT / "policies", clock=lambda: datetime.now(UTC))
REACHED = AllowlistEntry(host="app.datarobot.com", reason="prediction API", ticket="NET-1")
ENTRIES = spec(
    environment="sandbox-a", sandbox=SandboxSettings(servers=("aws",)), allowlists=(allowlist(entries=(REACHED,)),)
)
Planner = Callable[[Path, dict[str, bytes]], Plan]
VALUE = "c4n4ry-in-a-plan-0815"


@pytest.fixture
def environment(
    terraform_environment: dict[str, str], moto_server: MotoServer, aws_provider_reattach: dict[str, str]
) -> dict[str, str]:
    moto_server.reset()
    session = boto3.Session("testing", "testing", region_name="eu-west-1")
    ec2 = session.client("ec2", endpoint_url=moto_server.endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "Name", "Value": "acme"}])
    session.client("ecs", endpoint_url=moto_server.endpoint).create_cluster(clusterName="mlops")
    return {**terraform_environment, **moto_server.environment(), **aws_provider_reattach}


@pytest.fixture
def planned(terraform_binary: Path, environment: dict[str, str], provider_mirror: Path) -> Planner:
    def plan(folder: Path, files: dict[str, bytes]) -> Plan:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        mirror = ProviderMirror(folder=provider_mirror, only=True)
        terraform = cli(folder, terraform_binary, environment, mirror=mirror)
        terraform.init()
        terraform.plan(folder / "plan.bin")
        return read_plan(terraform.show(folder / "plan.bin"))

    return plan


def generated(modules: Path) -> dict[str, bytes]:
    files = render(ENTRIES, modules_path="../modules", renderings=renderings())
    document = json.loads(files["main.tf.json"])
    document["terraform"]["backend"] = {"local": {}}
    document["provider"]["aws"] |= {"skip_credentials_validation": True, "skip_metadata_api_check": True}
    modules.symlink_to(ROOT / "terraform" / "modules")
    return {"main.tf.json": json.dumps(document).encode()}


def judge(plan: Plan) -> GateVerdict:
    return ENGINE.evaluate(GateInput(spec=ENTRIES, plan=plan))


def blocking(verdict: GateVerdict) -> list[tuple[str, str]]:
    found: list[Finding] = [f for f in verdict.findings if f.severity is Severity.ERROR]
    return [(finding.rule, finding.message) for finding in found]


def test_a_first_plan_of_every_module_passes_and_is_told_in_words(tmp_path: Path, planned: Planner) -> None:
    plan = planned(tmp_path / "root", generated(tmp_path / "modules"))
    verdict = judge(plan)
    assert blocking(verdict) == []
    assert verdict.errors == ()
    assert verdict.passed
    entries = {change.entry for change in plan.changing()}
    assert entries == {
        "agents.eu-central-1a",
        "allowlists.datarobot-egress",
        "credentials.datarobot-agent-key",
        "service_accounts.scoring-pipeline",
    }
    lines = describe(plan, ENTRIES)
    assert lines[0].endswith("to create")
    assert any(line.startswith("credentials.datarobot-agent-key: creates Secrets Manager secret") for line in lines)
    assert "newly allowed: app.datarobot.com on port 443 is reachable through allowlists.datarobot-egress" in lines


def test_two_plans_of_the_same_have_one_effect(tmp_path: Path, planned: Planner) -> None:
    files = generated(tmp_path / "modules")
    first = planned(tmp_path / "one", files)
    second = planned(tmp_path / "two", files)
    assert changes_digest(first) == changes_digest(second)


VALUES = {
    "resource": {
        "aws_secretsmanager_secret_version": {
            "classic": {"secret_id": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a", "secret_string": VALUE},
            "write_only": {
                "secret_id": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:b",
                "secret_string_wo": "${var.value}",
                "secret_string_wo_version": 1,
            },
        },
        "aws_ssm_parameter": {
            "secure": {"name": "/a", "type": "SecureString", "value": VALUE},
            "plain": {"name": "/b", "type": "String", "value": "mlopsUrl: https://app.datarobot.com"},
        },
        "aws_db_instance": {"db": {"instance_class": "db.t3.micro", "engine": "postgres", "password": VALUE}},
        "aws_iam_access_key": {"key": {"user": "svc"}},
        "aws_vpc_security_group_egress_rule": {
            "all": {"security_group_id": "sg-1", "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}
        },
        "aws_security_group": {
            "inline": {"name": "x", "egress": [{
                "cidr_blocks": ["0.0.0.0/0"], "from_port": 0, "to_port": 0, "protocol": "-1", "description": "",
                "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": False,
            }]}
        },
        "aws_iam_role_policy": {
            "star": {"role": "r", "policy": '{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'}
        },
        "aws_networkfirewall_rule_group": {
            "names": {"name": "n", "type": "STATEFUL", "capacity": 10, "rule_group": {"rules_source": {
                "rules_source_list": {
                    "generated_rules_type": "ALLOWLIST", "target_types": ["TLS_SNI"], "targets": [".com"],
                }
            }}}
        },
    },
    "variable": {"value": {"type": "string", "ephemeral": True, "default": "not-a-secret-at-all"}},
}  # fmt: skip


def test_what_must_not_be_planned_is_refused_as_the_real_provider_shows_it(tmp_path: Path, planned: Planner) -> None:
    document = {
        "terraform": {
            "required_providers": {"aws": {"source": "registry.terraform.io/hashicorp/aws", "version": "5.100.0"}}
        },
        "provider": {
            "aws": {"region": "eu-west-1", "skip_credentials_validation": True, "skip_metadata_api_check": True}
        },
        **VALUES,
    }
    plan = planned(tmp_path / "root", {"main.tf.json": json.dumps(document).encode()})
    assert VALUE not in repr([(c.before, c.after) for c in plan.changes])
    verdict = judge(plan)
    found = {(finding.rule, finding.address) for finding in verdict.findings if finding.rule != "LC-PLAN-005"}
    assert {
        ("LC-VAL-001", "aws_secretsmanager_secret_version.classic"),
        ("LC-VAL-001", "aws_db_instance.db"),
        ("LC-VAL-002", "aws_ssm_parameter.secure"),
        ("LC-VAL-003", "aws_iam_access_key.key"),
        ("LC-NET-011", "aws_vpc_security_group_egress_rule.all"),
        ("LC-NET-011", "aws_security_group.inline"),
        ("LC-NET-012", "aws_networkfirewall_rule_group.names"),
        ("LC-IAM-010", "aws_iam_role_policy.star"),
    } <= found
    addresses = {address for rule, address in found if rule.startswith("LC-VAL")}
    assert "aws_secretsmanager_secret_version.write_only" not in addresses
    assert "aws_ssm_parameter.plain" not in addresses
    assert VALUE not in repr(verdict)

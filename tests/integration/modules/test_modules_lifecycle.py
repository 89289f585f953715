"""The modules on an AWS emulator: apply, nothing left to do, rotation is no drift, destroy."""

from pathlib import Path
from typing import Any

import pytest

from lifecycle.bootstrap.in_flight import made_in_flight
from lifecycle.terraform_cli.adoption import import_id
from tests.integration.modules.workspace import Workspace, changes, copy_root, planned_values
from tests.servers.moto import MotoServer

_CANARY = "canary-value-of-the-agent-key"
_SECRET = "datarobot/test/datarobot-agent-key"


@pytest.fixture
def make_workspace(
    tmp_path: Path,
    terraform_binary: Path,
    terraform_environment: dict[str, str],
    aws_provider_reattach: dict[str, str],
    fresh_moto: MotoServer,
) -> Any:
    """Copies one of the roots and initialises it; the names in there are fixed, so the emulator is empty."""

    def make(root: str) -> Workspace:
        environment = {**terraform_environment, **aws_provider_reattach, **fresh_moto.environment()}
        folder = copy_root(tmp_path, root)
        workspace = Workspace(terraform=terraform_binary, folder=folder, environment=environment)
        workspace.init()
        return workspace

    return make


def _client(moto: MotoServer, service: str) -> Any:
    session: Any = moto.any_key().session()  # the typed overloads want a literal name
    return session.client(service, endpoint_url=moto.endpoint)


def _resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    nested = [resource for child in module.get("child_modules", []) for resource in _resources(child)]
    return [*module.get("resources", []), *nested]


def _assert_tagged(state: dict[str, Any]) -> None:
    made = [
        resource
        for resource in _resources(state["values"]["root_module"])
        if resource["mode"] == "managed" and resource["address"].startswith("module.") and "tags" in resource["values"]
    ]
    assert made
    for resource in made:
        tags = resource["values"]["tags"]
        assert {"environment", "owner", "spec-entry", "managed-by"} <= tags.keys(), resource["address"]
        assert tags["managed-by"] == "lifecycle"


# Made anew without harm, or put: a killed run leaves nothing that a second making would meet.
_NEEDS_NO_SEARCH = {
    "aws_cloudwatch_metric_alarm",
    "aws_ecs_task_definition",
    "aws_iam_role_policy",
    "aws_iam_user_policy",
    "aws_s3_object",
    "aws_secretsmanager_secret_policy",
    "aws_sqs_queue_policy",
}


def _assert_found_by_name_and_tags(plan: dict[str, Any], state: dict[str, Any], moto: MotoServer) -> None:
    """Had Terraform been killed before it saved a state, each object would be found with what the plan knows."""
    made = {
        resource["address"]: import_id(resource["address"], resource["values"]["id"])
        for resource in _resources(state["values"]["root_module"])
        if resource["address"].startswith("module.") and resource["mode"] == "managed"
        if resource["type"] not in _NEEDS_NO_SEARCH
    }
    planned = {
        change["address"]: change["change"]["after"]
        for change in plan["resource_changes"]
        if change["change"]["actions"] == ["create"]
    }
    assert len(made) > 10
    assert made_in_flight(lambda service: _client(moto, service), planned) == made
    strangers = {address: {**after, "tags_all": {"owner": "somebody"}} for address, after in planned.items()}
    assert made_in_flight(lambda service: _client(moto, service), strangers) == {}


def _rotate_out_of_band(moto: MotoServer) -> None:
    """Do what rotation does outside Terraform: write a value, scale the service."""
    _client(moto, "secretsmanager").put_secret_value(SecretId=_SECRET, SecretString=_CANARY)
    _client(moto, "ecs").update_service(cluster="mlops", service="eu-central-1a", desiredCount=1)


@pytest.mark.timeout(600)  # The provider waits 25 s for each change of a queue, whatever the server does.
def test_whole_life_of_everything_that_the_emulator_holds(make_workspace: Any, moto_server: MotoServer) -> None:
    workspace: Workspace = make_workspace("everything")

    plan = workspace.plan()
    for policy in planned_values(plan, "aws_iam_role_policy").values():
        assert "policy" in policy  # known before the first apply, so that rules and reviewers can judge it
    state = workspace.apply()
    _assert_tagged(state)
    _assert_found_by_name_and_tags(plan, state, moto_server)

    _rotate_out_of_band(moto_server)
    assert changes(workspace.plan()) == {}
    workspace.run("plan", "-input=false", "-no-color", "-detailed-exitcode")
    assert _CANARY not in (workspace.folder / "terraform.tfstate").read_text()

    changed = changes(workspace.plan("-var", 'agent_config=mlopsUrl: "https://app.datarobot.com"'))
    assert changed == {
        "module.agent.aws_ecs_service.this": ["update"],
        "module.agent.aws_ecs_task_definition.this": ["delete", "create"],
        "module.agent.aws_ssm_parameter.config": ["update"],
    }

    workspace.run("destroy", "-auto-approve", "-input=false", "-no-color")
    assert workspace.run("state", "list") == ""


def test_secret_that_waits_for_deletion_is_restored_with_its_value(
    make_workspace: Any, moto_server: MotoServer
) -> None:
    workspace: Workspace = make_workspace("restored")
    name = ("-var", "secret_name=datarobot/test/snowflake-ingest")
    secrets = _client(moto_server, "secretsmanager")
    workspace.plan(*name)
    arn = workspace.apply()["values"]["outputs"]["arn"]["value"]
    secrets.put_secret_value(SecretId=arn, SecretString=_CANARY)
    workspace.run("destroy", "-auto-approve", "-input=false", "-no-color", *name)
    assert "DeletedDate" in secrets.describe_secret(SecretId=arn)

    secrets.restore_secret(SecretId=arn)
    plan = workspace.plan(*name, "-var", f"restore_arn={arn}")
    assert changes(plan) == {"module.credential_ingest.aws_secretsmanager_secret.this": ["update"]}
    workspace.apply()
    assert changes(workspace.plan(*name)) == {}
    assert secrets.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"] == _CANARY


def test_names_become_chunked_rule_groups_and_a_domain_list(make_workspace: Any) -> None:
    plan = make_workspace("names").plan()
    groups = planned_values(plan, "aws_networkfirewall_rule_group")
    rules = [group["rule_group"][0] for group in groups.values()]
    targets = [sorted(rule["rules_source"][0]["rules_source_list"][0]["targets"]) for rule in rules]
    assert sorted(targets) == [[".datarobot.com", "acme.eu-central-1.snowflakecomputing.com"], ["login.acme.example"]]
    assert {group["capacity"] for group in groups.values()} == {6}
    for rule in rules:
        home_net = rule["rule_variables"][0]["ip_sets"][0]
        assert home_net["key"] == "HOME_NET"
        assert sorted(home_net["ip_set"][0]["definition"]) == ["10.20.0.0/16", "10.30.0.0/16"]
    (domain_list,) = planned_values(plan, "aws_route53_resolver_firewall_domain_list").values()
    assert sorted(domain_list["domains"]) == ["*.datarobot.com", "datarobot.com"]


def test_strict_order_refuses_a_second_rule_group(make_workspace: Any) -> None:
    workspace: Workspace = make_workspace("names")
    message = workspace.run("plan", "-input=false", "-no-color", "-var", "rule_order=STRICT_ORDER", expect=1)
    assert "raise domains_per_rule_group to at least 3" in " ".join(message.replace("│", " ").split())

"""The generated root: stable bytes, references instead of values, nothing that is not the spec's."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import AwsTarget, Manage, SandboxSettings, Spec
from lifecycle.terraform_cli.addresses import address_of, entry_of, source_map
from lifecycle.terraform_cli.agent_kinds import EcsFargateRuntime
from lifecycle.terraform_cli.backends import (
    AzureBackend,
    HttpBackend,
    KubernetesBackend,
    LocalBackend,
    S3Backend,
    backend_identity,
)
from lifecycle.terraform_cli.entries import period
from lifecycle.terraform_cli.expressions import literal
from lifecycle.terraform_cli.render import render
from tests.unit.terraform_cli.specs import (
    PLACE,
    StoreSettings,
    agent,
    allowlist,
    chosen,
    credential,
    renderings,
    service_account,
    spec,
)

_GOLDEN = Path(__file__).parent / "golden" / "main.tf.json"


def _root(given: Spec, **more: Any) -> dict[str, Any]:
    files = render(given, modules_path="../../modules", renderings=renderings(), **more)
    document: dict[str, Any] = json.loads(files["main.tf.json"])
    return document


def test_the_generated_root_is_the_golden_file() -> None:
    files = render(spec(), modules_path="../../modules", renderings=renderings())
    assert files == {"main.tf.json": _GOLDEN.read_bytes()}


def test_the_order_of_entries_in_the_spec_changes_nothing() -> None:
    names = ("zeta", "alpha", "mid-1")
    forward = spec(service_accounts=[service_account(), *map(service_account, names)])
    backward = spec(service_accounts=[*map(service_account, reversed(names)), service_account()])
    options: Any = {"modules_path": "../../modules", "renderings": renderings()}
    assert render(forward, **options) == render(backward, **options)


def test_keys_are_sorted_one_item_a_line_and_the_file_ends_in_a_newline() -> None:
    text = render(spec(), modules_path="../../modules", renderings=renderings())["main.tf.json"].decode()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@given(
    st.recursive(st.text(alphabet="${}%ab"), lambda inner: st.dictionaries(st.text("${}%a"), inner) | st.lists(inner))
)
def test_literal_text_never_holds_a_template_that_terraform_would_evaluate(tree: Any) -> None:
    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(text for item in value.values() for text in strings(item))]
        return [text for item in value for text in strings(item)] if isinstance(value, list) else [value]

    for text in strings(literal(tree)):
        assert re.search(r"(?<!\$)\$\{|(?<!%)%\{", text) is None


def test_an_expression_in_a_spec_text_arrives_as_text() -> None:
    root = _root(
        spec(service_accounts=[service_account(owner="${file(/etc/passwd)}")]),
    )
    assert root["module"]["service_account_scoring-pipeline"]["owner"].startswith("$${file")


def test_entries_that_are_only_rotated_make_no_module() -> None:
    existing = service_account(
        "legacy", manage=Manage.ROTATE, existing={"role_arn": "arn:aws:iam::123456789012:role/legacy"}
    )
    root = _root(spec(service_accounts=[existing], agents=[agent(service_account="legacy")]))
    assert "service_account_legacy" not in root["module"]
    assert root["module"]["agent_eu-central-1a"]["task_role_arn"] == "arn:aws:iam::123456789012:role/legacy"


def test_an_agent_on_a_role_that_nobody_names_is_refused_with_its_place() -> None:
    unnamed = service_account("legacy", manage=Manage.OBSERVE)
    with pytest.raises(ConfigurationError) as refused:
        _root(spec(service_accounts=[unnamed], agents=[agent(service_account="legacy")]))
    assert refused.value.problems[0].place == PLACE
    assert "existing.role_arn" in refused.value.remedy


def test_a_vault_credential_gets_no_shell_and_its_agent_a_declared_copy() -> None:
    copy = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:copy-AbCdEf"
    runtime = EcsFargateRuntime(cluster="mlops", image="registry.acme.example/agent:11.2", api_token_arn=copy)
    stores = {"default": chosen("vault", StoreSettings())}
    root = _root(spec(secret_stores=stores, agents=[agent(runtime=chosen("ecs_fargate", runtime))]))
    assert "credential_datarobot-agent-key" not in root["module"]
    assert root["module"]["agent_eu-central-1a"]["secret_arns"] == {"MLOPS_API_TOKEN": f"{copy}:api_token::"}


def test_a_vault_credential_without_a_copy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ECS cannot read"):
        _root(spec(secret_stores={"default": chosen("vault", StoreSettings())}))


def test_accounts_of_other_platforms_are_not_terraforms() -> None:
    root = _root(spec(service_accounts=[service_account(), service_account("bot", platform="datarobot")]))
    assert "service_account_bot" not in root["module"]


def test_a_renamed_entry_is_moved_and_not_replaced() -> None:
    root = _root(spec(agents=[agent("eu-2", renamed_from="eu-1")]))
    assert root["moved"] == [{"from": "module.agent_eu-1", "to": "module.agent_eu-2"}]


def test_a_restored_secret_is_imported() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:datarobot/prod/datarobot-agent-key-AbCdEf"
    root = _root(spec(), restored={"credentials.datarobot-agent-key": arn, "credentials.gone": arn})
    assert root["import"] == [{"to": "module.credential_datarobot-agent-key.aws_secretsmanager_secret.this", "id": arn}]


def test_what_a_killed_run_made_is_imported_where_it_is_still_declared() -> None:
    rule = 'module.credential_datarobot-agent-key.aws_x.this["10.0.0.0/8"]'
    root = _root(spec(), adopted={rule: "${id}", "module.credential_gone.aws_x.this": "b", "aws_x.alien": "c"})
    assert root["import"] == [{"to": rule, "id": "$${id}"}]


def test_the_provider_may_reach_one_account_only() -> None:
    role = "arn:aws:iam::123456789012:role/lifecycle-apply"
    aws = AwsTarget(account_id="123456789012", region="eu-west-1", role=role, vpc="vpc-1", subnets=("subnet-1",))
    root = _root(spec(aws=aws))
    assert root["provider"]["aws"] == {
        "region": "eu-west-1",
        "allowed_account_ids": ["123456789012"],
        "assume_role": [{"role_arn": role}],
        "max_retries": 10,
    }
    assert "data" not in root
    assert root["module"]["agent_eu-central-1a"]["vpc_id"] == "vpc-1"


def test_no_sandbox_address_is_rendered() -> None:
    aws = AwsTarget(account_id="123456789012", region="eu-west-1", network_name="x", endpoint="http://127.0.0.1:4566")
    text = json.dumps(_root(spec(aws=aws, sandbox=SandboxSettings(servers=("aws",)))))
    assert "127.0.0.1" not in text


def test_secrets_of_a_sandbox_free_their_names_at_once() -> None:
    root = _root(spec(sandbox=SandboxSettings(servers=("aws",))))
    assert root["module"]["credential_datarobot-agent-key"]["recovery_window_days"] == 0


def test_an_environment_without_owned_entries_needs_no_provider() -> None:
    root = _root(spec(aws=None, service_accounts=[], allowlists=[], agents=[], credentials=[]))
    assert set(root) == {"//", "terraform"}
    assert "required_providers" not in root["terraform"]


def test_entries_in_aws_without_an_account_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no account"):
        _root(spec(aws=None, allowlists=[], agents=[]))


def test_a_network_that_nobody_names_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no VPC"):
        _root(spec(aws=AwsTarget(account_id="123456789012", region="eu-west-1"), agents=[]))


def test_actions_on_every_resource_are_named_to_the_module() -> None:
    account = service_account(permissions=({"actions": ("ecr:GetAuthorizationToken", "s3:Get*"), "resources": ("*",)},))
    arguments = _root(spec(service_accounts=[account]))["module"]["service_account_scoring-pipeline"]
    assert arguments["allow_star_resource"] == ["ecr:GetAuthorizationToken"]


@pytest.mark.parametrize(
    ("kind", "settings", "block", "identity"),
    [
        (
            "s3",
            S3Backend(bucket="acme-tfstate", key="a/b", region="eu-west-1", use_path_style=True),
            {
                "bucket": "acme-tfstate",
                "key": "a/b",
                "region": "eu-west-1",
                "use_lockfile": True,
                "encrypt": True,
                "use_path_style": True,
            },
            "s3://acme-tfstate/a/b",
        ),
        (
            "azurerm",
            AzureBackend(storage_account_name="acmetf", container_name="state", key="prod"),
            {"storage_account_name": "acmetf", "container_name": "state", "key": "prod", "use_azuread_auth": True},
            "azurerm://acmetf/state/prod",
        ),
        (
            "http",
            HttpBackend(address="https://git.acme.example/state"),
            {"address": "https://git.acme.example/state"},
            "https://git.acme.example/state",
        ),
        (
            "kubernetes",
            KubernetesBackend(secret_suffix="prod"),
            {"secret_suffix": "prod", "namespace": "default"},
            "kubernetes://default/tfstate-default-prod",
        ),
        ("local", LocalBackend(), {"path": "terraform.tfstate"}, "local:terraform.tfstate"),
    ],
)
def test_a_backend_block_holds_the_settings_that_have_a_value(
    kind: str, settings: Any, block: dict[str, Any], identity: str
) -> None:
    backend = chosen(kind, settings)
    assert _root(spec(backend=backend))["terraform"]["backend"] == {kind: block}
    assert backend_identity(backend) == identity


def test_an_http_backend_takes_no_password_in_its_address() -> None:
    with pytest.raises(ValueError, match="pattern"):
        HttpBackend(address="https://user:word@git.acme.example/state")


def test_addresses_and_entries_are_inverse() -> None:
    for section, entry in spec().entries():
        name = f"{section}.{entry.name}"
        assert entry_of(f"{address_of(name)}.aws_thing.this[0]") == name
    assert entry_of("module.agent_a[0].x.y") == "agents.a"
    assert entry_of("data.aws_vpc.network") == ""
    assert entry_of("module.elsewhere_a.x.y") == ""


def test_the_source_map_leads_to_the_line_of_the_spec() -> None:
    assert source_map(spec(credentials=[credential(manage=Manage.ROTATE)])) == {
        "module.agent_eu-central-1a": PLACE,
        "module.allowlist_datarobot-egress": PLACE,
        "module.credential_datarobot-agent-key": PLACE,
        "module.service_account_scoring-pipeline": PLACE,
    }


@pytest.mark.parametrize(("seconds", "text"), [(30, "1m"), (90, "2m"), (3600, "1h"), (2592000, "30d"), (129600, "36h")])
def test_periods_are_one_number_and_a_unit(seconds: int, text: str) -> None:
    assert period(timedelta(seconds=seconds)) == text


def test_an_allowlist_for_names_only_opens_no_address_for_its_agent() -> None:
    root = _root(spec(allowlists=[allowlist(targets=("squid",))]))
    assert root["module"]["agent_eu-central-1a"]["egress"] == {}


def test_an_agent_behind_a_proxy_is_told_and_may_reach_it() -> None:
    listed = allowlist(targets=("squid",), proxy="http://10.0.0.7:3128")
    arguments = _root(spec(allowlists=[listed]))["module"]["agent_eu-central-1a"]
    assert arguments["egress"] == {"datarobot-egress-proxy": {"cidr": "10.0.0.7/32", "ports": [3128]}}
    assert arguments["environment_variables"] == {
        "MLOPS_AGENT_JVM_OPT": "-Xmx1G -Dhttps.proxyHost=10.0.0.7 -Dhttps.proxyPort=3128",
        "MLOPS_SPOOLER_DEQUEUE_ACK_RECORDS": "true",
    }


@pytest.mark.parametrize("proxy", [None, "sandbox://proxy", "http://proxy.acme.example:3128"])
def test_a_proxy_without_an_address_opens_nothing(proxy: str | None) -> None:
    arguments = _root(spec(allowlists=[allowlist(targets=("squid",), proxy=proxy)]))["module"]["agent_eu-central-1a"]
    assert arguments["egress"] == {}
    assert ("MLOPS_AGENT_JVM_OPT" in arguments["environment_variables"]) is (proxy is not None and "acme" in proxy)


def test_what_the_spec_says_about_the_agents_environment_wins() -> None:
    runtime = EcsFargateRuntime(
        cluster="mlops", image="x:1", environment_variables={"MLOPS_SPOOLER_DEQUEUE_ACK_RECORDS": "false", "A": "b"}
    )
    root = _root(spec(agents=[agent(runtime=chosen("ecs_fargate", runtime))]))
    variables = root["module"]["agent_eu-central-1a"]["environment_variables"]
    assert variables == {"MLOPS_SPOOLER_DEQUEUE_ACK_RECORDS": "false", "A": "b"}

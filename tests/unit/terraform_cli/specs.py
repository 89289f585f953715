"""Specs for the tests of the generated root, built without documents."""

from datetime import timedelta
from typing import Any

from lifecycle.domain.allowlist import AddressRule, RenderedAllowlist
from lifecycle.domain.errors import Place
from lifecycle.domain.kinds import KindSettings
from lifecycle.domain.spec import (
    Agent,
    Allowlist,
    AllowlistEntry,
    AwsTarget,
    Chosen,
    Credential,
    Permission,
    ServiceAccount,
    Spec,
    Trust,
)
from lifecycle.terraform_cli.agent_kinds import EcsFargateRuntime, SqsSpooler
from lifecycle.terraform_cli.backends import S3Backend
from lifecycle.terraform_cli.render import Renderings

PLACE = Place(file="environments/prod/access.yaml", line=3, column=3)


class StoreSettings(KindSettings):
    """Stands in for the settings of a secret store."""

    prefix: str = "datarobot/prod"
    kms_key: str | None = "alias/datarobot"


def chosen(kind: str, settings: Any) -> Chosen:
    return Chosen(kind=kind, settings=settings, place=PLACE)


def service_account(name: str = "scoring-pipeline", **more: Any) -> ServiceAccount:
    given: dict[str, Any] = {
        "platform": "aws",
        "trust": Trust(service="ecs-tasks"),
        "permissions": (Permission(actions=("s3:GetObject",), resources=("arn:aws:s3:::acme/${aws:username}/*",)),),
        "owner": "ml-platform",
        "place": PLACE,
    }
    return ServiceAccount(name=name, **(given | more))


def credential(name: str = "datarobot-agent-key", **more: Any) -> Credential:
    given: dict[str, Any] = {
        "kind": "datarobot_api_key",
        "settings": None,
        "rotation_period": timedelta(days=30),
        "reason": "PCI DSS 8.6.3 risk analysis RA-17",
        "owner": "ml-platform",
        "place": PLACE,
    }
    return Credential(name=name, **(given | more))


def allowlist(name: str = "datarobot-egress", **more: Any) -> Allowlist:
    given: dict[str, Any] = {
        "targets": ("squid", "aws_security_group"),
        "entries": (AllowlistEntry(host="app.datarobot.com", reason="API"),),
        "owner": "ml-platform",
        "place": PLACE,
    }
    return Allowlist(name=name, **(given | more))


def agent(name: str = "eu-central-1a", **more: Any) -> Agent:
    runtime = EcsFargateRuntime(cluster="mlops", image="registry.acme.example/mlops-agent:11.2")
    given: dict[str, Any] = {
        "kind": "monitoring",
        "runtime": chosen("ecs_fargate", runtime),
        "spooler": chosen("sqs", SqsSpooler(queue="mlops-spool")),
        "service_account": "scoring-pipeline",
        "egress": "datarobot-egress",
        "api_token": "datarobot-agent-key",
        "owner": "ml-platform",
        "place": PLACE,
    }
    return Agent(name=name, **(given | more))


def spec(**more: Any) -> Spec:
    entries = {
        "service_accounts": (service_account(),),
        "allowlists": (allowlist(),),
        "agents": (agent(),),
        "credentials": (credential(),),
    }
    named = {section: {e.name: e for e in more.pop(section, default)} for section, default in entries.items()}
    given: dict[str, Any] = {
        "version": 1,
        "environment": "prod",
        "aws": AwsTarget(account_id="123456789012", region="eu-west-1", network_name="acme"),
        "backend": chosen("s3", S3Backend(bucket="acme-tfstate", key="datarobot/prod.tfstate", region="eu-west-1")),
        "secret_stores": {"default": chosen("aws_secrets_manager", StoreSettings())},
        **named,
    }
    return Spec(**(given | more))


def renderings(**more: Any) -> Renderings:
    rendered = RenderedAllowlist(
        addresses=(AddressRule(cidr="10.40.0.0/24", ports=(443, 5432), description="results database NET-113"),),
        files={"squid.conf": "acl lifecycle_443 dstdomain app.datarobot.com\n"},
    )
    return Renderings(
        agent_config=more.get(
            "agent_config", lambda _spec, agent: f"mlopsUrl: https://app.datarobot.com # {agent.name}\n"
        ),
        allowlist=more.get("allowlist", lambda _spec, _allowlist: rendered),
    )

"""Spec entries -> arguments of their module calls. Pure.

An argument is literal unless it is an `Expression`. What a module defaults is left out, so that a diff shows choices.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from lifecycle.domain.allowlist import RenderedAllowlist
from lifecycle.domain.errors import ConfigurationError, Place, Problem
from lifecycle.domain.naming import DERIVED_NAMES, cloud_name, secret_name
from lifecycle.domain.spec import Agent, Allowlist, Credential, Entry, Manage, Permission, ServiceAccount, Spec, Trust
from lifecycle.terraform_cli.addresses import address_of
from lifecycle.terraform_cli.expressions import Expression, expression

SECRETS_MANAGER = "aws_secrets_manager"
# The value of a DataRobot key is a flat document; ECS picks the field by its name.
API_TOKEN_FIELD = "api_token"  # noqa: S105 - a field name
_LOG_RETENTION = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
_WHOLE_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderings:
    """What the other renderers contribute to the generated root; bootstrap joins them.

    Attributes:
        agent_config: text of an agent's configuration file, without secrets.
        allowlist: an allowlist in the forms of its targets.
    """

    agent_config: Callable[[Spec, Agent], str]
    allowlist: Callable[[Spec, Allowlist], RenderedAllowlist]


def refuse(place: Place, key_path: str, message: str, remedy: str) -> ConfigurationError:
    """A configuration error about one place of the spec."""
    problem = Problem(place=place, key_path=key_path, message=message, remedy=remedy)
    return ConfigurationError(f"{key_path}: {message}", remedy=remedy, problems=(problem,))


def generated_module(spec: Spec, section: str, entry: Entry) -> str:
    """Which module an entry becomes; empty when Terraform does not own anything of it."""
    if entry.manage is not Manage.OWN:
        return ""
    match entry:
        case ServiceAccount():
            return "service_account" if entry.platform == "aws" and not entry.existing else ""
        case Allowlist():
            return "proxy_allowlist"
        case Agent():
            return "mlops_agent"
        case Credential():
            chosen = spec.secret_stores.get(entry.store)
            return "credential_shell" if chosen is not None and chosen.kind == SECRETS_MANAGER else ""
        case _:
            return ""


def common(spec: Spec, section: str, entry: Entry) -> dict[str, Any]:
    """The arguments every module takes."""
    arguments: dict[str, Any] = {
        "environment": spec.environment,
        "owner": entry.owner,
        "spec_entry": f"{section}.{entry.name}",
    }
    if entry.tags:
        arguments["tags"] = dict(entry.tags)
    return arguments


def service_account(spec: Spec, account: ServiceAccount) -> dict[str, Any]:
    """Arguments of `service_account`: a role, or a user without keys."""
    arguments: dict[str, Any] = {"name": cloud_name(spec.environment, account.name), "kind": account.principal}
    if account.trust is not None and account.principal == "role":
        arguments["trust"] = _trust(account.trust)
    if account.permissions:
        arguments["permissions"] = [_statement(permission) for permission in account.permissions]
    if starred := _starred_actions(account.permissions):
        arguments["allow_star_resource"] = starred
    if boundary := account.permissions_boundary or (spec.aws.permissions_boundary if spec.aws else None):
        arguments["permissions_boundary"] = boundary
    return arguments


def _trust(trust: Trust) -> dict[str, Any]:
    found: dict[str, Any] = {"service": trust.service, "account": trust.account, "external_id": trust.external_id}
    if trust.oidc is not None:
        found["oidc"] = {name: getattr(trust.oidc, name) for name in ("provider_arn", "audience", "subject")}
    return {name: value for name, value in found.items() if value is not None}


def _statement(permission: Permission) -> dict[str, Any]:
    statement: dict[str, Any] = {"actions": list(permission.actions), "resources": list(permission.resources)}
    if permission.sid is not None:
        statement["sid"] = permission.sid
    if permission.conditions:
        statement["conditions"] = [dict(condition) for condition in permission.conditions]
    return statement


def _starred_actions(permissions: tuple[Permission, ...]) -> list[str]:
    # The module wants each such action named; whether AWS really offers nothing narrower is for the gate's dated table.
    starred = {action for permission in permissions if "*" in permission.resources for action in permission.actions}
    return sorted(action for action in starred if _WHOLE_ACTION.fullmatch(action))


def allowlist(spec: Spec, entry: Allowlist, rendered: RenderedAllowlist) -> dict[str, Any]:
    """Arguments of `proxy_allowlist`: each target's rules in the target's own form."""
    arguments: dict[str, Any] = {
        "name": cloud_name(spec.environment, entry.name, limit=DERIVED_NAMES),
        "targets": sorted(entry.targets),
    }
    if "aws_security_group" in entry.targets:
        arguments["vpc_id"] = vpc_id(spec, entry.place, f"allowlists.{entry.name}.targets")
    if rendered.addresses:
        arguments["cidr_entries"] = [
            {"cidr": rule.cidr, "ports": list(rule.ports), "description": rule.description}
            for rule in rendered.addresses
        ]
    for name, values in (("domains", rendered.domains), ("dns_domains", rendered.dns_domains)):
        if values:
            arguments[name] = list(values)
    if entry.home_net:
        arguments["home_net"] = sorted(entry.home_net)
    if rendered.files:
        arguments["rendered"] = dict(rendered.files)
    if entry.rendered_bucket is not None:
        arguments["rendered_bucket"] = entry.rendered_bucket
    return arguments


def agent(spec: Spec, entry: Agent, renderings: Renderings) -> dict[str, Any]:
    """Arguments of `mlops_agent`: token, role and egress by reference, the configuration as text without secrets."""
    runtime = entry.runtime.settings
    optional = runtime.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"api_token_arn"})
    arguments: dict[str, Any] = {
        **optional,
        "environment_variables": _agent_environment(spec, entry),
        "name": cloud_name(spec.environment, entry.name, limit=DERIVED_NAMES),
        "cpu": runtime.cpu,
        "memory": runtime.memory,
        "task_role_arn": _role_arn(spec, entry),
        "vpc_id": vpc_id(spec, entry.place, f"agents.{entry.name}"),
        "subnet_ids": _subnet_ids(spec, entry),
        "egress": _egress(spec, entry, renderings),
        "spooler": _spooler(entry),
        "agent_config": renderings.agent_config(spec, entry),
        "log_retention_days": _retention(entry.log_retention),
        **_token(spec, entry),
    }
    if spec.aws and spec.aws.permissions_boundary:
        arguments["permissions_boundary"] = spec.aws.permissions_boundary
    return arguments


def _agent_environment(spec: Spec, entry: Agent) -> dict[str, str]:
    # Without acknowledgement the agent drops records when the connection to DataRobot fails.
    variables = {"MLOPS_SPOOLER_DEQUEUE_ACK_RECORDS": "true"}
    if (proxy := _proxy(spec, entry)) is not None:
        # The agent is a Java program: it reads no HTTPS_PROXY.
        variables["MLOPS_AGENT_JVM_OPT"] = f"-Xmx1G -Dhttps.proxyHost={proxy[0]} -Dhttps.proxyPort={proxy[1]}"
    return variables | dict(entry.runtime.settings.environment_variables)


def _proxy(spec: Spec, entry: Agent) -> tuple[str, int] | None:
    parts = urlsplit(spec.allowlists[entry.egress].proxy or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None  # none, or one of a sandbox, whose address is never rendered
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _egress(spec: Spec, entry: Agent, renderings: Renderings) -> dict[str, Any]:
    """The allowlist's addresses, and its proxy where that is an address: names reach a security group only so."""
    rules = _prefix_lists(spec, entry, renderings)
    if (proxy := _proxy(spec, entry)) is not None:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(proxy[0])
            rules[f"{entry.egress}-proxy"] = {"cidr": str(network), "ports": [proxy[1]]}
    return rules


def _role_arn(spec: Spec, entry: Agent) -> str:
    account = spec.service_accounts[entry.service_account]
    key_path = f"agents.{entry.name}.service_account"
    if account.platform != "aws" or account.principal != "role":
        message = f"{account.name} is not an AWS role, and an agent on AWS runs as a role"
        raise refuse(entry.place, key_path, message, "Name a service account with platform aws and principal role.")
    if generated_module(spec, "service_accounts", account):
        return expression(f"{address_of(f'service_accounts.{account.name}')}.arn")
    if arn := (account.existing or {}).get("role_arn"):
        return arn
    message = f"{account.name} is not made by Terraform (manage: {account.manage}) and names no existing role"
    raise refuse(entry.place, key_path, message, f"Set service_accounts.{account.name}.existing.role_arn.")


def _prefix_lists(spec: Spec, entry: Agent, renderings: Renderings) -> dict[str, Any]:
    """One rule per prefix list: the module makes one for each address family and port in use."""
    listed = spec.allowlists[entry.egress]
    if not generated_module(spec, "allowlists", listed):
        existing = (listed.existing or {}).get("prefix_list_id")
        return {entry.egress: {"prefix_list_id": existing}} if existing else {}
    if "aws_security_group" not in listed.targets:
        return {}
    pairs = {
        ("ipv6" if ":" in rule.cidr else "ipv4", port)
        for rule in renderings.allowlist(spec, listed).addresses
        for port in rule.ports
    }
    module = address_of(f"allowlists.{entry.egress}")
    return {
        f"{entry.egress}-{family}-{port}": {
            "prefix_list_id": expression(f'{module}.prefix_list_ids["{family}-{port}"]'),
            "ports": [port],
        }
        for family, port in sorted(pairs)
    }


def _spooler(entry: Agent) -> dict[str, Any]:
    settings = entry.spooler.settings
    match entry.spooler.kind:
        case "sqs":
            spooler = {"type": "sqs", "queue_name": settings.queue}
            if settings.producer_role_arns:
                spooler["producer_role_arns"] = list(settings.producer_role_arns)
            return spooler
        case "filesystem":
            return {"type": "filesystem", **settings.model_dump(exclude_none=True)}
        case other:
            raise refuse(
                entry.place,
                f"agents.{entry.name}.spooler",
                f"{other} is not made by Terraform",
                "Use sqs or filesystem.",
            )


def _token(spec: Spec, entry: Agent) -> dict[str, Any]:
    credential = spec.credentials[entry.api_token]
    arn: str | None = entry.runtime.settings.api_token_arn or (credential.existing or {}).get("secret_arn")
    if generated_module(spec, "credentials", credential) and entry.runtime.settings.api_token_arn is None:
        module = address_of(f"credentials.{credential.name}")
        return {
            "secret_arns": {"MLOPS_API_TOKEN": Expression(f"${{{module}.arn}}:{API_TOKEN_FIELD}::")},
            "secret_policy_arns": [expression(f"{module}.policy_arn")],
        }
    if arn is None:
        message = f"the store of {credential.name} is one that ECS cannot read"
        remedy = "Deliver the credential to AWS Secrets Manager and name the copy in runtime.ecs_fargate.api_token_arn."
        raise refuse(entry.place, f"agents.{entry.name}.api_token", message, remedy)
    return {"secret_arns": {"MLOPS_API_TOKEN": f"{arn}:{API_TOKEN_FIELD}::"}}


def credential(spec: Spec, entry: Credential) -> dict[str, Any]:
    """Arguments of `credential_shell`: the place of the value and why it is rotated, never the value."""
    store = spec.secret_stores[entry.store].settings
    arguments: dict[str, Any] = {
        "name": entry.name,
        "secret_name": secret_name(getattr(store, "prefix", ""), entry.name),
        "rotation_period": period(entry.rotation_period),
        "reason": entry.reason,
        "description": f"{entry.kind}, rotated by lifecycle",
    }
    if key := entry.kms_key or getattr(store, "kms_key", None):
        arguments["kms_key_id"] = key
    if spec.sandbox is not None:
        arguments["recovery_window_days"] = 0  # a sandbox is thrown away; its names must be free at once
    return arguments


def period(duration: timedelta) -> str:
    """A duration as one number and unit, as modules take it: 30d, 12h; seconds are rounded up to minutes."""
    seconds = int(duration.total_seconds())
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{max(1, -(-seconds // 60))}m"


def vpc_id(spec: Spec, place: Place, key_path: str) -> str:
    """The VPC: its id, or found by name when the spec gives a network name."""
    if spec.aws is not None and spec.aws.vpc:
        return spec.aws.vpc
    if spec.aws is not None and spec.aws.network_name:
        return expression("data.aws_vpc.network.id")
    raise refuse(place, key_path, "no VPC is known to put it into", "Set aws.vpc, or aws.network_name.")


def _subnet_ids(spec: Spec, entry: Agent) -> Any:
    if spec.aws is not None and spec.aws.subnets:
        return list(spec.aws.subnets)
    if spec.aws is not None and spec.aws.network_name:
        return expression("data.aws_subnets.network.ids")
    raise refuse(entry.place, f"agents.{entry.name}", "no subnets are known", "Set aws.subnets, or aws.network_name.")


def _retention(duration: timedelta) -> int:
    days = -(-int(duration.total_seconds()) // 86400)
    return next((known for known in _LOG_RETENTION if known >= days), _LOG_RETENTION[-1])


def module_arguments(spec: Spec, entry: Entry, renderings: Renderings) -> dict[str, Any]:
    """The arguments of an owned entry's module call, without the common ones."""
    match entry:
        case ServiceAccount():
            return service_account(spec, entry)
        case Allowlist():
            return allowlist(spec, entry, renderings.allowlist(spec, entry))
        case Agent():
            return agent(spec, entry, renderings)
        case Credential():
            return credential(spec, entry)
        case _:
            raise TypeError(f"{type(entry).__name__} has no module")

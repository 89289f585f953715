"""The generated Terraform root of one environment: pure, sorted, stable.

It holds what static modules cannot express: backend, provider, one module call per spec entry, `moved` and `import`
blocks, outputs, and a variable with the version of each credential: no module of ours carries a value, but one that
stands beside the generated file may (`*_wo`), and takes its `*_wo_version` from there. No time stamp, no secret, no
address of a sandbox: the same spec gives the same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import AwsTarget, Spec
from lifecycle.terraform_cli.addresses import address_of, entry_of, module_name, source_map
from lifecycle.terraform_cli.backends import backend_block
from lifecycle.terraform_cli.entries import Renderings, common, generated_module, module_arguments
from lifecycle.terraform_cli.expressions import escaped, expression, literal

__all__ = ["GENERATED_FILE", "Renderings", "address_of", "entry_of", "render", "source_map"]

GENERATED_FILE = "main.tf.json"
REQUIRED_VERSION = ">= 1.11.0"
# The source is written in full so that OpenTofu, whose default registry is another one, finds the same provider.
AWS_PROVIDER = {"source": "registry.terraform.io/hashicorp/aws", "version": "5.100.0"}

_COMMENT = "Generated from the spec by `lifecycle plan`. Change the spec, not this file."
_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "service_account": ("arn", "name"),
    "proxy_allowlist": ("prefix_list_ids", "security_group_id", "rule_group_arns", "domain_list_ids", "rendered"),
    "mlops_agent": ("service_name", "cluster", "security_group_id", "queue_url", "log_group"),
    "credential_shell": ("arn", "name"),
}
VERSIONS = "credential_versions"
_VERSIONS_VARIABLE = {
    "type": "map(number)",
    "default": {},
    "nullable": False,
    "description": "Credential -> the rotation that its current value is from, as the journal says at plan time.",
}
_NETWORK_ARGUMENTS = ("vpc_id", "subnet_ids")
_SECRET_RESOURCE = "aws_secretsmanager_secret.this"  # noqa: S105 - an address inside the module


def render(
    spec: Spec,
    *,
    modules_path: str,
    renderings: Renderings,
    restored: Mapping[str, str] | None = None,
    adopted: Mapping[str, str] | None = None,
) -> Mapping[str, bytes]:
    """The files of `terraform/environments/<environment>/`.

    Args:
        spec: the resolved spec.
        modules_path: the modules folder as seen from the generated root, e.g. `../../modules`.
        renderings: agent configuration and allowlists.
        restored: credentials whose secret was scheduled for deletion and is restored: entry (`credentials.<name>`) ->
            ARN of the secret. Terraform imports them instead of creating them.
        adopted: objects that a killed run made: address -> import id. Those of entries that are not declared any
            more are left out.

    Returns:
        File name -> content.

    Raises:
        ConfigurationError: an entry cannot be expressed; the problem names its place.
    """
    if not modules_path.startswith(("./", "../")):
        raise ValueError(f"a local module source starts with ./ or ../: {modules_path!r}")
    owned = _owned(spec)
    modules: dict[str, Any] = {}
    for section, entry, module in owned:
        arguments = escaped(common(spec, section, entry) | module_arguments(spec, entry, renderings))
        arguments["source"] = f"{modules_path}/{module}"
        modules[module_name(f"{section}.{entry.name}")] = arguments
    root: dict[str, Any] = {"//": _COMMENT, "terraform": _terraform_block(spec, bool(owned))}
    if modules:
        root |= {"provider": {"aws": _provider(_aws(spec))}, "module": modules, "output": _outputs(owned)}
    if spec.credentials:
        root["variable"] = {VERSIONS: _VERSIONS_VARIABLE}
    root |= _network(spec, modules) | _moved(owned) | _imports(owned, restored or {}, adopted or {})
    return {GENERATED_FILE: orjson.dumps(root, option=_OPTIONS)}


def _owned(spec: Spec) -> list[tuple[str, Any, str]]:
    found = ((section, entry, generated_module(spec, section, entry)) for section, entry in spec.entries())
    return [(section, entry, module) for section, entry, module in found if module]


def _aws(spec: Spec) -> AwsTarget:
    if spec.aws is None:
        raise ConfigurationError(
            f"environment {spec.environment}: it has entries that live in AWS, but names no account",
            remedy="Set aws.account_id and aws.region in the spec.",
        )
    return spec.aws


def _terraform_block(spec: Spec, with_aws: bool) -> dict[str, Any]:
    block: dict[str, Any] = {"required_version": REQUIRED_VERSION, "backend": literal(backend_block(spec.backend))}
    return block | ({"required_providers": {"aws": AWS_PROVIDER}} if with_aws else {})


def _provider(aws: AwsTarget) -> dict[str, Any]:
    # No endpoints block (it makes plans 2.7 times slower) and no skip flag: a sandbox leads here with AWS_ENDPOINT_URL.
    provider: dict[str, Any] = {
        "region": aws.region,
        "allowed_account_ids": [aws.account_id],
        "max_retries": aws.max_retries,
    }
    if aws.role:
        provider["assume_role"] = [{"role_arn": aws.role}]
    return {name: literal(value) for name, value in provider.items()}


def _network(spec: Spec, modules: Mapping[str, Any]) -> dict[str, Any]:
    name = spec.aws.network_name if spec.aws else None
    used = {value for arguments in modules.values() for key in _NETWORK_ARGUMENTS if (value := _text(arguments, key))}
    data: dict[str, Any] = {}
    if "${data.aws_vpc.network.id}" in used or "${data.aws_subnets.network.ids}" in used:
        data["aws_vpc"] = {"network": {"tags": {"Name": literal(name)}}}
    if "${data.aws_subnets.network.ids}" in used:
        vpc = expression("data.aws_vpc.network.id")
        data["aws_subnets"] = {"network": {"filter": [{"name": "vpc-id", "values": [vpc]}]}}
    return {"data": data} if data else {}


def _text(arguments: Mapping[str, Any], key: str) -> str:
    value = arguments.get(key)
    return value if isinstance(value, str) else ""


def _outputs(owned: list[tuple[str, Any, str]]) -> dict[str, Any]:
    values: dict[str, dict[str, Any]] = {}
    for section, entry, module in owned:
        address = address_of(f"{section}.{entry.name}")
        outputs = values.setdefault(section, {})
        outputs[entry.name] = {name: f"${{{address}.{name}}}" for name in _OUTPUTS[module]}
    return {section: {"value": value} for section, value in values.items()}


def _moved(owned: list[tuple[str, Any, str]]) -> dict[str, Any]:
    blocks = [
        {"from": address_of(f"{section}.{entry.renamed_from}"), "to": address_of(f"{section}.{entry.name}")}
        for section, entry, _ in owned
        if entry.renamed_from
    ]
    return {"moved": blocks} if blocks else {}


def _imports(
    owned: list[tuple[str, Any, str]], restored: Mapping[str, str], adopted: Mapping[str, str]
) -> dict[str, Any]:
    names = {f"{section}.{entry.name}" for section, entry, _ in owned}
    secrets = {f"{address_of(entry)}.{_SECRET_RESOURCE}": arn for entry, arn in restored.items()}
    wanted = {address: id for address, id in {**adopted, **secrets}.items() if entry_of(address) in names}
    blocks = [{"to": address, "id": literal(wanted[address])} for address in sorted(wanted)]
    return {"import": blocks} if blocks else {}

"""AWS rights of the identities that touch values or look at credentials: rotate, verify, audit, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.policy_engine.generate_names import SECRETS_MANAGER, Names, setting

AwsStatement = dict[str, Any]

_LISTED = ("secretsmanager:ListSecretVersionIds",)
_MOVE = "secretsmanager:UpdateSecretVersionStage"


def statement(
    sid: str, actions: list[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> Iterator[AwsStatement]:
    """One allow statement; none when there is nothing it would be for."""
    if resources:
        limits = {"Condition": dict(condition)} if condition else {}
        listed = {"Action": sorted(actions), "Resource": sorted(set(resources))}
        yield {"Sid": sid, "Effect": "Allow", **listed, **limits}


def rotate(names: Names) -> Iterator[AwsStatement]:
    """Read and write exactly the declared secrets, end and make keys of exactly the declared users."""
    secrets = [names.secret_arn(entry.store, name) for name, entry in names.credentials(SECRETS_MANAGER)]
    own = _own_values(names)
    shadows = [names.secret_arn(entry.store, name) for name, entry in names.shadows(SECRETS_MANAGER)]
    held = [*secrets, *own, *shadows]
    yield from statement("ListVersions", ["secretsmanager:ListSecretVersionIds"], held)
    yield from statement("ReadVersions", ["secretsmanager:GetSecretValue"], held)
    yield from statement("StageVersions", ["secretsmanager:PutSecretValue"], held)
    yield from statement("MoveLabels", ["secretsmanager:UpdateSecretVersionStage"], [*secrets, *shadows])
    yield from statement("MakeSecrets", ["secretsmanager:CreateSecret"], [*own, *shadows])
    yield from statement("RemoveShadows", ["secretsmanager:DeleteSecret"], shadows)
    yield from statement("ReadLogins", ["secretsmanager:GetSecretValue", *_LISTED], _logins(names))
    copying = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", *_LISTED, _MOVE]
    yield from statement("CopyValues", copying, list(names.copies()))
    yield from statement("MakeCopies", ["secretsmanager:CreateSecret"], list(names.copies(made=True)))
    started = [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:RotateSecret",
        *_LISTED,
    ]
    yield from statement("StartFunctions", started, list(names.rotated_by_functions()))
    yield from statement("RunFunctions", ["lambda:InvokeFunction"], list(names.functions()))
    yield from statement("ListKeys", ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], list(names.users()))
    yield from statement("MakeKeys", ["iam:CreateAccessKey"], list(names.users()))
    yield from statement("SwitchKeys", ["iam:UpdateAccessKey"], list(names.users()))
    yield from statement("EndKeys", ["iam:DeleteAccessKey"], list(names.users()))
    yield from statement("RestartServices", ["ecs:DescribeServices", "ecs:UpdateService"], _services(names))
    yield from _encryption(names, ["kms:Decrypt", "kms:GenerateDataKey"])
    yield from journal(names, ["dynamodb:PutItem"])


def verify(names: Names) -> Iterator[AwsStatement]:
    """Read the values that connectors log in with, and see that declared secrets exist."""
    read = [names.secret_arn(store, name) for store, name in names.verified(SECRETS_MANAGER)]
    yield from statement("ReadVersions", ["secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds"], read)
    yield from statement("SeeSecrets", ["secretsmanager:DescribeSecret"], list(_described(names)))
    if read:
        yield from _encryption(names, ["kms:Decrypt"])


def audit(names: Names) -> Iterator[AwsStatement]:
    """Compare what providers list with what the journal knows; never a value."""
    secrets = [names.secret_arn(entry.store, name) for name, entry in names.credentials(SECRETS_MANAGER)]
    seen = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:ListSecretVersionIds"]
    yield from statement("SeeSecrets", seen, secrets)
    yield from statement("ListKeys", ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], list(names.users()))
    yield from journal(names, [])


def report(names: Names) -> Iterator[AwsStatement]:
    """Ages of secrets and the journal; never a value."""
    secrets = [names.secret_arn(entry.store, name) for name, entry in names.credentials(SECRETS_MANAGER)]
    yield from statement("SeeSecrets", ["secretsmanager:DescribeSecret"], secrets)
    yield from journal(names, [])


def _own_values(names: Names) -> list[str]:
    stores = [name for name, store in names.spec.secret_stores.items() if store.kind == SECRETS_MANAGER]
    return [names.secret_arn(store, value) for store in stores for value in names.own_values(store)]


def _logins(names: Names) -> list[str]:
    stores = [name for name, store in names.spec.secret_stores.items() if store.kind == SECRETS_MANAGER]
    return [names.secret_arn(store, value) for store in stores for value in names.logins(store)]


def _services(names: Names) -> list[str]:
    entries = [entry for _, entry in sorted(names.spec.credentials.items())]
    return [names.service_arn(place) for entry in entries for place in names.delivered(entry)]


def _described(names: Names) -> Iterator[str]:
    for connector in names.spec.connectors.values():
        if connector.kind == SECRETS_MANAGER:
            for name in setting(connector.settings, "can_describe", ()):
                entry = names.spec.credentials.get(name)
                if entry is not None and names.spec.secret_stores[entry.store].kind == SECRETS_MANAGER:
                    yield names.secret_arn(entry.store, name)


def _encryption(names: Names, actions: list[str]) -> Iterator[AwsStatement]:
    """Use of the stores' own keys through Secrets Manager only. IAM takes no alias as resource: it is a condition."""
    keys = {
        setting(store.settings, "kms_key")
        for store in names.spec.secret_stores.values()
        if store.kind == SECRETS_MANAGER and setting(store.settings, "kms_key")
    }
    via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{names.aws.region}.amazonaws.com"}}
    aliases = sorted(key for key in keys if key.startswith("alias/"))
    exact = [key if key.startswith("arn:") else names.arn("kms", f"key/{key}") for key in keys - set(aliases)]
    yield from statement("UseKeys", actions, exact, via)
    if aliases:
        limits = {**via, "ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}
        yield from statement("UseKeysByAlias", actions, [names.arn("kms", "key/*")], limits)


def journal(names: Names, writing: list[str]) -> Iterator[AwsStatement]:
    """Read the DynamoDB journal, and with the given actions write it."""
    chosen = names.spec.journal
    if chosen is not None and chosen.kind == "dynamodb":
        actions = ["dynamodb:GetItem", "dynamodb:Query", *writing]
        table = names.arn("dynamodb", f"table/{setting(chosen.settings, 'table')}")
        # Environments may share a table; partition keys begin with the environment's name.
        own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{names.spec.environment}#*"]}}
        yield from statement("UseJournal", actions, [table], own)

"""Least policies of the tool's own identities, from a spec: `lifecycle policy generate`.

    ENVIRONMENT/aws/IDENTITY.json        IAM policy document
    ENVIRONMENT/vault/STORE/IDENTITY.hcl Vault policy
    ENVIRONMENT/postgres/HOST/…      grants; ENVIRONMENT/datarobot/… role and calls
    ENVIRONMENT/README.md                which identity is for what, and what stays broader than one would like

The identities are separate so that none can do the work of two: who plans cannot apply, who applies never reads a
value, who reads values cannot make roles, who reports reads no value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine import (
    generate_audit,
    generate_rotation,
    generate_services,
    generate_terraform,
    generate_vault,
)
from lifecycle.policy_engine.generate_names import SECRETS_MANAGER, VAULT, Names
from lifecycle.policy_engine.generate_rotation import AwsStatement

# What the inline policies of a role hold together, white space not counted. Source: IAM quotas.
LONGEST = 10_240
IDENTITIES: Mapping[str, str] = {
    "plan": "reads infrastructure and state for `lifecycle plan` and `drift`",
    "apply": "makes and changes infrastructure for `lifecycle apply`; never reads a value",
    "rotate": "makes, stages, promotes and ends credentials for `lifecycle rotate`",
    "verify": "reads the values that connectors log in with, for `lifecycle verify`",
    "audit": "compares what providers list with the journal, signs and keeps heads of the audit log; reads no value",
    "report": "reads ages and the rights of the tool for the evidence pack; reads no value",
}
_AWS: Mapping[str, tuple[Callable[[Names], Iterator[AwsStatement]], ...]] = {
    "plan": (generate_terraform.plan, generate_audit.read_pin),
    "apply": (generate_terraform.apply, generate_audit.read_pin),
    "rotate": (generate_rotation.rotate, generate_audit.read_pin),
    "verify": (generate_rotation.verify,),
    "audit": (generate_rotation.audit, generate_audit.sign_heads, generate_audit.keep_heads),
    "report": (generate_rotation.report, generate_audit.see_own_rights),
}
_VAULT: Mapping[str, Callable[[Names, str], Iterator[str]]] = {
    "plan": generate_vault.reads_pin,
    "apply": generate_vault.reads_pin,
    "rotate": generate_vault.rotate,
    "verify": generate_vault.verify,
    "audit": generate_vault.audit,
    "report": generate_vault.report,
}


def generate_policies(spec: Spec) -> dict[str, str]:
    """Every policy file of an environment: relative path -> text. The same spec always gives the same files.

    Args:
        spec: resolved.

    Raises:
        ConfigurationError: roles are to be made and the spec names no permissions boundary, or a policy gets too long.
    """
    names, home = Names(spec), spec.environment
    files: dict[str, str] = {}
    compact = False
    if spec.aws is not None:
        documents = _aws_documents(names)
        compact = any(_size(text) > LONGEST for text in documents.values())
        files |= _compacted(spec) if compact else documents
    for store in sorted(name for name, chosen in spec.secret_stores.items() if chosen.kind == VAULT):
        for identity, stanzas in _VAULT.items():
            head = f"# {home}: identity {identity}, secret store {store}. Written by lifecycle policy generate.\n"
            files[f"{home}/vault/{store}/{identity}.hcl"] = "\n".join((head, *stanzas(names, store)))
    files |= {f"{home}/{path}": text for path, text in generate_services.service_policies(names).items()}
    files[f"{home}/README.md"] = _readme(names, files, compact=compact)
    return files


def _aws_documents(names: Names) -> dict[str, str]:
    found = {identity: [item for part in parts for item in part(names)] for identity, parts in _AWS.items()}
    home = f"{names.spec.environment}/aws"
    return {f"{home}/{identity}.json": _document(statements) for identity, statements in found.items() if statements}


def _compacted(spec: Spec) -> dict[str, str]:
    documents = _aws_documents(Names(spec, compact=True))
    for path, text in documents.items():
        if _size(text) > LONGEST:
            raise ConfigurationError(
                f"policy {path} has {_size(text)} characters, AWS stores {LONGEST}",
                remedy="give each secret store a prefix, or split the environment",
            )
    return documents


def _size(text: str) -> int:
    return len("".join(text.split()))


def _document(statements: list[AwsStatement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _readme(names: Names, files: Mapping[str, str], *, compact: bool) -> str:
    home = names.spec.environment
    rows = [f"| {identity} | {purpose} | {_held(identity, files)} |" for identity, purpose in IDENTITIES.items()]
    risks = [f"- {text}" for text in residual_risks(names.spec)]
    if compact:
        risks.append("- all: secrets, users and services are named by prefix, because AWS stores no longer policy.")
    title = f"# Rights of the tool in `{home}`"
    written = "Written by `lifecycle policy generate`; do not edit. Each identity is a role or token of its own."
    table = ["| Identity | For | Policies |", "|---|---|---|", *rows]
    pins = [f"- `LIFECYCLE_POLICY_PIN={place}`" for place in generate_audit.pins(names)]
    held = ["## Where the digest of the policy bundle may be pinned", "", *pins, ""] if pins else []
    broader = ["## What stays broader", "", *(risks or ["- nothing"]), ""]
    return "\n".join((title, "", written, "", *table, "", *held, *broader))


def _held(identity: str, files: Mapping[str, str]) -> str:
    own = [path for path in files if path.rpartition("/")[2].split(".")[0] == identity]
    return ", ".join(f"`{path.partition('/')[2]}`" for path in own) or "none"


_BROADER = {
    "azure_storage_account_key": "rotate: who may list the keys of a storage account may read everything in it.",
    "databricks_service_principal_secret": "rotate: the manager of a service principal can act as it.",
    "entra_application_certificate": "rotate: the owner of an Entra application may change all of it, and act as it.",
    "entra_application_password": "rotate: the owner of an Entra application may change all of it, and act as it.",
    "okta_client_secret": "rotate: an Okta API token has every right of its owner; give it a user of its own.",
}


def residual_risks(spec: Spec) -> tuple[str, ...]:
    """What cannot be narrowed further, in words, for the list that a reviewer accepts."""
    names, kinds = Names(spec), {entry.kind for entry in spec.credentials.values()}
    found: list[str] = []
    if "datarobot_api_key" in kinds:
        found.append("rotate: DataRobot lets only an administrator make keys for other users; its token is one.")
    found += sorted({text for kind, text in _BROADER.items() if kind in kinds})
    if "postgres_role_password" in kinds:
        found.append("rotate: up to PostgreSQL 15 CREATEROLE may change every role but superusers; from 16 its own.")
    if kinds & {"entra_application_password", "entra_application_certificate"}:
        found.append("rotate: Entra lets an application that manages its owned ones change all of those it owns.")
    if kinds & {"snowflake_key_pair", "snowflake_named_key_pair"}:
        found.append("rotate: Snowflake has no right for keys alone; OWNERSHIP of the user may alter all of it.")
    if "okta_client_secret" in kinds:
        found.append("rotate: Okta has no right for one application's secrets; okta.apps.manage covers every one.")
    if "azure_storage_account_key" in kinds:
        found.append("rotate: who may regenerate a storage account's keys may also read both of them.")
    if "databricks_service_principal_secret" in kinds:
        found.append("rotate: Databricks lets a manager of a service principal do everything with it.")
    if "oauth_client_secret" in kinds:
        found.append("rotate: a registration access token may change everything about its own OAuth client.")
    if "aws_iam_access_key" in kinds:
        found.append("rotate: who makes keys for a user can act as that user; the users are listed by name.")
    if any(store.kind == SECRETS_MANAGER for store in spec.secret_stores.values()):
        found.append("plan, apply: AWS lists secrets of a whole region or none; names are seen, values are not.")
        found.append(
            "apply: it decides who may read the secrets of this environment (their own policies); the gate looks."
        )
    if spec.aws is not None and names.prefix and spec.service_accounts:
        found.append("apply: it decides who may assume the roles of this environment; IAM has no condition for that.")
    if any(store.kind == VAULT for store in spec.secret_stores.values()):
        found.append("audit, report: Vault lists names of every secret below the prefix; values are not readable.")
    return tuple(found)

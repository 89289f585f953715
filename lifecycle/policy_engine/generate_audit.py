"""Rights around the judgement of runs: signing and keeping heads of the audit log, reading the pin of the bundle.

The auditor signs and never rotates; whoever applies or rotates reads the pin and never moves it. The pin is no part of
a spec, which is under review, so the policies name the one place that an environment's pin has by convention.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain.naming import secret_name
from lifecycle.policy_engine.generate_names import VAULT, Names, setting
from lifecycle.policy_engine.generate_rotation import AwsStatement, statement

PINS = "lifecycle-policy"  # beside the parameters of agents, which an apply writes, never among them
PIN_SECRET = "lifecycle.policy"  # noqa: S105 - the name of a secret; no name in a spec has a dot


def sign_heads(names: Names) -> Iterator[AwsStatement]:
    """Sign with the KMS key of the spec."""
    signer = names.spec.audit.signer
    key = signer.aws_kms if signer is not None else None
    if not key:
        return
    actions = ["kms:GetPublicKey", "kms:Sign"]
    if key.startswith("alias/"):
        only = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [key]}}
        yield from statement("SignHeads", actions, [names.arn("kms", "key/*")], only)
    else:
        yield from statement("SignHeads", actions, [key if key.startswith("arn:") else names.arn("kms", f"key/{key}")])


def keep_heads(names: Names) -> Iterator[AwsStatement]:
    """Put heads into the write-once bucket and read every version of them; never delete, never shorten."""
    once = names.spec.audit.write_once
    if once is None:
        return
    bucket, prefix = f"arn:aws:s3:::{once.bucket}", once.prefix.strip("/")
    objects = f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*"
    yield from statement("SeeLock", ["s3:GetBucketObjectLockConfiguration"], [bucket])
    yield from statement("KeepHeads", ["s3:PutObject", "s3:PutObjectRetention"], [objects])
    only = {"StringEquals": {"s3:prefix": f"{prefix}/"}} if prefix else None
    yield from statement("ListHeads", ["s3:ListBucketVersions"], [bucket], only)
    yield from statement("ReadHeads", ["s3:GetObjectVersion"], [objects])


def read_pin(names: Names) -> Iterator[AwsStatement]:
    """Read the pinned digest of the policy bundle where it is an SSM parameter."""
    yield from statement("ReadPin", ["ssm:GetParameter"], [pin_parameter(names)])


def pin_parameter(names: Names) -> str:
    """The parameter that holds an environment's pin, when it is in SSM."""
    return names.arn("ssm", f"parameter/{PINS}/{names.spec.environment}")


def see_own_rights(names: Names) -> Iterator[AwsStatement]:
    """Read the policies of the role that runs use, for the evidence pack."""
    if names.aws.role:
        listed = ["iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]
        yield from statement("SeeOwnRights", listed, [names.aws.role])
        read = ["iam:GetPolicy", "iam:GetPolicyVersion"]
        yield from statement("ReadPolicies", read, [names.iam("policy/*"), "arn:aws:iam::aws:policy/*"])


def transit_paths(names: Names, store: str) -> tuple[str, ...]:
    """The path that signs and the path of the public key, where the signing key is in the transit engine of a store."""
    signer = names.spec.audit.signer
    key = signer.vault_transit if signer is not None else None
    if key is None or key.store != store:
        return ()
    mount = key.mount.strip("/")
    return f"{mount}/sign/{key.key}", f"{mount}/keys/{key.key}"


def pin_path(names: Names, store: str) -> str:
    """The path that holds an environment's pin, when it is in this Vault."""
    settings = names.spec.secret_stores[store].settings
    return f"{setting(settings, 'mount', 'kv').strip('/')}/data/{secret_name(setting(settings, 'prefix'), PIN_SECRET)}"


def pins(names: Names) -> tuple[str, ...]:
    """What `LIFECYCLE_POLICY_PIN` may be under these policies."""
    found = [f"ssm:{pin_parameter(names)}"] if names.spec.aws is not None else []
    for store, chosen in sorted(names.spec.secret_stores.items()):
        if chosen.kind == VAULT:
            address = str(setting(chosen.settings, "address", "https://VAULT")).rstrip("/")
            found.append(f"vault:{address}/v1/{pin_path(names, store)}")
    return tuple(found)

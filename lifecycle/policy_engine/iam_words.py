"""Permissions of AWS identities in words: who may read which secret, and what a change alters.

role scoring-pipeline may now read secret X; it could not
role scoring-pipeline may no longer s3:getobject on arn:aws:s3:::acme-scoring/*
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.domain.naming import cloud_name, secret_name
from lifecycle.domain.spec import Permission, ServiceAccount, Spec
from lifecycle.policy_engine.generate_names import setting
from lifecycle.policy_engine.iam_documents import Statement
from lifecycle.policy_engine.iam_semantics import Decision, IamIdentity, decide
from lifecycle.policy_engine.iam_semantics_rights import rights

READ_SECRET = "secretsmanager:GetSecretValue"  # noqa: S105 - the name of an action, no password
_DERIVED_NAMES = 54  # as in the Terraform modules, which append to the name of an agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret that people ask about.

    Attributes:
        name: as sentences name it.
        arn: its whole ARN; one that does not exist yet has no suffix, so `secret_arn` makes one up.
        resource_policy: its own policy.
    """

    name: str
    arn: str
    resource_policy: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReader:
    """An identity that may read a secret, and on which conditions."""

    identity: str
    secret: str
    decision: Decision

    def __str__(self) -> str:
        return f"{self.identity} may read secret {self.secret}{self.decision.limits}"


def secret_arn(region: str, account: str, name: str) -> str:
    """The ARN of a secret with a made-up suffix, for patterns that end in `-??????` or `-*`."""
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-aBcDeF"


def secret_readers(identities: Iterable[IamIdentity], secrets: Iterable[Secret]) -> tuple[SecretReader, ...]:
    """Who may read which secret, sorted by secret and identity."""
    named = sorted(identities, key=lambda item: item.label)
    return tuple(
        SecretReader(identity=identity.label, secret=secret.name, decision=decision)
        for secret in sorted(secrets, key=lambda item: item.name)
        for identity in named
        if (decision := _reading(identity, secret)).possible
    )


def _reading(identity: IamIdentity, secret: Secret) -> Decision:
    return decide(identity, READ_SECRET, secret.arn, resource_policy=secret.resource_policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class IamWorld:
    """Identities and secrets at one moment."""

    identities: tuple[IamIdentity, ...]
    secrets: tuple[Secret, ...] = ()


def differences(before: IamWorld, after: IamWorld, table: Mapping[str, Any]) -> tuple[str, ...]:
    """What a change alters, one sentence each: secrets first, then rights.

    Wildcards are expanded, so that rewriting a policy without effect says nothing, and narrowing one says what goes.

    Args:
        before: as it is.
        after: as it would be.
        table: `policies/data/iam_actions.json`.
    """
    return (*_secret_changes(before, after), *_right_changes(before, after, table))


def _secret_changes(before: IamWorld, after: IamWorld) -> Iterator[str]:
    old, new = _reader_map(before), _reader_map(after)
    for key in sorted(old.keys() | new.keys()):
        who, what = key
        was, now = old.get(key), new.get(key)
        if was is None and now is not None:
            yield f"{who} may now read secret {what}{now.limits}; it could not"
        elif now is None:
            yield f"{who} may no longer read secret {what}; it could"
        elif was is not None and was.limits != now.limits:
            yield f"{who} may read secret {what}{now.limits or ' always'}; it could{was.limits or ' always'}"


def _reader_map(world: IamWorld) -> dict[tuple[str, str], Decision]:
    return {(item.identity, item.secret): item.decision for item in secret_readers(world.identities, world.secrets)}


def _right_changes(before: IamWorld, after: IamWorld, table: Mapping[str, Any]) -> Iterator[str]:
    old, new = _right_map(before, table), _right_map(after, table)
    for who in sorted(old.keys() | new.keys()):
        had, has = old.get(who, frozenset()), new.get(who, frozenset())
        yield from (f"{who} may now {text}" for text in sorted(has - had))
        yield from (f"{who} may no longer {text}" for text in sorted(had - has))


def _right_map(world: IamWorld, table: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {item.label: frozenset(str(right) for right in rights(item, table)) for item in world.identities}


def world_of(spec: Spec) -> IamWorld:
    """The AWS identities and the secrets of a spec, by the names they get in AWS.

    Identities are its service accounts, and the role with which ECS starts each agent and hands it its token.
    Boundaries are ARNs there, their documents are not known: what is said is what the policies alone allow.
    """
    account, region = (spec.aws.account_id, spec.aws.region) if spec.aws else ("", "")
    secrets = {secret.name: secret for secret in _secrets(spec, account, region)}
    accounts = (
        _identity(spec, item, account)
        for item in spec.service_accounts.values()
        if item.platform == "aws" and item.existing is None
    )
    starters = (_starter(spec, name, account, secrets) for name in spec.agents)
    identities = (*accounts, *(item for item in starters if item is not None))
    return IamWorld(identities=identities, secrets=tuple(secrets.values()))


def _starter(spec: Spec, agent: str, account: str, secrets: Mapping[str, Secret]) -> IamIdentity | None:
    """The execution role of an agent on Fargate, as its Terraform module makes it, as far as secrets go."""
    entry = spec.agents[agent]
    secret = secrets.get(entry.api_token)
    if entry.runtime.kind != "ecs_fargate" or secret is None:
        return None
    name = f"{cloud_name(spec.environment, agent, limit=_DERIVED_NAMES)}-execution"
    read = Statement(sid="ReadSecrets", actions=(READ_SECRET.lower(),), resources=(secret.arn,))
    arn = f"arn:aws:iam::{account}:role/{name}"
    return IamIdentity(kind="role", name=name, arn=arn, statements=(read,), shown_as=f"that starts agent {agent}")


def _identity(spec: Spec, item: ServiceAccount, account: str) -> IamIdentity:
    name = cloud_name(spec.environment, item.name)
    return IamIdentity(
        kind=item.principal,
        name=name,
        arn=f"arn:aws:iam::{account}:{item.principal}/{name}",
        statements=tuple(statement_of(permission) for permission in item.permissions),
        shown_as=item.name,
    )


def statement_of(permission: Permission) -> Statement:
    """A permission of a spec as the statement that Terraform makes of it."""
    conditions: dict[str, dict[str, Any]] = {}
    for item in permission.conditions:
        conditions.setdefault(str(item["operator"]), {})[str(item["key"])] = item["values"]
    return Statement(
        sid=permission.sid or "",
        actions=tuple(action.lower() for action in permission.actions),
        resources=permission.resources,
        conditions=conditions,
    )


def _secrets(spec: Spec, account: str, region: str) -> Iterator[Secret]:
    for name, credential in spec.credentials.items():
        store = spec.secret_stores.get(credential.store)
        if store is not None and store.kind == "aws_secrets_manager":
            prefix = str(setting(store.settings, "prefix"))
            where = str(setting(store.settings, "region")) or region
            yield Secret(name=name, arn=secret_arn(where, account, secret_name(prefix, name)))

"""Rules over rights: permissions and trust of the spec, and every policy document that a plan shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lifecycle.domain.plan import ResourceChange
from lifecycle.domain.spec import ServiceAccount
from lifecycle.policy_engine.iam_documents import (
    Statement,
    every_action,
    every_resource,
    has_no_resource_level,
    parse_document,
    reaches,
)
from lifecycle.policy_engine.rule import ChangeRule, Observation, RuleContext, SpecRule, known, unknown

_IDENTITY_POLICIES = ("aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy", "aws_iam_policy")
_RESOURCE_POLICIES = (
    "aws_secretsmanager_secret",
    "aws_secretsmanager_secret_policy",
    "aws_sqs_queue",
    "aws_sqs_queue_policy",
    "aws_sns_topic",
    "aws_sns_topic_policy",
    "aws_s3_bucket_policy",
    "aws_kms_key",
    "aws_kms_key_policy",
    "aws_ecr_repository_policy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    """One allow statement of a service account with its place."""

    account: str
    path: str
    statement: Statement

    def says(self, text: str, evidence: str) -> Observation:
        message = f"service_accounts.{self.account} {text}"
        return Observation(message=message, key_path=self.path, evidence=evidence)


def _granted(context: RuleContext) -> tuple[_Granted, ...]:
    """Worked out once for the rules that ask; thousands of accounts would be read five times."""
    if "granted" not in context.shared:
        context.shared["granted"] = tuple(_all_granted(context))
    found: tuple[_Granted, ...] = context.shared["granted"]
    return found


def _all_granted(context: RuleContext) -> Iterator[_Granted]:
    for name, account in context.spec.service_accounts.items():
        for number, item in enumerate(account.permissions):
            statement = Statement(
                actions=tuple(action.lower() for action in item.actions),
                resources=item.resources,
                conditions={str(n): dict(condition) for n, condition in enumerate(item.conditions)},
            )
            path = f"service_accounts.{name}.permissions.{number}"
            yield _Granted(account=name, path=path, statement=statement)


def _all_actions(context: RuleContext) -> Iterator[Observation]:
    for granted in _granted(context):
        for action in granted.statement.actions:
            if every_action(action):
                yield granted.says(f"may do everything ({action})", action)


def _wide_actions(context: RuleContext) -> Iterator[Observation]:
    for granted in _granted(context):
        for action in granted.statement.actions:
            if "*" in action and not every_action(action):
                yield granted.says(f"may do every action that begins like {action}, future ones too", action)


def _all_resources(context: RuleContext) -> Iterator[Observation]:
    table = context.tables["actions_without_resource_level"]
    for granted in _granted(context):
        wide = [resource for resource in granted.statement.resources if every_resource(resource)]
        limited = [action for action in granted.statement.actions if not has_no_resource_level(action, table)]
        if wide and limited:
            yield granted.says(f"may do {', '.join(limited)} to everything ({wide[0]})", wide[0])


def _escalation(context: RuleContext) -> Iterator[Observation]:
    for granted in _granted(context):
        for pattern in granted.statement.actions:
            for action, harm in context.tables["privilege_escalation"]["actions"].items():
                if reaches(pattern, action):
                    yield granted.says(f"may {action}: {harm}", pattern)


def _secret_reach(context: RuleContext) -> Iterator[Observation]:
    for granted in _granted(context):
        reading = [a for a in granted.statement.actions if reaches(a, "secretsmanager:getsecretvalue")]
        wide = [r for r in granted.statement.resources if every_resource(r) or r.endswith((":secret:*", ":secret*"))]
        if reading and wide:
            yield granted.says("may read every secret of the account", wide[0])


def _trusting(context: RuleContext) -> Iterator[tuple[str, ServiceAccount]]:
    for name, account in context.spec.service_accounts.items():
        if account.trust is not None:
            yield f"service_accounts.{name}.trust", account


def _foreign_account(context: RuleContext) -> Iterator[Observation]:
    home = context.spec.aws.account_id if context.spec.aws else ""
    for path, account in _trusting(context):
        trust = account.trust
        if trust and trust.account and trust.account != home and not trust.external_id:
            text = f"service_accounts.{account.name} may be assumed by account {trust.account} without an external id"
            yield Observation(message=text, key_path=path, evidence=trust.account)


def _wide_subject(context: RuleContext) -> Iterator[Observation]:
    for path, account in _trusting(context):
        oidc = account.trust.oidc if account.trust else None
        if oidc is None:
            continue
        fixed = oidc.subject.partition("*")[0]
        if "*" in oidc.audience or oidc.subject.count(":") < 2 or fixed.count("/") < 1 or fixed.endswith("/"):
            text = f"service_accounts.{account.name} may be assumed by more than one repository ({oidc.subject})"
            yield Observation(message=text, key_path=f"{path}.oidc.subject", evidence=oidc.subject)


def _wide_service(context: RuleContext) -> Iterator[Observation]:
    for path, account in _trusting(context):
        service = account.trust.service if account.trust else None
        if service is not None and service.removesuffix(".amazonaws.com") not in context.parameters["services"]:
            text = f"service_accounts.{account.name} may be assumed by the service {service}"
            yield Observation(message=text, key_path=f"{path}.service", evidence=service)


def _boundary(context: RuleContext) -> Iterator[Observation]:
    default = context.spec.aws.permissions_boundary if context.spec.aws else None
    for name, account in context.spec.service_accounts.items():
        if account.platform == "aws" and account.existing is None and not (account.permissions_boundary or default):
            text = f"service_accounts.{name} has no permissions boundary"
            yield Observation(message=text, key_path=f"service_accounts.{name}.permissions_boundary")


def _planned(change: ResourceChange, attribute: str) -> tuple[Statement, ...]:
    text = change.after.get(attribute)
    return parse_document(text) if isinstance(text, str) and text.strip() else ()


def _planned_rights(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    # Unknown because it embeds the ARN of something new: such a document is judged from the spec (LC-IAM-001 to 005),
    # which is only possible when an entry of the spec stands behind it.
    if unknown(change, "policy"):
        if not change.entry:
            known(change, "policy")
        return
    table = context.tables["actions_without_resource_level"]
    for statement in _planned(change, "policy"):
        problem = _too_much(statement, table) if statement.allow else ""
        if problem:
            yield Observation(message=f"{change.address} {problem}", change=change, evidence=statement.sid or problem)


def _too_much(statement: Statement, table: Any) -> str:
    if statement.not_actions:
        return "allows everything but a list (NotAction)"
    if statement.not_resources:
        return "allows on everything but a list (NotResource)"
    everything = [action for action in statement.actions if every_action(action)]
    if everything:
        return f"allows every action ({everything[0]})"
    limited = [action for action in statement.actions if not has_no_resource_level(action, table)]
    if limited and any(every_resource(resource) for resource in statement.resources):
        return f"allows {', '.join(limited)} on everything"
    return ""


def _planned_trust(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if unknown(change, "assume_role_policy"):
        if not change.entry:
            known(change, "assume_role_policy")
        return
    for statement in _planned(change, "assume_role_policy"):
        if statement.allow and (statement.not_principal or any("*" in p for p in statement.principals)):
            text = f"{change.address} may be assumed by anybody"
            yield Observation(message=text, change=change, evidence=", ".join(statement.principals))


def _planned_public(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if unknown(change, "policy"):
        if not change.entry:
            known(change, "policy")
        return
    for statement in _planned(change, "policy"):
        if statement.allow and not statement.conditions and (statement.not_principal or "*" in statement.principals):
            text = f"{change.address} is open to every AWS account"
            yield Observation(message=text, change=change, evidence=statement.sid or "Principal *")


def _broad_managed(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    arn = str(known(change, "policy_arn"))
    name = arn.rpartition("/")[2]
    if arn.startswith("arn:aws:iam::aws:") and (name in context.parameters["names"] or name.endswith("FullAccess")):
        yield Observation(message=f"{change.address} attaches {name}", change=change, evidence=arn)


RULES = (
    SpecRule(id="LC-IAM-001", check=_all_actions),
    SpecRule(id="LC-IAM-002", check=_wide_actions),
    SpecRule(id="LC-IAM-003", check=_all_resources),
    SpecRule(id="LC-IAM-004", check=_escalation),
    SpecRule(id="LC-IAM-005", check=_secret_reach),
    SpecRule(id="LC-IAM-006", check=_foreign_account),
    SpecRule(id="LC-IAM-007", check=_wide_subject),
    SpecRule(id="LC-IAM-008", check=_wide_service, parameters={"services": list}),
    SpecRule(id="LC-IAM-009", check=_boundary),
    ChangeRule(id="LC-IAM-010", check=_planned_rights, types=_IDENTITY_POLICIES),
    ChangeRule(id="LC-IAM-011", check=_planned_trust, types=("aws_iam_role",)),
    ChangeRule(id="LC-IAM-012", check=_planned_public, types=_RESOURCE_POLICIES),
    ChangeRule(
        id="LC-IAM-013", check=_broad_managed, types=("aws_iam_*_policy_attachment",), parameters={"names": list}
    ),
)

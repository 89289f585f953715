"""Puts the review of Vault policies under the gate: every policy file, and every `vault_policy` of a plan.

Policies are judged as a token holds them: those with the same `token` together, since a narrow stanza of one may lift
what another denies. A file that cannot be read is one finding (LC-VAULT-012) on its line, and no rule passes over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from lifecycle.domain.errors import ConfigurationError, Problem
from lifecycle.domain.plan import ResourceChange
from lifecycle.domain.policy import Finding, PolicyDocument, Severity
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.generate_names import VAULT, setting
from lifecycle.policy_engine.rule import ChangeRule, Observation, RuleContext, SpecRule, known
from lifecycle.policy_engine.vault_acl import AclPolicy, parse_acl_policy
from lifecycle.policy_engine.vault_acl_rules import RULES as ACL_RULES
from lifecycle.policy_engine.vault_acl_rules import KvMount, vault_findings

KIND = "vault_acl"
_UNREADABLE = "LC-VAULT-012"
_PLANNED = "LC-VAULT-013"


@lru_cache(maxsize=512)
def _parsed(document: PolicyDocument) -> AclPolicy | Problem:
    try:
        return parse_acl_policy(document.text, name=document.name, file=document.file)
    except ConfigurationError as error:
        return error.problems[0]


def _documents(context: RuleContext) -> tuple[PolicyDocument, ...]:
    return context.subject.documents.get(KIND, ())


def kv_mounts(spec: Spec) -> tuple[KvMount, ...]:
    """The KV mounts of the environment's stores, and what of them is this environment's."""
    return tuple(
        KvMount(path=str(setting(store.settings, "mount", "kv")), prefix=str(setting(store.settings, "prefix")))
        for _, store in sorted(spec.secret_stores.items())
        if store.kind == VAULT
    )


def _held(context: RuleContext) -> Iterator[tuple[AclPolicy, ...]]:
    tokens: dict[str, list[AclPolicy]] = {}
    for document in _documents(context):
        policy = _parsed(document)
        if isinstance(policy, AclPolicy):
            tokens.setdefault(document.token, []).append(policy)
    yield from (tuple(policies) for _, policies in sorted(tokens.items()))


def _judge(context: RuleContext, policies: tuple[AclPolicy, ...]) -> tuple[Finding, ...]:
    return vault_findings(policies, mounts=kv_mounts(context.spec), table=context.tables["vault_paths"])


def _check(rule: str) -> Callable[[RuleContext], Iterator[Observation]]:
    def check(context: RuleContext) -> Iterator[Observation]:
        for policies in _held(context):
            for found in _judge(context, policies):
                if found.rule == rule:
                    yield Observation(
                        message=found.message, place=found.place, evidence=found.evidence, remedy=found.remedy
                    )

    return check


def _unreadable(context: RuleContext) -> Iterator[Observation]:
    for document in _documents(context):
        problem = _parsed(document)
        if isinstance(problem, Problem):
            text = f"policy {document.name} cannot be read: {problem.message}"
            yield Observation(message=text, place=problem.place, remedy=problem.remedy, evidence=document.file)


def _planned(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    name = str(change.after.get("name", "")) or change.address
    text = known(change, "policy")
    policy = _parsed(PolicyDocument(name=name, text=str(text or ""), file=change.address))
    if isinstance(policy, Problem):
        yield Observation(
            message=f"{change.address} holds a policy that cannot be read: {policy.message}",
            change=change,
            remedy=policy.remedy,
        )
        return
    for found in _judge(context, (policy,)):
        if found.severity is Severity.ERROR:
            where = f"line {found.place.line}" if found.place else "as a whole"
            text = f"{change.address}: {found.message} ({found.rule}, {where})"
            yield Observation(message=text, change=change, evidence=found.evidence, remedy=found.remedy)


RULES: tuple[SpecRule | ChangeRule, ...] = (
    *(SpecRule(id=rule.id, check=_check(rule.id)) for rule in ACL_RULES),
    SpecRule(id=_UNREADABLE, check=_unreadable),
    ChangeRule(id=_PLANNED, check=_planned, types=("vault_policy",)),
)

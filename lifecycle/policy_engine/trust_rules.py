"""Puts the semantics of trust policies under the gate: who may assume each role that a plan makes or changes.

A document that is known only after apply is judged from the spec (LC-IAM-006 to 008), which is possible only when an
entry of the spec stands behind it; any other is not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lifecycle.domain.plan import ResourceChange
from lifecycle.policy_engine.iam_semantics_trust import TrustSubject, trust_findings
from lifecycle.policy_engine.rule import ChangeRule, Observation, RuleContext, known, unknown

_ATTRIBUTE = "assume_role_policy"
_IDS = tuple(f"LC-TRUST-00{number}" for number in range(1, 6))


def _check(rule: str) -> Callable[[RuleContext, ResourceChange], Iterator[Observation]]:
    def check(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
        if unknown(change, _ATTRIBUTE):
            if not change.entry:
                known(change, _ATTRIBUTE)
            return
        document = change.after.get(_ATTRIBUTE)
        if not document:  # a role whose trust this change leaves alone
            return
        home = context.spec.aws.account_id if context.spec.aws else ""
        subject = TrustSubject(label=change.address, document=str(document), home_account=home)
        for found in trust_findings(subject):
            if found.rule == rule:
                yield Observation(
                    message=found.message,
                    change=change,
                    key_path=_place_of(context, change),
                    evidence=found.evidence,
                    remedy=found.remedy,
                    severity=found.severity,
                )

    return check


def _place_of(context: RuleContext, change: ResourceChange) -> str:
    path = f"{change.entry}.trust"
    return path if change.entry and context.spec.place_of(path) is not None else change.entry


RULES = tuple(ChangeRule(id=rule, check=_check(rule), types=("aws_iam_role",)) for rule in _IDS)

"""What an AWS identity may do: deny over allow, permissions boundary, NotAction, NotResource; conditions are reported.

1. A statement that denies without a condition ends it. One with a condition is told: "unless …".
2. What an identity policy allows counts only where the boundary, if there is one, allows it too.
3. A resource policy that names the identity (or everybody) allows on its own; the account root there delegates only.
4. Nothing else is allowed. Conditions are never evaluated: they depend on the request. They are told: "only if …".

Organisation policies and session policies can only narrow this; they are not seen here.

Source: IAM user guide, "Policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lifecycle.policy_engine.iam_documents import Statement
from lifecycle.policy_engine.iam_semantics_match import filled, matches


class Outcome(StrEnum):
    """The answer to "may it?"."""

    ALLOWED = "allowed"
    CONDITIONAL = "conditional"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IamIdentity:
    """A role or user with everything attached to it.

    Attributes:
        kind: `role` or `user`.
        name: its name in AWS.
        arn: its ARN.
        statements: of all its identity policies.
        boundary: of its permissions boundary; None = it has none, or its document is not known here.
        shown_as: how sentences name it; empty = by `name`.
    """

    kind: str
    name: str
    arn: str
    statements: tuple[Statement, ...] = ()
    boundary: tuple[Statement, ...] | None = None
    shown_as: str = ""

    @property
    def label(self) -> str:
        """`role scoring-pipeline`."""
        return f"{self.kind} {self.shown_as or self.name}"

    @property
    def variables(self) -> Mapping[str, str]:
        """The policy variables that are known without a request."""
        parts = self.arn.split(":")
        account = parts[4] if len(parts) > 4 else ""
        known = {"aws:principalaccount": account, "aws:principalarn": self.arn}
        return {**known, "aws:username": self.name} if self.kind == "user" else known


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What comes of one request.

    Attributes:
        outcome: the answer.
        because: statements that allow or deny, by Sid or number.
        only_if: conditions of those that allow; empty when one allows without any.
        unless: conditions of those that deny.
    """

    outcome: Outcome
    because: tuple[str, ...] = ()
    only_if: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether some request would be let through."""
        return self.outcome in (Outcome.ALLOWED, Outcome.CONDITIONAL)

    @property
    def limits(self) -> str:
        """The conditions in words, with a leading space; empty when there are none."""
        only = f" only if {' and '.join(self.only_if)}" if self.only_if else ""
        return f"{only}{' unless ' + ' or '.join(self.unless) if self.unless else ''}"


@dataclass(slots=True)
class _Side:
    """What one set of policies says about a request."""

    allowing: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    denying: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    @property
    def plain_denial(self) -> str:
        return next((name for name, limits in self.denying if not limits), "")

    @property
    def only_if(self) -> tuple[str, ...]:
        """Empty when a statement allows without a condition."""
        if not self.allowing or any(not limits for _, limits in self.allowing):
            return ()
        ways = [" and ".join(limits) for _, limits in self.allowing]
        return (" or ".join(dict.fromkeys(ways)),)


def decide(
    identity: IamIdentity, action: str, resource: str, *, resource_policy: tuple[Statement, ...] = ()
) -> Decision:
    """Whether an identity may do one thing to one object, in its own account.

    Args:
        identity: who asks.
        action: e.g. `secretsmanager:GetSecretValue`.
        resource: a concrete ARN.
        resource_policy: of the object, if it has one.
    """
    own = _side(identity, identity.statements, action, resource)
    bound = _side(identity, identity.boundary or (), action, resource)
    there = _side(identity, tuple(s for s in resource_policy if _names(s, identity)), action, resource)
    denial = own.plain_denial or bound.plain_denial or there.plain_denial
    if denial:
        return Decision(outcome=Outcome.DENIED, because=(denial,))
    by_identity = bool(own.allowing) and (identity.boundary is None or bool(bound.allowing))
    if not by_identity and not there.allowing:
        return Decision(outcome=Outcome.NOT_ALLOWED)
    ways = [tuple(dict.fromkeys((*own.only_if, *bound.only_if)))] if by_identity else []
    ways += [there.only_if] if there.allowing else []
    only_if = () if () in ways else ways[0] if len(ways) == 1 else (" or ".join(" and ".join(way) for way in ways),)
    denying = (*own.denying, *bound.denying, *there.denying)
    unless = tuple(dict.fromkeys(" and ".join(limits) for _, limits in denying))
    return Decision(
        outcome=Outcome.CONDITIONAL if only_if or unless else Outcome.ALLOWED,
        because=tuple(name for name, _ in (*(own.allowing if by_identity else ()), *there.allowing)),
        only_if=only_if,
        unless=unless,
    )


def _side(identity: IamIdentity, statements: tuple[Statement, ...], action: str, resource: str) -> _Side:
    side = _Side()
    for number, statement in enumerate(statements, start=1):
        if not concerns_action(statement, action):
            continue
        met, unknown = _meets_resource(identity, statement, resource)
        if met:
            name = statement.sid or f"statement {number}"
            fits = tuple(f"${{{variable}}} fits" for variable in unknown)
            entry = (name, (*conditions_in_words(statement.conditions), *fits))
            (side.allowing if statement.allow else side.denying).append(entry)
    return side


def concerns_action(statement: Statement, action: str) -> bool:
    """Whether a statement is about an action, by Action or NotAction."""
    action = action.lower()
    if statement.not_actions:
        return not any(matches(pattern, action) for pattern in statement.not_actions)
    return any(matches(pattern, action) for pattern in statement.actions)


def _meets_resource(identity: IamIdentity, statement: Statement, resource: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a statement is about a resource, and the variables on which that depends."""
    if statement.not_resources:
        left_out = [filled(pattern, identity.variables) for pattern in statement.not_resources]
        hit = [unknown for pattern, unknown in left_out if matches(pattern, resource)]
        return not any(not unknown for unknown in hit), tuple(name for unknown in hit for name in unknown)
    found = [filled(pattern, identity.variables) for pattern in statement.resources or ("*",)]
    met = [unknown for pattern, unknown in found if matches(pattern, resource)]
    return bool(met), () if () in met else (met[0] if met else ())


def _names(statement: Statement, identity: IamIdentity) -> bool:
    """Whether a statement of a resource policy speaks of an identity."""
    if statement.not_principal:
        return not _listed(statement, identity)
    account = identity.arn.split(":")[4] if identity.arn.count(":") > 4 else ""
    root = {account, f"{':'.join(identity.arn.split(':')[:5])}:root"} if not statement.allow else set()
    return _listed(statement, identity) or bool(root & set(statement.principals))


def _listed(statement: Statement, identity: IamIdentity) -> bool:
    return "*" in statement.principals or identity.arn in statement.principals


def conditions_in_words(conditions: Mapping[str, Any]) -> tuple[str, ...]:
    """Each condition as `StringEquals aws:SourceVpce vpce-1`, sorted."""
    return tuple(
        f"{operator} {key} {_values(value)}"
        for operator in sorted(conditions)
        for key, value in sorted(dict(conditions[operator]).items())
    )


def _values(value: Any) -> str:
    return " or ".join(sorted(str(item) for item in value)) if isinstance(value, list | tuple) else str(value)


def allowing(identity: IamIdentity) -> Iterator[tuple[str, str, tuple[str, ...], Statement]]:
    """Each action pattern with each resource that an identity policy allows, and its conditions in words.

    NotAction stands as `*`, NotResource as `*`: what they leave out is left out again by `decide`.
    """
    for statement in identity.statements:
        if not statement.allow:
            continue
        limits = conditions_in_words(statement.conditions)
        for action in statement.actions or ("*",):
            for pattern in ("*",) if statement.not_resources else statement.resources or ("*",):
                resource, unknown = filled(pattern, identity.variables)
                yield action, resource, (*limits, *(f"${{{name}}} fits" for name in unknown)), statement

"""All rights of an identity, wildcards expanded, denials and boundary taken off; and how they add up to more.

A right is told at the granularity of its statement: an action and a resource pattern. It is left out when a denial
without condition covers all of it, and narrowed to the boundary's pattern where that is the narrower one; where they
only overlap, the boundary's pattern is told as a condition. What NotResource leaves out is not taken off: ask `decide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.policy_engine.iam_documents import Statement
from lifecycle.policy_engine.iam_semantics import IamIdentity, allowing, concerns_action, conditions_in_words
from lifecycle.policy_engine.iam_semantics_match import covers, every_action, expand, filled, meet


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One thing that an identity may do.

    Attributes:
        action: in lower case; a pattern where the table does not know the service.
        resource: a pattern.
        only_if: conditions in words.
    """

    action: str
    resource: str
    only_if: tuple[str, ...] = ()

    def __str__(self) -> str:
        limits = f" only if {' and '.join(self.only_if)}" if self.only_if else ""
        return f"{self.action} on {self.resource}{limits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A combination of rights with which an identity could get more than they say.

    Attributes:
        id: of the combination in the table.
        harm: what it could do, in words.
        rights: one right per action of the combination.
    """

    id: str
    harm: str
    rights: tuple[Right, ...]

    @property
    def conditional(self) -> bool:
        """Whether one of the rights has a condition."""
        return any(right.only_if for right in self.rights)


def rights(identity: IamIdentity, table: Mapping[str, Any]) -> frozenset[Right]:
    """Everything an identity may do, by its own policies.

    Args:
        identity: role or user.
        table: `policies/data/iam_actions.json`.
    """
    return frozenset(
        right
        for pattern, resource, limits, statement in allowing(identity)
        for action in _actions(pattern, statement, table)
        if not _denied(identity, identity.statements, action, resource)
        for right in _bounded(identity, Right(action=action, resource=resource, only_if=limits))
    )


def _actions(pattern: str, statement: Statement, table: Mapping[str, Any]) -> frozenset[str]:
    found = every_action(table) if statement.not_actions else expand(pattern, table).actions
    return frozenset(action for action in found if concerns_action(statement, action))


def _denied(identity: IamIdentity, statements: tuple[Statement, ...], action: str, resource: str) -> bool:
    """Whether a denial without condition covers all of a right."""
    for statement in statements:
        if statement.allow or statement.conditions or not concerns_action(statement, action):
            continue
        if statement.not_resources:
            # All but a list: covers the right when nothing of the list meets it.
            left_out = [filled(pattern, identity.variables)[0] for pattern in statement.not_resources]
            if not any(meet(pattern, resource) for pattern in left_out):
                return True
            continue
        for pattern in statement.resources or ("*",):
            known, unknown = filled(pattern, identity.variables)
            if not unknown and covers(known, resource):
                return True
    return False


def _bounded(identity: IamIdentity, right: Right) -> Iterator[Right]:
    if identity.boundary is None:
        yield right
        return
    if _denied(identity, identity.boundary, right.action, right.resource):
        return
    for statement in identity.boundary:
        if not statement.allow or not concerns_action(statement, right.action):
            continue
        limits = tuple(dict.fromkeys((*right.only_if, *conditions_in_words(statement.conditions))))
        for pattern in ("*",) if statement.not_resources else statement.resources or ("*",):
            known, _ = filled(pattern, identity.variables)
            if covers(known, right.resource):
                yield Right(action=right.action, resource=right.resource, only_if=limits)
            elif covers(right.resource, known):
                yield Right(action=right.action, resource=known, only_if=limits)
            elif meet(known, right.resource):
                # What both match is no pattern of its own, so the boundary's is told as a condition.
                yield Right(action=right.action, resource=right.resource, only_if=(*limits, f"within {known}"))


def escalations(
    identity: IamIdentity, table: Mapping[str, Any], combinations: Mapping[str, Any]
) -> tuple[Escalation, ...]:
    """Every combination of the table that an identity can carry out on something other than itself.

    Args:
        identity: role or user.
        table: `policies/data/iam_actions.json`.
        combinations: `policies/data/iam_escalation_paths.json`.
    """
    held: dict[str, list[Right]] = {}
    for right in sorted(rights(identity, table), key=lambda right: (bool(right.only_if), right)):
        held.setdefault(right.action, []).append(right)
    found: list[Escalation] = []
    for combination in combinations["combinations"]:
        own = combination.get("not_on_itself", False)
        chosen = [_first(held, identity, wanted.lower(), own=own) for wanted in combination["all_of"]]
        used = tuple(right for right in chosen if right is not None)
        if len(used) == len(chosen):
            found.append(Escalation(id=combination["id"], harm=combination["harm"], rights=used))
    return tuple(found)


def _first(held: Mapping[str, list[Right]], identity: IamIdentity, action: str, *, own: bool) -> Right | None:
    """The right to an action, one without conditions first; with `own`, not one that reaches only the identity."""
    candidates = held.get(action, [])
    return next((right for right in candidates if not (own and right.resource == identity.arn)), None)

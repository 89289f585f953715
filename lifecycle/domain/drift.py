"""What changed outside Terraform, split into what this tool did itself and what nobody announced. Pure.

1. Some attributes mirror other resources that Terraform makes later in the same apply (a role's inline policies, a
   security group's rules). They are empty in the state until the next refresh: seen for the first time, they are
   expected.
2. Some are rotation's: an agent's service is scaled from 0 by its first delivery.
3. Everything else is drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.domain.plan import Action, ResourceChange

MIRRORED: Mapping[str, frozenset[str]] = {
    "aws_iam_role": frozenset({"inline_policy", "managed_policy_arns"}),
    "aws_security_group": frozenset({"egress", "ingress"}),
    "aws_secretsmanager_secret": frozenset({"policy"}),
}
ROTATED: Mapping[str, frozenset[str]] = {"aws_ecs_service": frozenset({"desired_count", "task_definition"})}
# Bookkeeping of the provider: which tags exist says `tags`, and a plan shows a change of it.
_IGNORED = frozenset({"tags_all", "timeouts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """One object that changed outside, and in which attributes."""

    address: str
    action: Action
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`unexpected` needs a person; `expected` explains itself and is recorded by a refresh."""

    unexpected: tuple[Drifted, ...]
    expected: tuple[Drifted, ...]

    @property
    def clean(self) -> bool:
        """Nothing unexpected changed."""
        return not self.unexpected

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {
            "clean": self.clean,
            "unexpected": [_document(item) for item in self.unexpected],
            "expected": [_document(item) for item in self.expected],
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [_line(item) for item in self.unexpected] or ["no drift"]
        if self.expected:
            lines.append(f"({len(self.expected)} objects differ as rotation or a first refresh explains)")
        return lines


def split(changes: tuple[ResourceChange, ...]) -> Drift:
    """Sort the changes that a refresh found."""
    found = [(change, changed_attributes(change)) for change in changes if change.action is not Action.NO_OP]
    unexpected: list[Drifted] = []
    expected: list[Drifted] = []
    for change, names in found:
        open_names = tuple(name for name in names if not _explained(change, name))
        target = unexpected if open_names or change.action is not Action.UPDATE else expected
        target.append(Drifted(address=change.address, action=change.action, attributes=open_names or names))
    return Drift(unexpected=tuple(unexpected), expected=tuple(expected))


def changed_attributes(change: ResourceChange) -> tuple[str, ...]:
    """Names of the attributes that differ, without the provider's bookkeeping."""
    names = {*change.before, *change.after} - _IGNORED
    return tuple(
        sorted(name for name in names if (change.before.get(name) or None) != (change.after.get(name) or None))
    )


def _explained(change: ResourceChange, name: str) -> bool:
    if name in ROTATED.get(change.type, ()):
        return True
    return name in MIRRORED.get(change.type, ()) and not change.before.get(name)


def _line(item: Drifted) -> str:
    if item.action is Action.DELETE:
        return f"{item.address}: is gone"
    return f"{item.address}: changed outside: {', '.join(item.attributes)}"


def _document(item: Drifted) -> dict[str, Any]:
    return {"address": item.address, "action": str(item.action), "attributes": list(item.attributes)}

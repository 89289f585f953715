"""What a typed rule is, what it may look at, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from lifecycle.domain.errors import Place
from lifecycle.domain.plan import Action, Plan, ResourceChange
from lifecycle.domain.policy import GateInput, Severity
from lifecycle.domain.spec import Spec

WRITING = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE})
DESTROYING = frozenset({Action.DELETE, Action.REPLACE})


class UnknownValueError(Exception):
    """A rule met a value that Terraform does not know before apply. The engine turns it into "not passed"."""

    def __init__(self, change: ResourceChange, attribute: str) -> None:
        super().__init__(f"{change.address}.{attribute}")
        self.change = change
        self.attribute = attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one check saw; the engine adds rule, severity, place, remedy and controls.

    Attributes:
        message: what is wrong with which object.
        key_path: where in the spec, e.g. `allowlists.x.entries.0.host`; its first two parts name the entry.
        change: the plan change it is about.
        evidence: the value that made it fire; never a secret.
        remedy: what to do, where it names this object; empty = the rule's own.
        place: where exactly, when it is not a line of the spec; None = the place of `key_path`, else of the entry.
        severity: how bad this one is, where the rule tells grades apart; None = the rule's own.
    """

    message: str
    key_path: str = ""
    change: ResourceChange | None = None
    evidence: str = ""
    remedy: str = ""
    place: Place | None = None
    severity: Severity | None = None


def _nobody_waits() -> None:
    """For rules that run where nobody watches their progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleContext:
    """Everything a check may look at.

    Attributes:
        subject: the gate's input.
        today: one reading of the clock for the whole evaluation.
        parameters: of this rule, for this environment.
        tables: dated data tables by name.
        bundle_digest: of the rules in force.
        shared: what rules of one evaluation work out once for all of them, by a name of theirs.
        tick: called by expression rules before each object, so that one that stands still can be told.
    """

    subject: GateInput
    today: date
    bundle_digest: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tick: Callable[[], None] = _nobody_waits
    shared: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        """The resolved spec."""
        return self.subject.spec

    @property
    def plan(self) -> Plan:
        """The decoded plan. Only rules that need a plan ask, and they run only when there is one."""
        if self.subject.plan is None:
            raise LookupError("this rule needs a plan")
        return self.subject.plan


SpecCheck = Callable[[RuleContext], Iterable[Observation]]
ChangeCheck = Callable[[RuleContext, ResourceChange], Iterable[Observation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRule:
    """A rule over the spec (and what is known about it); with `needs_plan`, over the plan as a whole."""

    id: str
    check: SpecCheck
    parameters: Mapping[str, type] = field(default_factory=dict)
    needs_plan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule:
    """A rule over single changes of a plan. `types` are patterns; only changes with one of `actions` are shown."""

    id: str
    check: ChangeCheck
    types: tuple[str, ...] = ("*",)
    actions: frozenset[Action] = WRITING
    parameters: Mapping[str, type] = field(default_factory=dict)

    def applies_to(self, kind: str, action: Action) -> bool:
        """Whether the check is to see managed changes of this type with this action."""
        return action in self.actions and _any_matches(self.types, kind)


Rule = SpecRule | ChangeRule


@lru_cache(maxsize=4096)
def _any_matches(patterns: tuple[str, ...], kind: str) -> bool:
    """Kept, since a plan of thousands of changes has a handful of types."""
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def unknown(change: ResourceChange, attribute: str) -> bool:
    """Whether any part of an attribute is known only after apply."""
    return _any_true(change.unknown.get(attribute))


def known(change: ResourceChange, attribute: str) -> Any:
    """An attribute's planned value.

    Raises:
        UnknownValueError: it, or a part of it, is known only after apply.
    """
    if unknown(change, attribute):
        raise UnknownValueError(change, attribute)
    return change.after.get(attribute)


def _any_true(mark: Any) -> bool:
    if isinstance(mark, Mapping):
        return any(_any_true(item) for item in mark.values())
    if isinstance(mark, list | tuple):
        return any(_any_true(item) for item in mark)
    return mark is True

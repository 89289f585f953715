"""Rules over a plan as a whole: unknown actions, destroying, forgetting, strangers, drift."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fnmatch import fnmatchcase

from lifecycle.domain.plan import Action, ResourceChange
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.rule import DESTROYING, ChangeRule, Observation, RuleContext, SpecRule

_WORDS = {Action.DELETE: "destroyed", Action.REPLACE: "destroyed and made anew", Action.FORGET: "forgotten"}


def excepted(spec: Spec, entry: str, today: date) -> bool:
    """Whether `destroy_guard.allow` names this entry and has not lapsed."""
    return bool(entry) and any(e.entry == entry and e.expires >= today for e in spec.destroy_guard.allow)


def _unknown_action(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    yield Observation(
        message=f"{change.address}: the plan holds an action that this version does not know", change=change
    )


def _unguarded(context: RuleContext) -> Iterator[Observation]:
    routine = context.parameters["routine_types"]
    destroyed = [
        change
        for change in context.plan.changing()
        if change.action in DESTROYING
        and change.mode == "managed"
        and not any(fnmatchcase(change.type, pattern) for pattern in routine)
        and not excepted(context.spec, change.entry, context.today)
    ]
    limit = context.spec.destroy_guard.max_destroys
    if len(destroyed) <= limit:
        return
    for change in destroyed:
        text = f"{change.address} would be {_WORDS[change.action]}; {len(destroyed)} such changes, {limit} allowed"
        yield Observation(message=text, change=change, evidence=change.action_reason or str(change.action))


def _data_bearing(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    table = context.tables["data_bearing_types"]["types"]
    if change.type in table and not excepted(context.spec, change.entry, context.today):
        what = table[change.type]
        text = f"{change.address} would be {_WORDS[change.action]}, and with it {what}"
        yield Observation(message=text, change=change, evidence=change.action_reason or str(change.action))


def _forgotten(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if not excepted(context.spec, change.entry, context.today):
        text = f"{change.address} would be forgotten: it keeps existing, and nobody manages it any more"
        yield Observation(message=text, change=change)


def _stranger(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if not change.entry:
        text = f"{change.address} belongs to no entry of the spec, so nobody has declared why it exists"
        yield Observation(message=text, change=change, evidence=change.type)


def _foreign_provider(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    allowed = context.parameters["providers"]
    if not any(fnmatchcase(change.provider, pattern) for pattern in allowed):
        text = f"{change.address} is made by a provider outside the pinned set"
        yield Observation(message=text, change=change, evidence=change.provider or "no provider named")


def _credential_replaced(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    text = f"{change.address} would be {_WORDS[change.action]}: every object that refers to its id would lose it"
    users = dependants(context.spec, change.entry)
    yield Observation(message=f"{text}; in this spec: {', '.join(users)}" if users else text, change=change)


def dependants(spec: Spec, entry: str) -> tuple[str, ...]:
    """Entries that use a credential of the spec, by their key paths."""
    section, _, name = entry.partition(".")
    if section != "credentials" or name not in spec.credentials:
        return ()
    found = {f"connectors.{key}" for key, item in spec.connectors.items() if item.credential == name}
    found |= {f"agents.{key}" for key, item in spec.agents.items() if item.api_token == name}
    for consumer in spec.credentials[name].consumers:
        if consumer.agent:
            found.add(f"agents.{consumer.agent}")
        elif consumer.unobservable:
            found.add(consumer.unobservable.name)
    return tuple(sorted(found))


def _moved_between_entries(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if change.previous_address and change.previous_address.split(".")[-2:-1] != change.address.split(".")[-2:-1]:
        text = f"{change.address} takes over {change.previous_address}, a resource of another type"
        yield Observation(message=text, change=change, evidence=change.previous_address)


def _unexpected_drift(context: RuleContext) -> Iterator[Observation]:
    expected = context.parameters["expected_types"]
    for change in context.plan.drift:
        if not any(fnmatchcase(change.type, pattern) for pattern in expected):
            yield Observation(message=f"{change.address} was changed outside of Terraform", change=change)


RULES = (
    ChangeRule(id="LC-PLAN-001", check=_unknown_action, actions=frozenset({Action.UNKNOWN})),
    SpecRule(id="LC-PLAN-002", check=_unguarded, needs_plan=True, parameters={"routine_types": list}),
    ChangeRule(id="LC-PLAN-003", check=_data_bearing, actions=DESTROYING),
    ChangeRule(id="LC-PLAN-004", check=_forgotten, actions=frozenset({Action.FORGET})),
    ChangeRule(
        id="LC-PLAN-005",
        check=_stranger,
        actions=frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE}),
    ),
    ChangeRule(
        id="LC-PLAN-006",
        check=_foreign_provider,
        actions=frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE}),
        parameters={"providers": list},
    ),
    ChangeRule(
        id="LC-PLAN-007",
        check=_credential_replaced,
        types=("datarobot_*_credential",),
        actions=frozenset({Action.REPLACE}),
    ),
    ChangeRule(
        id="LC-PLAN-008",
        check=_moved_between_entries,
        actions=frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE}),
    ),
    SpecRule(id="LC-PLAN-009", check=_unexpected_drift, needs_plan=True, parameters={"expected_types": list}),
)

"""Decoding a plan: unknown words refuse, sensitive values are dropped."""

import json
from typing import Any

import pytest

from lifecycle.domain.errors import UnsafePlanError
from lifecycle.domain.plan import Action
from lifecycle.terraform_cli.plan_reader import read_plan

_CANARY = "canary-value-7781"


def _shown(*changes: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(
        {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes} | more
    ).encode()


def _change(actions: list[str], **more: Any) -> dict[str, Any]:
    address = more.pop("address", "module.agent_eu-1.aws_ecs_service.this")
    outside = {name: more.pop(name) for name in ("previous_address", "action_reason") if name in more}
    change = {"actions": actions, "before": None, "after": None, "after_unknown": {}} | more
    return {"address": address, "type": "aws_ecs_service", "mode": "managed", "change": change} | outside


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["no-op"], Action.NO_OP),
        (["create"], Action.CREATE),
        (["read"], Action.READ),
        (["update"], Action.UPDATE),
        (["delete"], Action.DELETE),
        (["delete", "create"], Action.REPLACE),
        (["create", "delete"], Action.REPLACE),
        (["forget"], Action.FORGET),
        (["create", "forget"], Action.UNKNOWN),
        (["open"], Action.UNKNOWN),
        ([], Action.UNKNOWN),
    ],
)
def test_each_action_has_one_meaning_and_a_new_word_none(actions: list[str], action: Action) -> None:
    assert read_plan(_shown(_change(actions))).changes[0].action is action


def test_a_change_knows_its_spec_entry() -> None:
    assert read_plan(_shown(_change(["create"]))).changes[0].entry == "agents.eu-1"


@pytest.mark.parametrize(
    ("after", "sensitive", "visible"),
    [
        ({"a": 1, "b": _CANARY}, {"b": True}, {"a": 1}),
        ({"a": {"b": _CANARY, "c": 2}}, {"a": {"b": True}}, {"a": {"c": 2}}),
        ({"a": [{"b": _CANARY}, {"c": 3}]}, {"a": [{"b": True}]}, {"a": [{}, {"c": 3}]}),
        ({"a": [_CANARY, "open"]}, {"a": [True, False]}, {"a": ["open"]}),
        ({"a": _CANARY}, True, {}),
        ({"a": _CANARY}, {"a": {"unexpected": "shape"}}, {"a": None}),
        ({"a": 1}, False, {"a": 1}),
    ],
)
def test_sensitive_values_are_dropped_at_any_depth(after: Any, sensitive: Any, visible: Any) -> None:
    marks = {"after": after, "after_sensitive": sensitive, "before": after, "before_sensitive": sensitive}
    change = read_plan(_shown(_change(["update"], **marks))).changes[0]
    assert change.after == change.before == visible
    assert _CANARY not in repr(change.after) + repr(change)


def test_drift_and_outputs_are_read() -> None:
    plan = read_plan(_shown(resource_drift=[_change(["update"])], output_changes={"agents": {"actions": ["create"]}}))
    assert plan.drift[0].action is Action.UPDATE
    assert plan.output_changes == {"agents": Action.CREATE}
    assert not plan.empty


def test_moves_and_imports_are_no_empty_plan() -> None:
    moved = _change(["no-op"], previous_address="module.agent_eu-0.aws_ecs_service.this")
    imported = _change(["no-op"], importing={"id": "arn"})
    plan = read_plan(_shown(moved, imported, _change(["no-op"])))
    assert [(c.action, c.action_reason) for c in plan.changes] == [
        (Action.UPDATE, "moved"), (Action.UPDATE, "imported"), (Action.NO_OP, ""),
    ]  # fmt: skip
    assert not plan.empty


@pytest.mark.parametrize(
    "shown",
    [
        b"", b"nonsense", b"[]", b"{}", b'{"format_version": 1}', _shown(format_version="2.0"), _shown(errored=True),
        _shown(complete=False),
    ],
)  # fmt: skip
def test_what_is_no_complete_plan_of_a_known_format_is_refused(shown: bytes) -> None:
    with pytest.raises(UnsafePlanError):
        read_plan(shown)

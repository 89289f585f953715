"""Drift is split into what explains itself and what nobody announced."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.domain.drift import split
from lifecycle.domain.plan import Action, ResourceChange


def change(kind: str, before: dict[str, Any], after: dict[str, Any], action: Action = Action.UPDATE) -> ResourceChange:
    return ResourceChange(address=f"module.x.{kind}.this", type=kind, action=action, before=before, after=after)


@pytest.mark.parametrize(
    "seen",
    [
        change("aws_iam_role", {"inline_policy": []}, {"inline_policy": [{"name": "p"}]}),
        change("aws_security_group", {"egress": None}, {"egress": [{"to_port": 443}]}),
        change("aws_ecs_service", {"desired_count": 0}, {"desired_count": 1}),
        change("aws_iam_role", {"tags_all": {}}, {"tags_all": {"a": "b"}}),
    ],
)
def test_what_rotation_or_a_first_refresh_explains_is_no_drift(seen: ResourceChange) -> None:
    drift = split((seen,))
    assert drift.clean
    assert [item.address for item in drift.expected] == [seen.address]
    assert drift.lines()[0] == "no drift"


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (
            change("aws_security_group", {"egress": [1]}, {"egress": [1, 2]}),
            "module.x.aws_security_group.this: changed outside: egress",
        ),
        (
            change("aws_iam_role", {"description": "a"}, {"description": "b"}),
            "module.x.aws_iam_role.this: changed outside: description",
        ),
        (change("aws_iam_user", {"name": "a"}, {}, Action.DELETE), "module.x.aws_iam_user.this: is gone"),
    ],
)
def test_what_nobody_announced_is_named(seen: ResourceChange, line: str) -> None:
    drift = split((seen,))
    assert not drift.clean
    assert drift.lines() == [line]
    assert drift.document()["unexpected"][0]["address"] == seen.address


def test_an_explained_change_does_not_hide_another_of_the_same_object() -> None:
    seen = change("aws_ecs_service", {"desired_count": 0, "cluster": "a"}, {"desired_count": 1, "cluster": "b"})
    assert split((seen,)).unexpected[0].attributes == ("cluster",)

"""Actions compare as IAM compares them, and the two dated tables do not contradict each other."""

import json
from pathlib import Path

import pytest

from lifecycle.policy_engine.iam_documents import has_no_resource_level, reaches

DATA = Path(__file__).parents[3] / "policies" / "data"


@pytest.mark.parametrize(
    ("pattern", "action", "included"),
    [
        ("iam:Create*", "iam:CreateUser", True),
        ("IAM:CREATE??R", "iam:createuser", False),
        ("iam:Create??er", "iam:CreateUser", True),
        ("iam:[Cc]reateUser", "iam:CreateUser", False),
        ("iam:[cd]*", "iam:createuser", False),
        ("*", "iam:createuser", True),
    ],
)
def test_star_and_question_mark_are_wildcards_and_nothing_else_is(pattern: str, action: str, included: bool) -> None:
    assert reaches(pattern, action) is included


def test_no_action_of_the_short_table_takes_a_resource_by_the_long_one() -> None:
    short = json.loads((DATA / "actions_without_resource_level.json").read_text())
    services = json.loads((DATA / "iam_actions.json").read_text())["services"]
    for action in short["actions"]:
        service, _, name = action.lower().partition(":")
        assert name not in services.get(service, {}).get("with_resource", ()), action
    assert not has_no_resource_level("cloudwatch:PutMetricData", short)

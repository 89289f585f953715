"""What people approve says what a plan does, and nothing that a second plan of the same would change."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.grants import compare, entry_kinds, grants
from lifecycle.domain.plan import Action, Manifest, Plan, ResourceChange, Target
from lifecycle.domain.policy import Finding, GateVerdict, Severity
from lifecycle.domain.review import (
    Review,
    ReviewedPlan,
    changes_digest,
    count_line,
    describe,
    folded,
    review_target,
    type_in_words,
)
from tests.unit.operations.infrastructure import PROD, subject

SPEC = subject().spec


def change(action: Action = Action.CREATE, **more: Any) -> ResourceChange:
    fields = {"address": "module.agent_eu-1.aws_sqs_queue.spool", "type": "aws_sqs_queue", "entry": "agents.eu-1"}
    return ResourceChange(action=action, **(fields | more))


def plan(*changes: ResourceChange, **more: Any) -> Plan:
    return Plan(format_version="1.2", terraform_version="1.11.4", changes=changes, **more)


def test_the_words_count_group_and_name_what_is_destroyed() -> None:
    lines = describe(
        plan(
            change(),
            change(address="b", type="aws_ecs_service"),
            change(address="b2", type="aws_ecs_service"),
            change(Action.REPLACE, address="c", type="aws_ecs_task_definition"),
            change(Action.DELETE, address="d", type="aws_secretsmanager_secret", entry="credentials.old"),
            change(Action.NO_OP, address="e"),
        ),
        SPEC,
        previous_grants=grants(SPEC),
    )
    assert lines == (
        "3 to create, 1 to replace, 1 to destroy",
        "agents.eu-1: creates 2 x ECS service, SQS queue",
        "agents.eu-1: destroys and makes anew ECS task definition",
        "credentials.old: destroys Secrets Manager secret",
        "credentials.old gets a new value or ends; nothing declared depends on it",
        "reaches 1 agent, 1 credential; changed: agents.eu-1, credentials.old",
    )


def test_widening_one_allowlist_entry_shows_exactly_that_sentence() -> None:
    entry = {"host": "new.acme.example", "port": 8443, "reason": "new service", "ticket": "NET-9"}
    old = SPEC.allowlists["egress"].entries[0].model_dump(mode="json")
    wider = subject(spec={"allowlists": {"egress": {"entries": [old, entry]}}}).spec
    lines = describe(plan(), wider, previous_grants=grants(SPEC))
    assert lines[1:] == ("newly allowed: new.acme.example on port 8443 is reachable through allowlists.egress",)


def test_a_right_taken_away_is_said() -> None:
    fewer = subject(spec={"service_accounts": {"scoring": {"permissions": []}}}).spec
    change_ = compare(grants(SPEC), grants(fewer))
    assert change_.removed == ("service_accounts.scoring may s3:GetObject on arn:aws:s3:::acme-scoring/*",)
    assert change_.added == ()


@pytest.mark.parametrize(
    ("patch", "sentence"),
    [
        ({"service_accounts": {"scoring": {"trust": {"service": "ec2"}}}}, "may be assumed by the service ec2"),
        (
            {"service_accounts": {"scoring": {"trust": {"service": None, "account": "999999999999"}}}},
            "may be assumed by account 999999999999",
        ),
        (
            {"credentials": {"agent-key": {"deliver_to": [{"kind": "file", "settings": {"path": "x"}, "place": {
                "file": "f", "line": 1, "column": 1}}]}}},
            "credentials.agent-key is delivered to file path x",
        ),
        ({"allowlists": {"egress": {"include": ["datarobot/eu"]}}}, "the hosts of the data set datarobot/eu"),
        (
            {"connectors": {"datarobot-api": {"settings": {"endpoint": "https://evil.example"}}}},
            "by connectors.datarobot-api at datarobot endpoint https://evil.example",
        ),
        ({"service_accounts": {"scoring": {"existing": {"role_arn": "arn:x"}}}}, "is the existing arn:x"),
    ],
)  # fmt: skip
def test_every_kind_of_grant_is_said(patch: dict[str, Any], sentence: str) -> None:
    added = compare(grants(SPEC), grants(subject(spec=patch).spec)).added
    assert any(sentence in line for line in added), added


def test_an_unknown_action_and_objects_outside_the_spec_are_said() -> None:
    lines = describe(plan(change(Action.UNKNOWN, entry="")), SPEC, previous_grants=grants(SPEC))
    assert lines == ("1 unknown", "outside the spec: does something unknown to SQS queue")


def test_taking_what_exists_into_the_state_is_said_apart_from_changing() -> None:
    adopted = change(Action.UPDATE, action_reason="imported")
    lines = describe(plan(adopted, change(Action.UPDATE, address="b")), SPEC, previous_grants=grants(SPEC))
    assert lines[:3] == ("2 to change", "agents.eu-1: adopts SQS queue", "agents.eu-1: changes SQS queue")
    assert lines[3:] == ("reaches 1 agent; changed: agents.eu-1",)
    assert describe(plan(adopted), SPEC, previous_grants=grants(SPEC))[2:] == ()


def test_only_outputs_is_not_nothing() -> None:
    assert count_line(plan(output_changes={"a": Action.UPDATE})) == "1 outputs to change"
    assert count_line(plan()) == "no changes"


def test_types_are_said_in_words() -> None:
    assert type_in_words("aws_vpc_security_group_egress_rule") == "VPC security group egress rule"


@pytest.mark.parametrize(
    "other",
    [
        change(after={"name": "b"}),
        change(Action.UPDATE, after={"name": "a"}),
        change(after={"name": "a"}, unknown={"arn": True}),
        change(after={"name": "a"}, sensitive=("value",)),
        change(after={"name": "a"}, address="module.agent_eu-2.aws_sqs_queue.spool"),
        change(after={"name": "a"}, previous_address="module.x.aws_sqs_queue.spool"),
        change(after={"name": "a"}, provider="registry.example/evil/aws"),
    ],
)
def test_any_other_effect_has_another_digest(other: ResourceChange) -> None:
    assert changes_digest(plan(change(after={"name": "a"}))) != changes_digest(plan(other))


def test_what_does_not_change_is_no_part_of_the_effect() -> None:
    one = change(Action.UPDATE, before={"name": "a", "seen": "monday"}, after={"name": "b", "seen": "monday"})
    two = change(Action.UPDATE, before={"name": "a", "seen": "friday"}, after={"name": "b", "seen": "friday"})
    assert changes_digest(plan(one)) == changes_digest(plan(two, change(Action.NO_OP, address="x")))


def test_which_object_is_destroyed_is_part_of_the_effect() -> None:
    one, two = (change(Action.DELETE, before={"id": name}) for name in ("a", "b"))
    assert changes_digest(plan(one)) != changes_digest(plan(two))


@given(order=st.permutations(range(4)))
def test_the_order_of_changes_is_no_part_of_the_effect(order: list[int]) -> None:
    changes = [change(address=f"a{number}") for number in range(4)]
    assert changes_digest(plan(*changes)) == changes_digest(plan(*(changes[number] for number in order)))


def test_the_serial_is_no_part_of_the_reviewed_target_and_the_lineage_is() -> None:
    assert review_target(replace(PROD, serial=7)) == review_target(PROD)
    assert review_target(replace(PROD, lineage="other")) != review_target(PROD)


def test_a_review_round_trips_and_refuses_a_digest_that_is_not_its_own() -> None:
    review = Review(
        environment="prod-eu",
        changes_digest="sha256:a",
        target={},
        spec_digest="b",
        policy_bundle="c",
        summary=("1 to create",),
        expires=datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert Review.from_document(review.document()) == review
    with pytest.raises(ValueError, match="not the digest"):
        Review.from_document({**review.document(), "summary": ["nothing"]})


def test_a_reviewed_plan_tells_words_findings_and_digest() -> None:
    finding = Finding(rule="LC-X-001", severity=Severity.ERROR, message="no", remedy="do not", entry="agents.eu-1")
    verdict = GateVerdict(findings=(finding,), rules_evaluated=3, errors=(), bundle_digest="sha256:" + "a" * 64)
    review = Review(
        environment="e",
        changes_digest="",
        target={},
        spec_digest="",
        policy_bundle="",
        summary=("1 to create",),
        expires=datetime(2026, 12, 1, tzinfo=UTC),
    )
    manifest = Manifest(digests={}, target=Target(**PROD.as_document()), tool_version="1")
    reviewed = ReviewedPlan(plan=plan(change()), manifest=manifest, review=review, verdict=verdict)
    text = "\n".join(reviewed.lines())
    assert "policy gate: NOT PASSED, 3 rules, bundle aaaaaaaaaaaa" in text
    assert "error LC-X-001: no; do not" in text
    assert reviewed.short_digest in text
    assert reviewed.document()["empty"] is False


def test_entries_keep_their_kinds_for_the_next_run() -> None:
    assert entry_kinds(SPEC)["credentials.agent-key"] == "datarobot_api_key"
    assert entry_kinds(SPEC)["service_accounts.scoring"] == "aws"


def test_a_plan_that_destroys_everything_allows_nothing_any_more() -> None:
    everything = plan(change(Action.DELETE, before={"id": "a"}), change(Action.DELETE, address="b"))
    lines = describe(everything, SPEC, previous_grants=grants(SPEC))
    assert lines[0] == "2 to destroy"
    assert not any(line.startswith("newly allowed") for line in lines)
    assert sum(line.startswith("no longer allowed") for line in lines) == len(grants(SPEC))


def test_destroying_one_of_two_is_not_destroying_everything() -> None:
    assert not plan(change(Action.DELETE), change(Action.NO_OP, address="b")).removes_all
    assert not plan().removes_all


def test_where_nobody_is_asked_only_the_first_few_new_grants_are_told() -> None:
    told = [
        "9 to create",
        "agents.a: creates role",
        *(f"newly allowed: host {n}" for n in range(9)),
        "no longer allowed: x",
    ]
    lines = folded(told)
    assert lines[:2] == tuple(told[:2]) and lines[2:8] == tuple(told[2:8])
    assert lines[8:] == ("no longer allowed: x", "and 3 more newly allowed; review.json in the plan's folder lists all")
    assert folded(told[:9]) == tuple(told[:9])

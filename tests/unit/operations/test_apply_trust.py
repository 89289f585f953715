"""What apply does with the trust root: who counts as an approver, and what may move between two applies."""

from dataclasses import replace
from pathlib import Path

import pytest

from lifecycle.domain.errors import ApprovalMissingError, PolicyError
from lifecycle.operations.apply_plan import apply_plan
from lifecycle.operations.plan_infrastructure import plan_infrastructure
from tests.unit.operations.infrastructure import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_author_does_not_approve_and_is_told_so(world: World) -> None:
    world.approvals.give(plan_infrastructure(world.planning()), approver="bea@acme.example")
    context = replace(world.applying(), authors=lambda: ("Bea@home.example",))
    with pytest.raises(ApprovalMissingError, match=r"nobody; not counted: bea@acme\.example made a commit of it"):
        apply_plan(context)
    assert world.audit.events == []


def test_the_receipt_says_what_was_in_force(world: World) -> None:
    world.approvals.give(plan_infrastructure(world.planning()), approver="bea@acme.example")
    receipt = apply_plan(replace(world.applying(), commit="abc")).receipt
    assert receipt is not None
    assert set(receipt.digests) == {"spec", "policy_bundle"}
    assert receipt.commit == "abc"


@pytest.mark.parametrize("moved", [("spec",), ("policy_bundle",)])
def test_one_of_spec_and_bundle_may_move(world: World, moved: tuple[str, ...]) -> None:
    context = world.planning()
    before = dict(context.read_digests()) | dict.fromkeys(moved, "sha256:before")
    plan_infrastructure(replace(context, previous_digests=before))


def test_both_together_are_refused_by_name(world: World) -> None:
    before = {"spec": "sha256:old-spec", "policy_bundle": "sha256:old-bundle"}
    with pytest.raises(PolicyError, match=r"spec sha256:old-spec -> .*policy_bundle sha256:old-bundle -> "):
        plan_infrastructure(replace(world.planning(), previous_digests=before))

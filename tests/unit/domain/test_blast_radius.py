"""Whom a change reaches: everything that hangs on what is changed, whatever stands between."""

from typing import Any

import pytest

from lifecycle.domain.blast_radius import BlastRadius, change_radius, joined, listed, radius_of
from tests.unit.operations.infrastructure import subject

SPEC = subject().spec


def changed(**patch: Any) -> BlastRadius:
    return change_radius(SPEC, subject(spec=patch).spec)


def test_a_change_of_reach_reaches_agents_and_connectors_behind_it() -> None:
    radius = changed(allowlists={"egress": {"include": ["datarobot/eu"]}})
    assert radius.touched == ("allowlists.egress",)
    assert "agents.eu-1" in radius.dependants
    assert radius.replaced == {}
    assert radius.lines()[-1].startswith("reaches 1 agent")


def test_another_maker_of_a_credential_is_another_value_and_says_who_depends_on_it() -> None:
    radius = changed(credentials={"agent-key": {"settings": {"principal": "somebody-else@acme.example"}}})
    (who,) = radius.replaced.values()
    assert radius.touched == ("credentials.agent-key",)
    assert {"agents.eu-1", "connectors.datarobot-api"} <= set(who)
    assert radius.lines()[0].startswith("credentials.agent-key gets a new value or ends; on it depend: agents.eu-1")


def test_a_shorter_period_replaces_nothing() -> None:
    radius = changed(credentials={"agent-key": {"rotation_period": "7d"}})
    assert radius.touched == ("credentials.agent-key",)
    assert radius.replaced == {}


def test_moving_lines_and_new_environments_reach_nobody() -> None:
    place = {"file": "elsewhere.yaml", "line": 99, "column": 1}
    assert changed(agents={"eu-1": {"place": place}}).lines() == ()
    assert change_radius(None, SPEC).lines() == ()


def test_what_changes_outside_the_entries_is_named() -> None:
    radius = changed(approvals={"required": 0})
    assert radius.lines() == ("outside the entries changes: approvals",)
    assert radius.document()["settings"] == ["approvals"]


def test_a_credential_renamed_keeps_its_value() -> None:
    named = SPEC.credentials["agent-key"]
    moved = named.model_copy(update={"name": "new-key", "renamed_from": "agent-key"})
    after = SPEC.model_copy(update={"credentials": {"new-key": moved}})
    assert change_radius(SPEC, after).replaced == {}
    gone = change_radius(SPEC, SPEC.model_copy(update={"credentials": {}}))
    assert "credentials.agent-key" in gone.replaced


def test_administrators_and_outside_receivers_count() -> None:
    credential = SPEC.credentials["agent-key"]
    place = credential.place
    chosen = {"kind": "kubernetes_secret", "settings": {"name": "dr", "namespace": "x"}, "place": place}
    blind = {"unobservable": {"name": "mainframe", "owner": "o", "reason": "r", "expires": "2030-01-01"}}
    admin = type(credential).model_validate(
        {**credential.model_dump(), "name": "admin", "consumers": [blind], "deliver_to": [chosen]}
    )
    child = credential.model_copy(update={"settings": {"admin": "admin"}})
    spec = SPEC.model_copy(update={"credentials": {"admin": admin, "agent-key": child}})
    who = radius_of(spec, ("credentials.admin",), ("credentials.admin",)).replaced["credentials.admin"]
    assert {"mainframe (unobserved)", "kubernetes_secret dr", "credentials.agent-key", "agents.eu-1"} <= set(who)


def test_an_entry_that_nothing_counts_says_so() -> None:
    assert radius_of(SPEC, ("allowlists.gone",)).lines() == (
        "reaches no agent, connector or credential; changed: allowlists.gone",
    )


def test_two_views_together_count_each_entry_once() -> None:
    both = joined(radius_of(SPEC, ("allowlists.egress",)), radius_of(SPEC, ("agents.eu-1",)))
    assert both.touched == ("agents.eu-1", "allowlists.egress")
    assert "agents.eu-1" not in both.dependants


@pytest.mark.parametrize(("count", "end"), [(12, "n11"), (13, "n11 and 1 more")])
def test_long_lists_are_counted(count: int, end: str) -> None:
    assert listed([f"n{number}" for number in range(count)]).endswith(end)

"""Which credentials an emergency is about."""

from __future__ import annotations

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.rotation_scope import in_scope
from lifecycle.domain.spec import Credential
from tests.unit.operations.infrastructure import subject

CREDENTIAL: Credential = subject().spec.credentials["agent-key"]


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        ("everything", True),
        ("name=agent-*", True),
        ("name=agent-*,kind=no-such-kind", False),
        ("kind=datarobot_*", True),
        ("store=elsewhere", False),
        ("host=db.acme.example", False),
        ("tag=team", False),
    ],
)
def test_every_term_must_hold(scope: str, inside: bool) -> None:
    assert in_scope(scope, CREDENTIAL) is inside


@pytest.mark.parametrize("scope", ["", "agent-key", "colour=red", "kind="])
def test_what_is_no_term_is_refused_before_anything_is_chosen(scope: str) -> None:
    with pytest.raises(ConfigurationError, match="is no term"):
        in_scope(scope, CREDENTIAL)


def test_a_tag_is_matched_by_its_value() -> None:
    tagged = CREDENTIAL.model_copy(update={"tags": {"team": "risk"}})
    assert in_scope("tag=team:r*", tagged) and in_scope("tag=team", tagged) and not in_scope("tag=team:x", tagged)

import json
from typing import Any

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.renderers.ci_trust import render_ci_trust, subjects, trust_document
from tests.unit.policy_engine.generated_spec import ACCOUNT, reference_spec


def test_each_role_trusts_one_audience_and_one_exact_subject() -> None:
    spec = reference_spec()
    for subject in subjects(spec, "acme/platform").values():
        statements: Any = trust_document(spec, subject)["Statement"]
        (statement,) = statements
        assert statement["Principal"] == {
            "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
        }
        assert statement["Condition"] == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": subject,
            }
        }
        assert "*" not in json.dumps(statement)


def test_applying_needs_the_protected_environment_and_planning_only_a_pull_request() -> None:
    found = subjects(reference_spec(), "acme/platform")
    assert found["apply"] == "repo:acme/platform:environment:reference"
    assert found["plan"] == "repo:acme/platform:pull_request"


def test_the_text_holds_each_role_and_no_wildcard() -> None:
    text = render_ci_trust(reference_spec(), "acme/platform")
    for identity in ("plan", "apply", "rotate", "verify"):
        assert f"lifecycle-reference-{identity}:" in text
    assert "*" not in text


@pytest.mark.parametrize("name", ["acme", "acme/", "*/platform", "acme/platform:ref", "a b/c"])
def test_what_names_no_repository_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no repository"):
        render_ci_trust(reference_spec(), name)

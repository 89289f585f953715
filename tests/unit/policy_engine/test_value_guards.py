"""What Terraform may not do to a credential: bring an older value back, or replace what others refer to."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.domain.policy import Severity
from lifecycle.policy_engine.fixtures import Case, gate_input
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.policy_engine.yaml_file import read_yaml
from tests.unit.operations.infrastructure import NOW, POLICIES


def found(rule: str, change: dict[str, Any]) -> list[tuple[Severity, str]]:
    case = Case(rule=rule, fires=True, because="the guard is tried", changes=(change,))
    verdict = TypedPolicyEngine(POLICIES, clock=lambda: NOW).evaluate(
        gate_input(case, read_yaml(POLICIES / "tests" / "base.yaml"))
    )
    return [(item.severity, item.message) for item in verdict.findings if item.rule == rule]


def version(before: int | None, after: int | None, **more: Any) -> dict[str, Any]:
    attributes = {"before": {"value_wo_version": before}, "after": {"value_wo_version": after}, **more}
    return {"address": "module.x.aws_ssm_parameter.this", "type": "aws_ssm_parameter", "action": "update", **attributes}


@pytest.mark.parametrize(("before", "after"), [(7, 6), (7, None)])
def test_an_older_value_is_never_written_back(before: int, after: int | None) -> None:
    ((severity, message),) = found("LC-VAL-006", version(before, after))
    assert severity is Severity.ERROR and f"from 7 to {after}" in message


@pytest.mark.parametrize(("before", "after"), [(7, 8), (7, 7), (None, 1)])
def test_a_version_that_counts_up_passes(before: int | None, after: int) -> None:
    assert found("LC-VAL-006", version(before, after)) == []


def test_a_replaced_credential_names_those_who_depend_on_it() -> None:
    change = {
        "address": "module.credential_agent-key.datarobot_api_token_credential.this",
        "type": "datarobot_api_token_credential",
        "action": "replace",
        "entry": "credentials.agent-key",
    }
    ((severity, message),) = found("LC-PLAN-007", change)
    assert severity is Severity.ERROR
    assert "agents.eu-1" in message and "connectors.datarobot-api" in message

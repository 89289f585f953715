"""The JSON Schema accepts what the loader accepts and catches what an editor can catch."""

from __future__ import annotations

import jsonschema
import pytest

from lifecycle.documents.constructor import Constructor
from lifecycle.documents.findings import Findings
from lifecycle.documents.positions import Positions
from lifecycle.documents.schema import json_schema
from tests.unit.documents.conftest import SMALLEST
from tests.unit.documents.toy_kinds import REGISTRY
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

SCHEMA = json_schema(REGISTRY)


def errors(text: str) -> list[str]:
    tree = Constructor(Findings(Positions()), {}).construct(text, "x.yaml")
    return [str(list(error.path)) for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(tree)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [BASE, MAIN, MORE, SMALLEST])
def test_it_accepts_every_file_of_a_valid_spec(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "agnets: {}",
        "service_accounts: {robot: {platform: awz}}",
        "service_accounts: {robot: {platform: aws, purpse: x}}",
        "service_accounts: {Robot: {platform: aws}}",
        "service_accounts: {robot: {platform: aws, place: x}}",
        "credentials: {key: {kind: nothing, reason: r}}",
        "credentials: {key: {kind: datarobot_api_key, reason: r, account: x}}",
        "credentials: {key: {kind: datarobot_api_key, reason: r, rotation_period: soon}}",
        "backend: {s4: {bucket: x}}",
        "backend: s3",
        "agents: {a: {kind: monitoring, spooler: {sqs: {}}}}",
        "approvals: {required: many}",
        "allowlists: {a: {targets: [nothing]}}",
    ],
)
def test_it_catches_mistakes(text: str) -> None:
    assert errors(text)


def test_it_allows_variables_and_bare_kinds() -> None:
    assert errors("backend: local\napprovals: {required: '${var.count}'}\n") == []

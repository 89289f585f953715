"""Exports of the audit log are what their formats say, whatever stands in the events."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.domain.policy import Finding, GateVerdict, RuleCard, Severity
from lifecycle.renderers.audit_cef import audit_cef
from lifecycle.renderers.audit_oscal import audit_oscal
from tests.unit.renderers.oscal_subset import OSCAL_SUBSET

NOW = datetime(2026, 11, 24, 12, 30, 15, 250000, tzinfo=UTC)
CARDS = tuple(
    RuleCard(id=f"LC-{name}", title="Title", severity=Severity.ERROR, why="Because.", remedy="Do.", controls=controls)
    for name, controls in (
        ("A", ("NIST-800-53 AC-6", "NIST-800-53 AC-2", "CIS-AWS 1.16")),
        ("B", ("NIST-800-53 IA-5", "SOC 2 CC6.2")),
        ("C", ("PCI-DSS 8.6.3",)),
        ("D", ("NIST-800-53 AU-11",)),
    )
)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def event(**changes: Any) -> AuditEvent:
    fields = {"at": NOW, "actor": "ann@build-1", "action": "credential.mint", "object": "credentials.k"}
    return AuditEvent.model_validate({**fields, "result": Result.DONE, **changes})


def cef(*events: AuditEvent) -> list[str]:
    return list(audit_cef(enumerate(events, start=1), environment="prod", tool_version="1.2"))


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """As a receiver reads it: seven header fields, then keys that begin where an unescaped `=` follows a word."""
    *header, extension = re.split(r"(?<!\\)\|", line, maxsplit=7)
    found = re.split(r"(?:^| )([A-Za-z0-9]+)=", extension)[1:]
    plain = {key: _plain(value) for key, value in zip(found[::2], found[1::2], strict=True)}
    return header, plain


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), value)


def test_an_event_is_one_line_with_its_fields() -> None:
    (line,) = cef(event(digest="sha256:ab", detail={"id": "AKIA1", "attempt": 2}))
    header, fields = read_cef(line)
    assert header == ["CEF:0", "lifecycle", "lifecycle", "1.2", "credential.mint", "credential.mint done", "3"]
    assert fields == {
        "rt": "1795523415250",
        "externalId": "1",
        "suser": "ann@build-1",
        "act": "credential.mint",
        "outcome": "done",
        "cs1Label": "environment",
        "cs1": "prod",
        "cs2Label": "object",
        "cs2": "credentials.k",
        "cs3Label": "digest",
        "cs3": "sha256:ab",
        "msg": "attempt: 2, id: AKIA1",
    }


def test_separators_are_escaped_where_they_stand() -> None:
    (line,) = cef(event(action="a|b\\c\nd", object="x=1|y\\z\r\n2 act=forged"))
    assert "|a\\|b\\\\c d|" in line
    assert "cs2=x\\=1|y\\\\z\\n2 act\\=forged" in line
    assert line.count("act=") == 1


@given(texts, texts, texts)
def test_no_text_makes_a_second_line_or_another_field(actor: str, action: str, named: str) -> None:
    (line,) = cef(event(actor=actor, action=action, object=named))
    assert len(line.splitlines()) == 1
    unescaped = re.sub(r"\\.", "", line)
    assert unescaped.split("|", 7)[0] == "CEF:0"
    assert re.findall(r"(\w+)=", unescaped.split("|", 7)[7]) == [
        *("rt", "externalId", "suser", "act", "outcome", "cs1Label", "cs1", "cs2Label", "cs2")
    ]


def oscal(*events: AuditEvent, evaluated: tuple[str, ...] = ("LC-A", "LC-B", "LC-C")) -> Mapping[str, Any]:
    found = Finding(rule="LC-A", severity=Severity.ERROR, message="too wide", remedy="narrow")
    waived = Finding(rule="LC-B", severity=Severity.ERROR, message="old", remedy="new", waiver="W-1")
    verdict = GateVerdict(
        findings=(found, waived), rules_evaluated=3, errors=(), bundle_digest="sha256:b", evaluated=evaluated
    )
    numbered = tuple(enumerate(events, start=1))
    given = audit_oscal(numbered, verdict, CARDS, environment="prod", made=NOW, head="sha256:h", tool_version="1.2")
    jsonschema.validate(given, OSCAL_SUBSET)
    (result,) = given["assessment-results"]["results"]
    return dict(result)


def test_a_blocked_rule_satisfies_none_of_its_controls() -> None:
    result = oscal(event())
    states = {item["target"]["target-id"]: item["target"]["status"]["state"] for item in result["findings"]}
    assert states == {"ac-6": "not-satisfied", "ac-2": "not-satisfied", "ia-5": "satisfied"}


def test_a_rule_that_was_not_asked_is_no_finding() -> None:
    result = oscal(event())
    controls = [item["control-id"] for item in result["reviewed-controls"]["control-selections"][0]["include-controls"]]
    assert "au-11" not in controls
    assert not any("LC-D" in item["title"] for item in result["observations"])


def test_a_waiver_is_told() -> None:
    (observation,) = (item for item in oscal()["observations"] if item["title"].startswith("LC-B"))
    assert {"waivers": "W-1"}.items() <= {item["name"]: item["value"] for item in observation["props"]}.items()


@pytest.mark.parametrize("evaluated", [(), ("LC-C",)])
def test_without_rules_or_controls_it_is_still_valid(evaluated: tuple[str, ...]) -> None:
    result = oscal(evaluated=evaluated)
    assert "findings" not in result
    assert "assessment-log" not in result


@given(texts, texts)
def test_whatever_an_event_holds_the_document_is_valid(actor: str, named: str) -> None:
    entries = oscal(event(actor=actor, object=named), event())["assessment-log"]["entries"]
    assert len({entry["uuid"] for entry in entries}) == 2

"""One verdict, four formats: each says where, what and what next, none lies about what was not asked."""

import json
import re
from xml.etree import ElementTree

import jsonschema
import pytest

from lifecycle.domain.blast_radius import BlastRadius
from lifecycle.domain.change_words import ChangeInWords
from lifecycle.domain.errors import Place
from lifecycle.domain.grants import GrantChange
from lifecycle.domain.policy import Finding, GateVerdict, RuleCard, Severity
from lifecycle.renderers.findings_github import findings_github
from lifecycle.renderers.findings_html import findings_html
from lifecycle.renderers.findings_junit import findings_junit
from lifecycle.renderers.findings_markdown import findings_markdown
from lifecycle.renderers.findings_sarif import findings_sarif
from tests.unit.renderers.sarif_subset import SARIF

HOSTILE = 'a"<script>&\n::error::x|`[@team](https://evil.example)`\x00%0A'
FILE = "environments/prod/net work.yaml"
START = Place(file="environments/prod/environment.yaml", line=1, column=1)


def card(name: str) -> RuleCard:
    return RuleCard(
        id=name,
        title=f"Title of {name}",
        severity=Severity.ERROR,
        why="because",
        remedy="do",
        controls=("NIST-800-53 SC-7",),
    )


CARDS = (card("LC-NET-001"), card("LC-NET-002"), card("LC-PLAN-001"))


def finding(rule: str = "LC-NET-001", *, message: str = "x is open", placed: bool = True, waiver: str = "") -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        message=message,
        remedy="close x",
        place=Place(file=FILE, line=4, column=7) if placed else None,
        entry="allowlists.egress",
        address="module.x.aws_y.z",
        controls=("NIST-800-53 SC-7",),
        waiver=waiver,
    )


def verdict(*findings: Finding, errors: tuple[str, ...] = (), asked: tuple[str, ...] = ("LC-NET-001",)) -> GateVerdict:
    return GateVerdict(
        findings=findings,
        rules_evaluated=len(asked),
        errors=errors,
        bundle_digest="sha256:" + "a" * 64,
        evaluated=asked,
    )


def said(*added: str) -> ChangeInWords:
    allowed = GrantChange(added=added, removed=())
    return ChangeInWords(since="main", allowed=allowed, radius=BlastRadius(replaced={}))


ALL = (
    verdict(),
    verdict(finding()),
    verdict(finding(placed=False), finding(message=HOSTILE), finding(waiver="W-1")),
    verdict(finding("LC-GONE-001"), errors=(HOSTILE,)),
    verdict(asked=()),
)


@pytest.mark.parametrize("given", ALL)
def test_sarif_is_valid_for_every_verdict(given: GateVerdict) -> None:
    text = findings_sarif(given, CARDS, tool_version="1", otherwise=START)
    jsonschema.validate(json.loads(text), SARIF)


def test_sarif_stands_on_the_line_of_the_spec() -> None:
    run = json.loads(findings_sarif(verdict(finding()), CARDS, tool_version="1", otherwise=START))["runs"][0]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "environments/prod/net%20work.yaml", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 4, "startColumn": 7}
    assert run["tool"]["driver"]["rules"][run["results"][0]["ruleIndex"]]["id"] == "LC-NET-001"


def test_sarif_tells_waived_findings_and_a_gate_that_could_not_run() -> None:
    waived = json.loads(findings_sarif(verdict(finding(waiver="W-1")), CARDS, tool_version="1", otherwise=START))
    assert waived["runs"][0]["results"][0]["suppressions"][0]["justification"] == "waiver W-1"
    broken = json.loads(findings_sarif(verdict(asked=()), CARDS, tool_version="1", otherwise=START))["runs"][0]
    assert broken["invocations"][0]["executionSuccessful"] is False
    assert broken["properties"]["passed"] is False
    assert broken["properties"]["rulesNotAsked"] == ["LC-NET-001", "LC-NET-002", "LC-PLAN-001"]


def test_a_finding_keeps_its_fingerprint_when_the_line_moves() -> None:
    moved = Finding(
        **{name: getattr(finding(), name) for name in Finding.__dataclass_fields__ if name != "place"}, place=START
    )
    prints = [
        json.loads(findings_sarif(verdict(item), CARDS, tool_version="1", otherwise=START))["runs"][0]["results"][0]
        for item in (finding(), moved)
    ]
    assert prints[0]["partialFingerprints"] == prints[1]["partialFingerprints"]


@pytest.mark.parametrize("given", ALL)
def test_junit_is_xml_for_every_verdict(given: GateVerdict) -> None:
    suite = ElementTree.fromstring(findings_junit(given, CARDS, environment=HOSTILE).encode())
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    assert given.passed or suite.findall("testcase/failure") or suite.findall("testcase/error")


def test_junit_never_passes_a_rule_that_was_not_asked() -> None:
    suite = ElementTree.fromstring(findings_junit(verdict(), CARDS, environment="prod"))
    passed = [case.attrib["name"] for case in suite.findall("testcase") if not len(case)]
    assert passed == ["LC-NET-001 Title of LC-NET-001"]


@pytest.mark.parametrize("given", ALL)
def test_no_text_starts_a_workflow_command_of_its_own(given: GateVerdict) -> None:
    lines = findings_github(given).splitlines()
    assert len(lines) == 1 + len(given.findings) + len(given.errors) + (given.rules_evaluated == 0)
    assert all(re.match(r"::(error|warning|notice) [^:]*title=[^:]*::", line) for line in lines[1:])


def test_annotations_stand_on_the_line_of_the_spec_and_waived_ones_are_notices() -> None:
    shown = findings_github(verdict(finding(), finding(waiver="W-1"))).splitlines()
    assert shown[1].startswith(f"::error file={FILE},line=4,col=7,title=LC-NET-001::x is open")
    assert shown[2].startswith("::notice ")
    assert "waived by W-1" in shown[2]


def test_markdown_says_what_changes_and_what_to_do() -> None:
    text = findings_markdown(
        verdict(finding(), finding(waiver="W-1")), environment="prod", change=said("newly allowed: host a on port 443")
    )
    assert "### Policy gate for prod: NOT passed" in text
    assert "- newly allowed: host a on port 443" in text
    assert "| LC\\-NET\\-001 | environments/prod/net work.yaml:4 | x is open | close x |" in text
    assert "waived by W\\-1" in text
    assert text.startswith("<!-- lifecycle-policy-gate prod -->\n")


def test_markdown_carries_no_markup_of_the_spec() -> None:
    text = findings_markdown(verdict(finding(message=HOSTILE)), environment="prod", change=said(HOSTILE))
    assert "<script" not in text
    assert "@team" not in text
    assert "https://" not in text
    assert not re.search(r"(?<!\\)\[", text)
    rows = [line for line in text.splitlines() if line.startswith("| LC")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 5


def test_markdown_stays_below_what_github_takes() -> None:
    many = tuple(finding(message="x" * 5000) for _ in range(2000))
    text = findings_markdown(verdict(*many), environment="prod", change=said(*(f"{n}{'y' * 5000}" for n in range(500))))
    assert len(text) < 65536 * 2
    assert "and 1900 more" in text


@pytest.mark.parametrize("given", ALL)
def test_the_page_loads_nothing_and_holds_markup_of_a_spec_as_text(given: GateVerdict) -> None:
    page = findings_html(given, environment="prod", change=said(HOSTILE))
    assert "<script" not in page and "src=" not in page and "<a " not in page
    assert "default-src 'none'" in page
    assert "<h2>What changes for whom, since main</h2>" in page
    assert f"Policy gate for prod: {'passed' if given.passed else 'NOT passed'}" in page
    for item in given.findings:
        assert item.rule in page

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from lifecycle.bootstrap.verification import Checks
from lifecycle.cli.app import build_parser
from lifecycle.cli.verify_screens import checks, junit
from lifecycle.domain.errors import ExitCode, Place
from lifecycle.domain.policy import Finding, Severity
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.domain.verification_history import Standing
from lifecycle.operations.verify_connectors import ConnectorResult

SINCE = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
FINDING = Finding(
    rule="LC-VERIFY-001",
    severity=Severity.ERROR,
    message="db.example:5432 is not on allowlist egress",
    remedy="add the host",
    place=Place(file="connectors.yaml", line=7, column=5),
    entry="connectors.db",
    evidence="db.example:5432",
)


def _result(name: str, reason: Reason, detail: str = "") -> ConnectorResult:
    remedy = "" if reason is Reason.WORKS else "do something"
    result = VerificationResult(
        status=outcome(reason), reason=reason, detail=detail, remedy=remedy, latency=timedelta(milliseconds=1500)
    )
    return ConnectorResult(name=name, result=result)


def _checks(*findings: Finding) -> Checks:
    return Checks(
        results=(
            _result("good", Reason.WORKS),
            _result("lapsed", Reason.EXPIRED, "code <7>\x00"),
            _result("slow", Reason.TIMEOUT_READ),
        ),
        findings=findings,
        standings={"lapsed": Standing(since=SINCE, changes=5)},
    )


def test_junit_tells_invalid_from_indeterminate_and_counts_findings() -> None:
    suite = ElementTree.fromstring(junit(_checks(FINDING)).encode())
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "2",
        "errors": "1",
    }
    by_name = {case.get("name"): [child.tag for child in case] for case in suite}
    assert by_name == {
        "good": [],
        "lapsed": ["failure"],
        "slow": ["error"],
        "connectors.db db.example:5432": ["failure"],
    }
    assert suite[1][0].get("message") == "expired code <7>\N{REPLACEMENT CHARACTER}"
    assert suite[0].get("time") == "1.500"


def test_people_see_since_when_and_that_it_flaps() -> None:
    _, lines = checks(_checks())
    (lapsed,) = (line for line in lines if line.startswith("lapsed"))
    assert "since 2026-11-20 08:30Z, flapping: 5 changes in a day" in lapsed


def test_programs_get_the_same() -> None:
    document, _ = checks(_checks(FINDING))
    assert document["connectors"][1]["since"] == SINCE.isoformat()
    assert document["connectors"][0]["since"] is None
    assert document["findings"][0]["place"] == "connectors.yaml:7:5"


def test_finding_stands_on_the_line_of_the_spec_and_refuses() -> None:
    _, lines = checks(_checks(FINDING))
    assert any(line.startswith("connectors.yaml:7:5: error LC-VERIFY-001") for line in lines)
    only = Checks(results=(_result("good", Reason.WORKS),), findings=(FINDING,))
    assert only.exit_code() is ExitCode.REFUSED


def test_junit_is_a_form_of_this_command() -> None:
    argv = ["verify", "--output", "junit", "--deadline", "1m30s", "--kind", "s3", "--kind", "vault"]
    args = build_parser(argv).parse_args(argv)
    assert (args.output, args.deadline, args.kind) == ("junit", timedelta(seconds=90), ["s3", "vault"])


def test_interrupted_run_lists_who_was_not_asked_and_judges_only_the_rest() -> None:
    waiting = replace(_result("waiting", Reason.AMBIGUOUS), asked=False, code=ExitCode.INTERRUPTED)
    found = Checks(results=(_result("good", Reason.WORKS), waiting))
    document, lines = checks(found)
    told = list(lines)
    assert "waiting  not asked" in told
    assert told[-1] == "1 valid, 1 not asked: interrupted"
    assert [item["asked"] for item in document["connectors"]] == [True, False]
    assert (found.interrupted, found.exit_code()) == (True, ExitCode.INTERRUPTED)
    assert [item.connector for item in found.for_receipt()] == ["good"]
    suite = ElementTree.fromstring(junit(found).encode())
    assert [child.tag for child in suite[1]] == ["skipped"]
    assert suite.get("errors") == "0"

"""The pack: ten sections, nothing active in it, nothing unproved called passed."""

from datetime import UTC, datetime, timedelta

from lifecycle.domain.audit import AuditEvent, Result
from lifecycle.operations.evidence_sources import EvidenceSources
from lifecycle.operations.gather_evidence import gather_evidence
from lifecycle.policy_engine.bundle import load_bundle
from lifecycle.policy_engine.typed import TypedPolicyEngine
from lifecycle.renderers.evidence import evidence_files
from tests.unit.operations.infrastructure import NOW, POLICIES, subject

HOSTILE = '=1+1"><script>alert(1)</script><img src=x onerror=alert(1)>'


def files(*, bare: bool = False) -> dict[str, str]:
    given = subject()
    event = AuditEvent(at=NOW, actor="a", action=HOSTILE, object="x", result=Result.DONE)
    sources = EvidenceSources(
        spec=given.spec,
        verdict=TypedPolicyEngine(POLICIES, clock=lambda: NOW).evaluate(given),
        cards=tuple(item.card() for item in load_bundle(POLICIES).catalogue.values()),
        receipts=(),
        records=None,
        events=None if bare else (event,),
        audit_head="sha256:0",
        waivers=() if bare else ((HOSTILE,) * 8,),
        rights=() if bare else ((HOSTILE,) * 3,),
        gaps={"q3-credentials": (HOSTILE,)},
    )
    week = timedelta(days=7)
    pack = gather_evidence(sources, since=NOW - week, until=NOW + week, made=datetime.now(UTC), tool_version=HOSTILE)
    return evidence_files(pack)


def test_each_of_the_ten_questions_has_its_section() -> None:
    report = files()["report.html"]
    assert report.count("<section id=") == 10
    assert all(f'<section id="q{number}-' in report for number in range(1, 11))


def test_no_text_becomes_markup_and_nothing_is_loaded() -> None:
    report = files()["report.html"]
    assert "<script" not in report
    assert "<img" not in report
    assert "src=" not in report.replace("src=x onerror", "")
    assert "default-src 'none'" in report


def test_what_has_no_source_reads_not_shown_and_never_passed() -> None:
    report = files(bare=True)["report.html"]
    assert report.count("not shown:") >= 8
    assert "passed" not in report


def test_a_spreadsheet_calculates_no_cell() -> None:
    given = files()
    assert all(
        not line.startswith(("=", '"=')) for name in given if name.endswith(".csv") for line in given[name].splitlines()
    )
    assert {name.removesuffix(".csv") for name in given if name.endswith(".csv")} == {
        name.removesuffix(".json") for name in given if name.endswith(".json")
    }

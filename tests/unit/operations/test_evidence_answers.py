"""Each question is answered in one sentence of numbers, and never better than its tables."""

import re
from pathlib import Path

import pytest

from lifecycle.domain.evidence import EvidenceTable
from lifecycle.operations.evidence_answers import answers
from tests.unit.bootstrap.evidence_case import CANARIES, quarter


def table(name: str, columns: str, *rows: tuple[str, ...]) -> EvidenceTable:
    return EvidenceTable(name=name, caption=name, columns=tuple(columns.split(", ")), rows=rows)


def test_without_any_table_nothing_sounds_good() -> None:
    said = answers(())
    assert len(said) == 10
    for section in ("q4-rotations", "q5-leaks", "q10-trail"):
        assert said[section] == "This pack cannot answer it."
    assert not [text for text in said.values() if "passed" in text or "whole" in text]


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        (("0 found", "0 found", "not scanned"), "No value was found in 2 searched surfaces; 1 not searched"),
        (("0 found", "2 found"), "2 values FOUND in 2 searched surfaces; 0 not searched"),
        (("not scanned",), "Nothing was searched: 1 surface"),
    ],
)
def test_a_leak_is_never_counted_away(results: tuple[str, ...], sentence: str) -> None:
    said = answers((table("leak-scans", "Result", *((text,) for text in results)),))
    assert said["q5-leaks"].startswith(sentence)


def test_plans_that_are_not_what_was_reviewed_and_rights_beyond_need_are_counted() -> None:
    applies = table(
        "applies",
        "Approved by, Recomputed",
        ("bea (ssh)", "the manifest has this digest"),
        ("no approval on record", "NOT the digest of the manifest"),
        ("bea (ssh)", "the manifest has this digest; approved ANOTHER effect: bea"),
    )
    held = table("rights-held", "May", ("Allow * on *",), ("read on a; beyond what any identity needs: read",), ("x",))
    said = answers((applies, held))
    assert said["q8-reviewed"] == "1 of 3 applied plans matched the digest that was reviewed; 1 without an approval."
    assert said["q9-rights"] == "3 rights read from the providers, 2 of them beyond need."


def test_every_audience_reads_the_same_ten_sentences_and_no_name(tmp_path: Path) -> None:
    made = quarter(tmp_path)
    told = []
    for audience in ("internal", "auditor", "public"):
        page = (made.pack(audience) / "report.html").read_text()
        told.append(re.findall(r'<p class="answer">(.*?)</p>', page))
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 10
    assert not [text for text in told[0] for name in CANARIES if name in text]

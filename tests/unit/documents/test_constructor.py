"""The constructor reads what PyYAML reads, refuses what a spec may not hold, and knows where everything stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.documents.constructor import MAX_DEPTH, Constructor
from lifecycle.documents.findings import Findings
from lifecycle.documents.positions import ROOT, Positions

# Text that YAML can carry; surrogates and control characters cannot be written.
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"], exclude_characters="\ufeff"), max_size=12)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda number: "e" not in repr(number)),
    _TEXT,
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=20,
)
_MAPPINGS = st.dictionaries(_TEXT, _VALUES, max_size=5)


def read(text: str) -> tuple[Any, Findings]:
    findings = Findings(Positions())
    return Constructor(findings, {}).construct(text, "spec.yaml"), findings


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in read(text)[1].problems]


@given(_MAPPINGS)
def test_what_pyyaml_writes_is_read_back(mapping: dict[str, Any]) -> None:
    text = yaml.safe_dump(mapping, allow_unicode=True)
    tree, findings = read(text)
    # PyYAML writes some texts bare that YAML versions disagree about; they are refused, everything else is equal.
    if not findings.problems:
        assert tree == mapping == yaml.load(text, yaml.CSafeLoader)
    else:
        assert all("YAML" in problem.message or "spelling" in problem.message for problem in findings.problems)


@given(_MAPPINGS)
def test_json_is_read_as_json(mapping: dict[str, Any]) -> None:
    text = json.dumps(mapping, ensure_ascii=False)
    tree, findings = read(text)
    assert (tree, findings.problems) == (json.loads(text), [])


@given(st.dictionaries(st.from_regex(r"[a-z]{2,8}x", fullmatch=True), _VALUES, min_size=1, max_size=6))
def test_every_position_points_at_its_key(mapping: dict[str, Any]) -> None:
    text = json.dumps(mapping, indent=2, ensure_ascii=False)
    lines = text.split("\n")
    tree, findings = read(text)

    def check(value: Any, node: int) -> None:
        if isinstance(value, dict):
            for key, item, at in findings.positions.by_key(value, node):
                place = findings.positions.place(at)
                assert lines[place.line - 1][place.column - 1 :].startswith(json.dumps(key, ensure_ascii=False) + ":")
                check(item, at)
        elif isinstance(value, list):
            for item, at in zip(value, findings.positions.nodes_of(value, node), strict=True):
                place = findings.positions.place(at)
                start = "[{" if isinstance(item, list | dict) else json.dumps(item, ensure_ascii=False)
                assert lines[place.line - 1][place.column - 1 :][:1] in start[:2]
                check(item, at)

    check(tree, ROOT)


@given(st.text(max_size=40))
def test_any_text_gives_a_tree_or_a_problem(text: str) -> None:
    tree, findings = read(text.encode("utf-8", "replace").decode())
    assert tree is not None or findings.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: yes", "spec.yaml:1:4: a: `yes` is a boolean in some YAML versions and text in others"),
        ("a: Off", "spec.yaml:1:4: a: `Off` is a boolean"),
        ("a: TRUE", "spec.yaml:1:4: a: `TRUE` is a boolean"),
        ("a: NULL", "spec.yaml:1:4: a: `NULL` is empty"),
        ("a: 0755", "spec.yaml:1:4: a: `0755` is an octal number"),
        ("a: 0o7", "spec.yaml:1:4: a: `0o7` is an octal number"),
        ("a: 0x1F", "spec.yaml:1:4: a: `0x1F` is a hexadecimal"),
        ("a: [12:30]", "spec.yaml:1:5: a.0: `12:30` is a number to base 60"),
        ("a: 1_000", "spec.yaml:1:4: a: `1_000` is a number in a spelling"),
        ("a: +1", "spec.yaml:1:4: a: `+1` is a number in a spelling"),
        ("a: .inf", "spec.yaml:1:4: a: `.inf` is a number in a spelling"),
        ("a: 1e3", "spec.yaml:1:4: a: `1e3` is a number in a spelling"),
        ("no: 1", "spec.yaml:1:1: the key `no` is a boolean"),
        ("7: 1", "spec.yaml:1:1: the key `7` is not text (quote it)"),
        ("'no': 1\nb: {no: 1}", "spec.yaml:2:5: b: the key `no` is a boolean"),
        ("a: {b: 1,\n b: 2}", "spec.yaml:2:2: a.b: the key is written twice; the first is at spec.yaml:1:5 (keep"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "spec.yaml:3:3: c: merge keys are not allowed"),
        ("a: !!str 1", "spec.yaml:1:4: a: tags (`!!type`, `!name`) are not allowed"),
        ("a: !python/object:os.system {}", "spec.yaml:1:4: a: tags"),
        ("a: *x", "spec.yaml:1:4: a: an alias has no anchor before it"),
        ("a: &x [*x]", "spec.yaml:1:8: a.0: an alias has no anchor before it"),
        ("[1]: 2", "spec.yaml:1:1: a key is not plain text"),
        ("a: 1\n---\nb: 1", "spec.yaml:2:1: a second document starts here"),
        ("- a", "spec.yaml:1:1: the document is not a mapping"),
        ("a:\n\tb: 1", "spec.yaml:2:1: a tab is not allowed as indentation (indent with spaces)"),
        ("a: [1", "spec.yaml:2:1: did not find expected ',' or ']'"),
        ("a: b: c", "spec.yaml:1:5: mapping values are not allowed"),
        ("a: \x00", "spec.yaml:1:4: a control character is not allowed in YAML"),
    ],
)  # fmt: skip # one case per line reads better
def test_what_a_spec_may_not_hold_is_told_with_its_place(text: str, expected: str) -> None:
    assert any(complaint.startswith(expected) for complaint in complaints(text)), complaints(text)


@pytest.mark.parametrize("text", ["a: 'yes'", "a: 2027-03-01", "a: ~", "a: /0755", "a: v1_000", "a: 1.2.3", "a: -", ""])
def test_what_every_yaml_version_reads_alike_is_allowed(text: str) -> None:
    assert text == "a: -" or complaints(text) == []


def test_reading_goes_on_after_a_problem() -> None:
    assert len(complaints("a: yes\nb: {c: 010, c: 2}\nd: !!int 3\n")) == 4


def test_nesting_is_limited() -> None:
    assert "is nested deeper than 40 levels" in complaints("a: " + "[" * (MAX_DEPTH + 5))[0]


def test_an_anchor_bomb_is_refused_at_once() -> None:
    rows = [f"k{level}: &k{level} [{', '.join([f'*k{level - 1}'] * 9)}]" for level in range(1, 12)]
    told = complaints("k0: &k0 [lol, lol, lol]\n" + "\n".join(rows))
    assert any("aliases stand for more than" in complaint for complaint in told)


def test_plain_aliases_share_a_value_and_keep_places() -> None:
    tree, findings = read("a: &x {b: 1, c: [2]}\nd: *x\ne: {f: *x, g: 3}\n")
    assert tree == {"a": {"b": 1, "c": [2]}, "d": {"b": 1, "c": [2]}, "e": {"f": {"b": 1, "c": [2]}, "g": 3}}
    at = findings.positions.locate(tree, ("e", "g"))
    assert str(findings.positions.place(at)) == "spec.yaml:3:12"
    assert str(findings.positions.place(findings.positions.locate(tree, ("e", "f", "c", 0)))) == "spec.yaml:1:18"


def test_a_dropped_duplicate_leaves_later_places_right() -> None:
    tree, findings = read("a: {b: {c: [1, 2]}, b: {d: {e: 1}}, f: 2}\n")
    assert str(findings.positions.place(findings.positions.locate(tree, ("a", "f")))) == "spec.yaml:1:37"

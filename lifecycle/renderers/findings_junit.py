"""A verdict as JUnit XML: one test case per rule. A rule that was not asked is skipped, never passed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from lifecycle.domain.policy import Finding, GateVerdict, RuleCard, Severity

# What XML 1.0 cannot carry, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def findings_junit(verdict: GateVerdict, rules: Sequence[RuleCard], *, environment: str) -> str:
    """Render.

    Args:
        verdict: of the gate.
        rules: every rule of the bundle.
        environment: names the suite.
    """
    titles = {finding.rule: "" for finding in verdict.findings} | {rule.id: rule.title for rule in rules}
    found: dict[str, list[Finding]] = {name: [] for name in titles}
    for finding in verdict.findings:
        found[finding.rule].append(finding)
    asked = frozenset(verdict.evaluated)
    cases = [_case(name, titles[name], found[name], asked=name in asked) for name in sorted(titles)]
    broken = list(verdict.errors) or ([] if verdict.rules_evaluated else ["no rule was evaluated, which counts as no"])
    failures = len({finding.rule for finding in verdict.blocking})
    skipped = sum("<skipped" in case for case in cases)
    head = (
        f'<testsuite name="policy gate {_text(environment)}" tests="{len(cases) + len(broken)}" '
        f'failures="{failures}" errors="{len(broken)}" skipped="{skipped}">'
    )
    errors = [
        f'  <testcase classname="policy" name="gate"><error message="{_text(text)}"></error></testcase>'
        for text in broken
    ]
    return "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', head, *errors, *cases, "</testsuite>", ""))


def _case(name: str, title: str, found: list[Finding], *, asked: bool) -> str:
    inside = "".join(_outcome(found, asked=asked))
    return f'  <testcase classname="policy" name="{_text(f"{name} {title}".strip())}">{inside}</testcase>'


def _outcome(found: list[Finding], *, asked: bool) -> Iterator[str]:
    blocking = [finding for finding in found if _blocks(finding)]
    told = [finding for finding in found if not _blocks(finding)]
    if blocking:
        message = _text(blocking[0].message)
        yield f'<failure type="violation" message="{message}">{_text(chr(10).join(map(_line, blocking)))}</failure>'
    elif not asked:
        yield '<skipped message="not asked: it needs a plan, or does not hold in this environment"></skipped>'
    if told:
        yield f"<system-out>{_text(chr(10).join(map(_line, told)))}</system-out>"


def _blocks(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR and not finding.waiver


def _line(finding: Finding) -> str:
    where = f"{finding.place}: " if finding.place else f"{finding.address}: " if finding.address else ""
    waived = f" (waived by {finding.waiver})" if finding.waiver else ""
    return f"{where}{finding.severity}: {finding.message}{waived}; next: {finding.remedy}"


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text), quote=True)

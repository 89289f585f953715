"""A verdict as one comment for a pull request. Pure.

The comment begins with a marker, so that a pipeline finds and replaces its own comment instead of adding another.
What comes from a spec is escaped: it can neither link, nor mention anybody, nor load a picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lifecycle.domain.change_words import ChangeInWords
from lifecycle.domain.policy import Finding, GateVerdict, Severity

# GitHub refuses comments beyond 65,536 characters.
MOST_ROWS, LONGEST_CELL = 100, 400
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def findings_markdown(verdict: GateVerdict, *, environment: str, change: ChangeInWords | None = None) -> str:
    """Render.

    Args:
        verdict: of the gate.
        environment: of the spec.
        change: what it does, allows and takes away, and whom it reaches; None when nobody asked.
    """
    said = "passed" if verdict.passed else "NOT passed"
    lines = [
        f"<!-- lifecycle-policy-gate {plain(environment)} -->",
        f"### Policy gate for {plain(environment)}: {said}",
        "",
        f"{verdict.rules_evaluated} rules, bundle {plain(verdict.bundle_digest[7:19] or 'not read')}",
    ]
    lines += [f"- **could not be evaluated**: {plain(error)}" for error in verdict.errors]
    for heading, told in change.parts() if change else ():
        lines += ["", f"**{plain(heading)}**", "", *(f"- {plain(text)}" for text in told[:MOST_ROWS])]
        lines += [f"- and {len(told) - MOST_ROWS} more"] if len(told) > MOST_ROWS else []
    lines += _table("Blocking", verdict.blocking)
    lines += _table("Shown", [f for f in verdict.findings if f.severity is not Severity.ERROR and not f.waiver])
    lines += _table("Waived", [f for f in verdict.findings if f.waiver])
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    rows = [_row(finding) for finding in findings[:MOST_ROWS]]
    more = [f"\nand {len(findings) - MOST_ROWS} more"] if len(findings) > MOST_ROWS else []
    head = ["", f"**{title}**", "", "| Rule | Where | What | Next |", "|---|---|---|---|"]
    return [*head, *rows, *more]


def _row(finding: Finding) -> str:
    where = f"{finding.place.file}:{finding.place.line}" if finding.place else finding.address or finding.entry
    then = f"waived by {finding.waiver}" if finding.waiver else finding.remedy
    return f"| {' | '.join(plain(text) for text in (finding.rule, where, finding.message, then))} |"


def plain(text: str) -> str:
    """Text as text: no markup, no link, no mention, on one line."""
    one_line = " ".join(text.split())
    short = one_line if len(one_line) <= LONGEST_CELL else f"{one_line[: LONGEST_CELL - 1]}…"
    escaped = short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _SPECIAL.sub(r"\\\1", escaped)
    return escaped.replace("@", "&#64;").replace("://", ":&#47;&#47;").replace("www.", "www&#46;")

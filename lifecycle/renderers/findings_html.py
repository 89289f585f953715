"""A verdict and the change that it judges as one page that loads nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lifecycle.domain.change_words import ChangeInWords
from lifecycle.domain.policy import Finding, GateVerdict, Severity
from lifecycle.renderers.evidence_html import CONTENT_POLICY, STYLE


def findings_html(verdict: GateVerdict, *, environment: str, change: ChangeInWords | None = None) -> str:
    """Render.

    Args:
        verdict: of the gate.
        environment: of the spec.
        change: what it does, allows and takes away, and whom it reaches; None when nobody asked.
    """
    said = "passed" if verdict.passed else "NOT passed"
    title = escape(f"Policy gate for {environment}: {said}")
    lead = f"{verdict.rules_evaluated} rules, bundle {verdict.bundle_digest[7:19] or 'not read'}"
    errors = "".join(f'<p class="gap">could not be evaluated: {escape(error)}</p>' for error in verdict.errors)
    parts = "".join(_part(heading, told) for heading, told in (change.parts() if change else ()))
    shown = [f for f in verdict.findings if f.severity is not Severity.ERROR and not f.waiver]
    tables = (
        _table("Blocking", verdict.blocking)
        + _table("Shown", shown)
        + _table("Waived", [f for f in verdict.findings if f.waiver])
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f'<main><h1>{title}</h1><p class="lead">{escape(lead)}</p>{errors}{parts}{tables}</main></body></html>\n'
    )


def _part(heading: str, told: Sequence[str]) -> str:
    return f"<h2>{escape(heading)}</h2><ul>{''.join(f'<li>{escape(text)}</li>' for text in told)}</ul>"


def _table(title: str, findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Rule", "Where", "What", "Next"))
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(item))}</tr>" for item in findings)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    where = f"{finding.place.file}:{finding.place.line}" if finding.place else finding.address or finding.entry
    then = f"waived by {finding.waiver}" if finding.waiver else finding.remedy
    return finding.rule, where, finding.message, then

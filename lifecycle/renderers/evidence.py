"""The evidence pack as files: a self-contained report, CSV and JSON of each table, and how to verify. Pure."""

from __future__ import annotations

import csv
import io
import json
from html import escape

from lifecycle.domain.evidence import EvidencePack, EvidenceSection, EvidenceTable

_STYLE = """
:root{color-scheme:light dark;--line:#8888}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:100rem;padding:1rem}
table{border-collapse:collapse;width:100%}
caption{text-align:left;font-weight:600;padding:.5rem 0}
th,td{border:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
th,td{overflow-wrap:break-word;min-width:7rem;max-width:40rem}
h1,p,li{overflow-wrap:anywhere}
.scroll{overflow-x:auto}
.scroll:focus,a:focus{outline:3px solid Highlight}
.gap{border-left:4px solid;padding-left:.75rem}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static}
@media print{.scroll{overflow:visible}nav,.skip{display:none}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def evidence_files(pack: EvidencePack) -> dict[str, str]:
    """Every rendered file of a pack: relative path -> text."""
    files = {"report.html": _report(pack), "VERIFY.md": _verify(pack)}
    for table in (table for section in pack.sections for table in section.tables):
        files[f"tables/{table.name}.csv"] = _csv(table)
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        files[f"tables/{table.name}.json"] = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    return files


def _csv(table: EvidenceTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows([_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet must show a cell, never calculate it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _report(pack: EvidencePack) -> str:
    title = escape(f"Evidence: {pack.environment}, {pack.since:%Y-%m-%d} to {pack.until:%Y-%m-%d}")
    links = "".join(f'<li><a href="#{escape(s.id)}">{escape(s.question)}</a></li>' for s in pack.sections)
    body = "".join(_section(section) for section in pack.sections)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<a class="skip" href="#main">Skip to the answers</a><header><h1>{title}</h1>'
        f"<p>Made {pack.made:%Y-%m-%d %H:%M} UTC by lifecycle {escape(pack.tool_version)}. What has no source here "
        f'reads "not shown".</p></header><nav aria-label="Questions"><ol>{links}</ol></nav>'
        f'<main id="main">{body}</main></body></html>\n'
    )


def _section(section: EvidenceSection) -> str:
    gaps = "".join(f'<p class="gap">not shown: {escape(text)}</p>' for text in section.not_shown)
    tables = "".join(_table(table) for table in section.tables)
    name = escape(section.id)
    heading = f'<h2 id="{name}-title">{escape(section.question)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}{tables}{gaps}</section>'


def _table(table: EvidenceTable) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    label = escape(table.caption)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _verify(pack: EvidencePack) -> str:
    expected = f" --expect-head {pack.audit_head}" if pack.audit_head else ""
    return f"""# Verify this pack

    lifecycle audit verify --env {pack.environment}{expected}
    lifecycle policy test
    lifecycle policy check --env {pack.environment}

An approval needs no tool of ours (see docs/policies.md):

    ssh-keygen -Y verify -f policies/signers/GROUP -I PRINCIPAL -n lifecycle-review -s review.json.sig < review.json

`receipts/` and `audit.jsonl` are copies, byte for byte; compare them with `sha256sum -c SHA256SUMS`.
"""

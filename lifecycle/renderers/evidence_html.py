"""`report.html`: one file, nothing loaded, readable on paper, on a phone and by a screen reader. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from html import escape

from lifecycle.domain.evidence import EvidencePack, EvidenceSection, EvidenceTable

STYLE = """
:root{color-scheme:light dark;--ink:#1a1d21;--dim:#565d66;--paper:#fff;--card:#f5f6f8;--line:#d3d7dd;--mark:#1f5fbf;
--warn:#8a4b00;--warnbg:#fff4e3;--bar:#1f5fbf;--old:#a3341c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#a9b1bb;--paper:#15181c;--card:#1e2329;--line:#3a424c;
--mark:#8ab8ff;--warn:#ffc27a;--warnbg:#33270f;--bar:#6ea8ff;--old:#ff8f70}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:96rem;padding:1rem 1.25rem 4rem;background:var(--paper);
color:var(--ink)}
a{color:var(--mark)}
h1{font-size:1.7rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 .75rem;padding-top:2rem;border-top:2px solid var(--line)}
h3{font-size:1rem;margin:1.25rem 0 .4rem}
section{margin-top:2rem}
h1,h2,h3,p,li{overflow-wrap:anywhere}
.lead{color:var(--dim);max-width:60rem}
.scroll{overflow-x:auto;margin:.75rem 0;border:1px solid var(--line);border-radius:.4rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;font-weight:600;padding:.5rem .7rem;position:sticky;left:0}
th,td{padding:.35rem .7rem;text-align:left;vertical-align:top;border-top:1px solid var(--line);min-width:5.5rem;
max-width:34rem;overflow-wrap:break-word}
td.w{overflow-wrap:anywhere;min-width:15rem}
th{background:var(--card);white-space:nowrap;overflow-wrap:normal}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll:focus-visible,a:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
.gap{border-left:4px solid var(--warn);background:var(--warnbg);padding:.4rem .75rem;margin:.5rem 0}
.answer{font-weight:600;max-width:60rem;margin:.25rem 0 .75rem}
.none{color:var(--dim);margin:.5rem 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:.75rem;padding:0;
margin:.5rem 0;list-style:none}
.cards>li{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem}
.cards h4{margin:0 0 .3rem;font-size:.95rem;overflow-wrap:anywhere}
.cards ul{margin:0;padding-left:1.1rem;font-size:.92rem}
.cards .via{color:var(--dim);font-size:.85rem;margin:.35rem 0 .1rem}
.over{color:var(--old);font-weight:600}
.ages{display:grid;grid-template-columns:minmax(8rem,18rem) auto 1fr;gap:.25rem .75rem;align-items:center;
font-size:.92rem;margin:.5rem 0}
.ages dt{overflow-wrap:anywhere}
.ages dd{margin:0;display:contents}
.ages svg{width:100%;height:.8rem;display:block}
.ages rect.b{fill:var(--bar)}
.ages rect.g{fill:var(--line)}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static}
@media(max-width:36rem){body{padding:.75rem .75rem 3rem}h1{font-size:1.35rem}h2{font-size:1.1rem}
.ages{grid-template-columns:1fr auto;gap:0 .75rem}.ages svg{grid-column:1/-1;margin-bottom:.5rem}}
@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--card:#f2f2f2;--line:#999;--mark:#000;--dim:#333;
--warn:#000;--warnbg:#fff}body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible;border:0}
th,td,td.w{min-width:0;font-size:8pt;overflow-wrap:anywhere}nav,.skip{display:none}tr,.cards>li{break-inside:avoid}h2,h3{break-after:avoid}
thead{display:table-header-group}}
"""
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NO_BEGINNING = 1970  # of a period that nobody gave a first day
_MOST_AGES = 40
_LONG_WORD = 32
_SHORT = re.compile(r"^\d+( [dh])?$|^\d{4}-\d\d-\d\d( \d\d:\d\d)?$|^not shown$")


def report_html(pack: EvidencePack) -> str:
    """The report."""
    first = f"{pack.since:%Y-%m-%d} to" if pack.since.year > _NO_BEGINNING else "from the first record to"
    title = escape(f"Evidence: {pack.environment}, {first} {pack.until:%Y-%m-%d}")
    body = "".join(_section(number, section) for number, section in enumerate(pack.sections, start=1))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f'<a class="skip" href="#main">Skip to the answers</a><header><h1>{title}</h1>'
        f'<p class="lead">Made {pack.made:%Y-%m-%d %H:%M} UTC by lifecycle {escape(pack.tool_version)}'
        f"{escape(f', {pack.audience_note}') if pack.audience_note else ''}. What has no source here reads "
        f'"not shown", which is no good news and no bad news. VERIFY.md says how to check this pack.</p></header>'
        f'<nav aria-label="Questions">{_overview(pack)}</nav><main id="main">{body}</main></body></html>\n'
    )


def _overview(pack: EvidencePack) -> str:
    rows = "".join(
        f'<tr><td><a href="#{escape(s.id)}">{number}. {escape(s.question)}</a><br>{escape(s.answer)}</td>'
        f'<td class="n">{sum(len(table.rows) for table in s.tables)}</td><td class="n">{len(s.not_shown)}</td></tr>'
        for number, s in enumerate(pack.sections, start=1)
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Ten questions"><table>'
        "<caption>Ten questions</caption>"
        '<thead><tr><th scope="col">Question</th><th scope="col">Rows</th><th scope="col">Gaps</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _section(number: int, section: EvidenceSection) -> str:
    gaps = "".join(f'<p class="gap">not shown: {escape(text)}</p>' for text in section.not_shown)
    tables = "".join(_VIEWS.get(table.name, lambda _: "")(table) + _table(table) for table in section.tables)
    name = escape(section.id)
    heading = f'<h2 id="{name}-title">{number}. {escape(section.question)}</h2>'
    answer = f'<p class="answer">{escape(section.answer)}</p>' if section.answer else ""
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}{answer}{gaps}{tables}</section>'


def _table(table: EvidenceTable) -> str:
    label = escape(table.caption)
    if not table.rows:
        return f'<p class="none">{label}: {escape(table.empty)}</p>'
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    if _SHORT.match(text):
        return f'<td class="n">{escape(text)}</td>'
    wide = any(len(word) > _LONG_WORD for word in text.split())
    return f'<td class="w">{escape(text)}</td>' if wide else f"<td>{escape(text)}</td>"


def _records(table: EvidenceTable) -> list[dict[str, str]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _reach_map(table: EvidenceTable) -> str:
    """Who reaches what through which proxy: a card for all who reach the same."""
    if not {"Who", "Through", "Destination", "Port"} <= set(table.columns):
        return ""
    users: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in _records(table):
        port = f" on {row['Port']}" if row["Port"] else ""
        for who in row["Who"].split(", "):
            users[who][row["Through"]].append(f"{row['Destination']}{port}")
    alike: dict[str, list[str]] = defaultdict(list)
    for who, ways in sorted(users.items()):
        alike["".join(_way(through, hosts) for through, hosts in sorted(ways.items()))].append(who)
    cards = "".join(f"<li><h4>{escape(', '.join(names))}</h4>{body}</li>" for body, names in alike.items())
    return f'<h3>Reach map</h3><ul class="cards">{cards}</ul>'


def _way(through: str, hosts: list[str]) -> str:
    listed = "".join(f"<li>{escape(host)}</li>" for host in sorted(hosts))
    return f'<p class="via">through {escape(through)}</p><ul>{listed}</ul>'


def _credentials(table: EvidenceTable) -> str:
    return _calendar(table) + _ages(table)


def _calendar(table: EvidenceTable) -> str:
    """Rotations due, a card per month; what is overdue comes first and says so."""
    if not {"Credential", "Next due"} <= set(table.columns):
        return ""
    months: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    for row in _records(table):
        text = row["Next due"]
        day = _day(text)
        if day is not None:
            months[f"{day:%Y-%m}"].append((f"{day:%Y-%m-%d}", row["Credential"], "overdue" in text))
    if not months:
        return ""
    cards = "".join(
        f"<li><h4>{month}</h4><ul>{''.join(_due(*item) for item in sorted(items))}</ul></li>"
        for month, items in sorted(months.items())
    )
    return f'<h3>Calendar of rotations due</h3><ul class="cards">{cards}</ul>'


def _due(day: str, name: str, late: bool) -> str:
    said = f'<span class="over">{day} overdue</span>' if late else f'<time datetime="{day}">{day}</time>'
    return f"<li>{said} {escape(name)}</li>"


def _ages(table: EvidenceTable) -> str:
    """The oldest live values first, as bars; the number stands beside each, so the bar says nothing more."""
    column = "Age of the current value"
    if not {"Credential", column} <= set(table.columns):
        return ""
    known = [(int(r[column].removesuffix(" d")), r["Credential"]) for r in _records(table) if r[column].endswith(" d")]
    if not known:
        return ""
    known.sort(reverse=True)
    longest = max(known[0][0], 1)
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd><span>{age} d</span>"
        '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="g" width="100" height="8"/><rect class="b" width="{100 * age / longest:.1f}" height="8"/>'
        "</svg></dd>"
        for age, name in known[:_MOST_AGES]
    )
    return f'<h3>Ages of the live values, oldest first</h3><dl class="ages">{rows}</dl>'


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


_VIEWS = {"reach": _reach_map, "credentials": _credentials}

"""Answers the ten questions of a reviewer from spec, gate, receipts, journal and audit log. Reads, decides nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from lifecycle.domain.audit import canonical, digest_bytes
from lifecycle.domain.evidence import EvidencePack, EvidenceSection, EvidenceTable
from lifecycle.domain.grants import compare, grants
from lifecycle.domain.policy import GateVerdict, Severity
from lifecycle.domain.receipt import Receipt
from lifecycle.operations.evidence_answers import answers
from lifecycle.operations.evidence_credentials import existing, rotations
from lifecycle.operations.evidence_sources import EvidenceSources, Rows, table


def gather_evidence(
    sources: EvidenceSources, *, since: datetime, until: datetime, made: datetime, tool_version: str
) -> EvidencePack:
    """Answer every question for one period."""
    receipts = tuple(item for item in sources.receipts if since <= item.started <= until)
    sections = (
        ("q1-reach", "Who can reach which host, through which proxy, until when, why?", [_reach(sources)]),
        ("q2-changes", "What is allowed now that was not before, in words?", [_applied(receipts), _declared(sources)]),
        (
            "q3-credentials",
            "Which credentials exist, whose, used by whom, how old?",
            existing(sources, since, until, made),
        ),
        (
            "q4-rotations",
            "Was every rotation of the period done, under which approval?",
            rotations(sources, since, until),
        ),
        ("q5-leaks", "Did any value reach state, plan or log? What was scanned?", _leaks(receipts)),
        (
            "q6-policies",
            "Which policies and waivers were in force, who signed, until when?",
            _policies(sources, receipts),
        ),
        ("q7-controls", "Which rule answers which control?", [_controls(sources)]),
        ("q8-reviewed", "Was what ran exactly what was reviewed?", [_reviewed(receipts)]),
        (
            "q9-rights",
            "What rights does the tool need, which does it hold, and which did it use?",
            _rights(sources, since, until),
        ),
        ("q10-trail", "Has the trail been altered?", _trail(sources, since, until)),
    )
    said = answers(table for _, _, tables in sections for table in tables)
    built = tuple(_section(name, question, tables, sources, said[name]) for name, question, tables in sections)
    return EvidencePack(
        environment=sources.spec.environment, since=since, until=until, made=made, tool_version=tool_version,
        audit_head=sources.audit_head, sections=built,
    )  # fmt: skip


def _section(
    name: str, question: str, tables: list[EvidenceTable], sources: EvidenceSources, answer: str
) -> EvidenceSection:
    empty = tuple(f"nothing on record for: {item.caption}" for item in tables if not item.rows and not item.empty)
    shown = tuple(item for item in tables if item.rows or item.empty)
    gaps = (*sources.gaps.get(name, ()), *empty)
    return EvidenceSection(id=name, question=question, answer=answer, tables=shown, not_shown=gaps)


def _reach(sources: EvidenceSources) -> EvidenceTable:
    spec, rows = sources.spec, Rows()
    for name, item in sorted(spec.allowlists.items()):
        users = [f"agents.{agent.name}" for agent in spec.agents.values() if agent.egress == name]
        users += [f"connectors.{entry.name}" for entry in spec.connectors.values() if entry.through == name]
        who, through = ", ".join(sorted(users)) or "nobody declared", f"{name} ({', '.join(item.targets)})"
        rows += [
            (who, f"data set {included}", "", through, "no end", "published by the vendor", "")
            for included in item.include
        ]
        for entry in item.entries:
            host = entry.host or entry.cidr or ""
            until = str(entry.expires or "no end")
            rows.append(
                (
                    who,
                    f"{host} ({entry.match})" if entry.host else host,
                    str(entry.port),
                    through,
                    until,
                    entry.reason,
                    entry.ticket or "",
                )
            )
    return table("reach", "Declared reach", "Who, Destination, Port, Through, Until, Why, Ticket", rows)


def _applied(receipts: tuple[Receipt, ...]) -> EvidenceTable:
    rows: Rows = [
        (f"{item.started:%Y-%m-%d %H:%M}", item.id, text)
        for item in receipts
        if item.plan is not None
        for text in item.plan.summary
        if text.startswith(("newly allowed", "no longer allowed"))
    ]
    return table("permission-changes", "Changes applied in the period", "When, Run, Change", rows)


def _declared(sources: EvidenceSources) -> EvidenceTable:
    change = compare(sources.receipts[-1].grants if sources.receipts else (), grants(sources.spec))
    rows: Rows = [("newly allowed", text) for text in change.added]
    rows += [("no longer allowed", text) for text in change.removed]
    found = table("permission-pending", "Declared now and not applied yet", "Direction, Permission", rows)
    return replace(found, empty="nothing, what is declared is what was applied last")


def _leaks(receipts: tuple[Receipt, ...]) -> list[EvidenceTable]:
    rows = Rows()
    for item in receipts:
        if item.leak_scan is None:
            rows.append((item.id, "every surface", "not scanned", "", "the scan did not run"))
            continue
        found = Counter(leak.surface for leak in item.leak_scan.leaks)
        for surface in item.leak_scan.surfaces:
            said = f"{found[surface.name]} found" if surface.scanned else "not scanned"
            rows.append((item.id, surface.name, said, str(surface.bytes), surface.reason))
    return [table("leak-scans", "Surfaces searched after each run", "Run, Surface, Result, Bytes, Reason", rows)]


def _policies(sources: EvidenceSources, receipts: tuple[Receipt, ...]) -> list[EvidenceTable]:
    rows: Rows = [("now", sources.verdict.bundle_digest, str(sources.verdict.rules_evaluated))]
    for item in receipts:
        if item.plan is not None:
            digests = item.plan.manifest.get("digests", {})
            rows.append((item.id, str(digests.get("policy_bundle", "not shown")), str(item.plan.rules_evaluated)))
    columns = "Id, Rule, Scope, Owner, Reason, Ticket, Expires, Days left"
    waivers = replace(table("waivers", "Waivers", columns, list(sources.waivers)), empty="none is on file")
    signers = table("signers", "Who may sign, by the bundle", "Group, Principal, Limits", list(sources.signers))
    signers = replace(signers, empty="the bundle lists nobody")
    told = list(sources.bundle_signatures)
    signed = table(
        "bundle-signatures", "Who signed the bundle that lies there now", "By, Bundle, Version, Follows", told
    )
    bundles = table("bundles", "Policy bundles in force", "Run, Bundle, Rules evaluated", rows)
    return [bundles, *([signed] if told else []), waivers, signers]


def _controls(sources: EvidenceSources) -> EvidenceTable:
    rows: Rows = [
        (control, card.id, card.title, _result(sources.verdict, card.id))
        for card in sources.cards
        for control in card.controls
    ]
    return table(
        "controls",
        "Rules by control, over the spec as it is declared now",
        "Control, Rule, Title, Result",
        sorted(rows),
    )


def _result(verdict: GateVerdict, rule: str) -> str:
    found = [finding for finding in verdict.findings if finding.rule == rule]
    if rule not in verdict.evaluated:
        return "not shown: not asked"
    blocking = sum(f.severity is Severity.ERROR and not f.waiver for f in found)
    waived = sum(bool(f.waiver) for f in found)
    return f"{blocking} blocking, {waived} waived, {len(found) - blocking - waived} shown" if found else "no finding"


def _reviewed(receipts: tuple[Receipt, ...]) -> EvidenceTable:
    rows = Rows()
    for item in receipts:
        if item.plan is None:
            continue
        same = digest_bytes(canonical(item.plan.manifest)) == item.plan.plan_digest
        other = [a.approver for a in item.plan.approvals if a.effect_digest != item.plan.effect_digest]
        approved = ", ".join(f"{a.approver} ({a.method})" for a in item.plan.approvals) or "no approval on record"
        said = "the manifest has this digest" if same else "NOT the digest of the manifest"
        wrong = f"; approved ANOTHER effect: {', '.join(other)}" if other else ""
        rows.append((item.id, str(item.state), item.plan.plan_digest, item.plan.effect_digest, approved, said + wrong))
    return table("applies", "Plans applied in the period", "Run, State, Plan, Effect, Approved by, Recomputed", rows)


def _rights(sources: EvidenceSources, since: datetime, until: datetime) -> list[EvidenceTable]:
    used = Counter((e.actor, e.action) for e in sources.events or () if since <= e.at <= until)
    rows: Rows = [(actor, action, str(count)) for (actor, action), count in sorted(used.items())]
    held = table("rights-held", "What this login holds, as the providers tell it", "Who, Written in, May", [])
    found = [replace(held, rows=sources.rights_held)] if sources.rights_held else []
    return [
        *found,
        table("rights", "Least rights, from the spec", "Identity, File, May", list(sources.rights)),
        table("rights-used", "What was done in the period, by whom", "Who, Action, Times", rows),
    ]


def _trail(sources: EvidenceSources, since: datetime, until: datetime) -> list[EvidenceTable]:
    counted = Counter((e.action, str(e.result)) for e in sources.events or () if since <= e.at <= until)
    rows: Rows = [(action, result, str(count)) for (action, result), count in sorted(counted.items())]
    head: Rows = [(sources.audit_head, str(len(sources.events)))] if sources.events is not None else []
    return [
        table("trail", "The chain was checked from its first line to this head", "Head, Events", head),
        table("heads", "Heads that somebody else signed", "Signed, Line, Head, By", list(sources.heads)),
        table("events", "Events of the period", "Action, Result, Count", rows),
    ]

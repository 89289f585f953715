"""Answers the ten questions of a reviewer from spec, gate, receipts, journal and audit log. Reads, decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lifecycle.domain.audit import AuditEvent, canonical, digest_bytes
from lifecycle.domain.evidence import EvidencePack, EvidenceSection, EvidenceTable
from lifecycle.domain.grants import compare, grants
from lifecycle.domain.policy import GateVerdict, RuleCard, Severity
from lifecycle.domain.receipt import Receipt
from lifecycle.domain.rotation import RotationRecord
from lifecycle.domain.rotation_policy import Limits, RotationPolicy, due
from lifecycle.domain.spec import Spec

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSources:
    """What was read.

    Attributes:
        records: journal records per credential, oldest first; None when the journal could not be read.
        events: of the audit log, chain checked; None when there is none or it does not verify.
        gaps: section id -> why a source is missing.
        waivers: id, rule, scope, owner, reason, ticket, expires.
        rights: identity, file, what it may do; generated from the spec.
    """

    spec: Spec
    verdict: GateVerdict
    cards: tuple[RuleCard, ...]
    receipts: tuple[Receipt, ...]
    records: Mapping[str, tuple[RotationRecord, ...]] | None
    events: tuple[AuditEvent, ...] | None
    audit_head: str
    waivers: tuple[tuple[str, ...], ...]
    rights: tuple[tuple[str, ...], ...]
    gaps: Mapping[str, tuple[str, ...]]


def gather_evidence(
    sources: EvidenceSources, *, since: datetime, until: datetime, made: datetime, tool_version: str
) -> EvidencePack:
    """Answer every question for one period."""
    receipts = tuple(item for item in sources.receipts if since <= item.started <= until)
    sections = (
        ("q1-reach", "Who can reach which host, through which proxy, until when, why?", [_reach(sources)]),
        ("q2-changes", "What is allowed now that was not before, in words?", [_applied(receipts), _declared(sources)]),
        ("q3-credentials", "Which credentials exist, whose, used by whom, how old?", _credentials(sources, made)),
        ("q4-rotations", "Was every rotation of the period done?", _rotations(sources, since, until)),
        ("q5-leaks", "Did any value reach state, plan or log? What was scanned?", _leaks(receipts)),
        ("q6-policies", "Which policies and waivers were in force, until when?", _policies(sources, receipts)),
        ("q7-controls", "Which rule answers which control?", [_controls(sources)]),
        ("q8-reviewed", "Was what ran exactly what was reviewed?", [_reviewed(receipts)]),
        ("q9-rights", "What rights does the tool itself need?", _rights(sources)),
        ("q10-trail", "Has the trail been altered?", _trail(sources, since, until)),
    )
    built = tuple(_section(name, question, tables, sources) for name, question, tables in sections)
    return EvidencePack(
        environment=sources.spec.environment, since=since, until=until, made=made, tool_version=tool_version,
        audit_head=sources.audit_head, sections=built,
    )  # fmt: skip


def _section(name: str, question: str, tables: list[EvidenceTable], sources: EvidenceSources) -> EvidenceSection:
    empty = tuple(f"nothing on record for: {table.caption}" for table in tables if not table.rows)
    shown = tuple(table for table in tables if table.rows)
    return EvidenceSection(id=name, question=question, tables=shown, not_shown=(*sources.gaps.get(name, ()), *empty))


def _table(name: str, caption: str, columns: str, rows: Rows) -> EvidenceTable:
    return EvidenceTable(name=name, caption=caption, columns=tuple(columns.split(", ")), rows=tuple(rows))


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
    return _table("reach", "Declared reach", "Who, Destination, Port, Through, Until, Why, Ticket", rows)


def _applied(receipts: tuple[Receipt, ...]) -> EvidenceTable:
    rows: Rows = [
        (f"{item.started:%Y-%m-%d %H:%M}", item.id, text)
        for item in receipts
        if item.plan is not None
        for text in item.plan.summary
        if text.startswith(("newly allowed", "no longer allowed"))
    ]
    return _table("permission-changes", "Changes applied in the period", "When, Run, Change", rows)


def _declared(sources: EvidenceSources) -> EvidenceTable:
    change = compare(sources.receipts[-1].grants if sources.receipts else (), grants(sources.spec))
    rows: Rows = [("newly allowed", text) for text in change.added]
    rows += [("no longer allowed", text) for text in change.removed]
    return _table("permission-pending", "Declared now and not applied yet", "Direction, Permission", rows)


def _credentials(sources: EvidenceSources, now: datetime) -> list[EvidenceTable]:
    rows = Rows()
    for name, entry in sorted(sources.spec.credentials.items()):
        used = [f"agents.{item.agent}" for item in entry.consumers if item.agent]
        used += [item.unobservable.name for item in entry.consumers if item.unobservable]
        used += [f"connectors.{item.name}" for item in sources.spec.connectors.values() if item.credential == name]
        age, state, when = "not shown", "not shown", "not shown"
        if sources.records is not None:
            record = (sources.records.get(name) or (None,))[-1]
            policy = RotationPolicy(
                period=entry.rotation_period, minimum=entry.grace.minimum, ceiling=entry.grace.ceiling
            )
            verdict = due(record, policy, Limits(), now)
            state = str(record.state) if record else "never issued"
            age = f"{(now - record.live_since).days} d" if record and record.live_since else "not shown"
            when = f"{verdict.at:%Y-%m-%d}{' (overdue)' if verdict.now else ''}" if verdict.at else verdict.why
        rows.append((name, entry.kind, entry.owner, ", ".join(used), entry.store, state, age, when))
    columns = "Credential, Kind, Owner, Used by, Store, State, Age of the current value, Next due"
    return [_table("credentials", "Declared credentials", columns, rows)]


def _rotations(sources: EvidenceSources, since: datetime, until: datetime) -> list[EvidenceTable]:
    ended: dict[tuple[str, int], RotationRecord] = {}
    for name, records in (sources.records or {}).items():
        ended |= {(name, record.number): record for record in records if since <= record.at <= until}
    rows: Rows = [
        (
            name,
            str(number),
            str(record.intent_at or ""),
            str(record.at),
            str(record.state),
            str(record.outcome) or "open",
            record.reason,
        )
        for (name, number), record in sorted(ended.items())
    ]
    return [
        _table(
            "rotations", "Operations of the period", "Credential, No., Began, Last step, State, Outcome, Reason", rows
        )
    ]


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
    return [_table("leak-scans", "Surfaces searched after each run", "Run, Surface, Result, Bytes, Reason", rows)]


def _policies(sources: EvidenceSources, receipts: tuple[Receipt, ...]) -> list[EvidenceTable]:
    rows: Rows = [("now", sources.verdict.bundle_digest, str(sources.verdict.rules_evaluated))]
    for item in receipts:
        if item.plan is not None:
            digests = item.plan.manifest.get("digests", {})
            rows.append((item.id, str(digests.get("policy_bundle", "not shown")), str(item.plan.rules_evaluated)))
    waivers = _table(
        "waivers", "Waivers", "Id, Rule, Scope, Owner, Reason, Ticket, Expires, Days left", list(sources.waivers)
    )
    return [_table("bundles", "Policy bundles in force", "Run, Bundle, Rules evaluated", rows), waivers]


def _controls(sources: EvidenceSources) -> EvidenceTable:
    rows: Rows = [
        (control, card.id, card.title, _result(sources.verdict, card.id))
        for card in sources.cards
        for control in card.controls
    ]
    return _table(
        "controls", "Rules by control, over the spec as declared", "Control, Rule, Title, Result", sorted(rows)
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
    return _table("applies", "Plans applied in the period", "Run, State, Plan, Effect, Approved by, Recomputed", rows)


def _rights(sources: EvidenceSources) -> list[EvidenceTable]:
    return [_table("rights", "Least rights, from the spec", "Identity, File, May", list(sources.rights))]


def _trail(sources: EvidenceSources, since: datetime, until: datetime) -> list[EvidenceTable]:
    counted = Counter((e.action, str(e.result)) for e in sources.events or () if since <= e.at <= until)
    rows: Rows = [(action, result, str(count)) for (action, result), count in sorted(counted.items())]
    head: Rows = [(sources.audit_head, str(len(sources.events)))] if sources.events is not None else []
    return [
        _table("trail", "The chain was checked from its first line to this head", "Head, Events", head),
        _table("events", "Events of the period", "Action, Result, Count", rows),
    ]

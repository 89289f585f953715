"""Questions 3 and 4 of the evidence pack: which credentials exist, and whether the rotations of a period were done."""

from __future__ import annotations

from datetime import datetime, timedelta

from lifecycle.domain.evidence import EvidenceTable
from lifecycle.domain.population import PeriodOperation, operations, overdue, population
from lifecycle.domain.rotation import Outcome
from lifecycle.domain.rotation_policy import Limits, RotationPolicy, due
from lifecycle.operations.evidence_sources import EvidenceSources, Rows, table


def _credentials(sources: EvidenceSources, now: datetime) -> EvidenceTable:
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
    return table("credentials", "Declared credentials", columns, rows)


def _population(sources: EvidenceSources, since: datetime, until: datetime) -> EvidenceTable:
    rows = Rows()
    if sources.records is not None:
        found = population(sources.records, since, until)
        parts = (
            ("opening", found.opening),
            ("added", found.added),
            ("retired", found.retired),
            ("closing", found.closing),
        )
        rows = [(name, str(len(names)), ", ".join(names)) for name, names in parts]
        said = "opening + added - retired = closing" if found.balanced else "the numbers do NOT agree"
        rows.append(("check", "", said))
    return table("population", "Population of the period, by the journal", "Which, Count, Credentials", rows)


def _listings(sources: EvidenceSources, made: datetime) -> list[EvidenceTable]:
    rows = Rows()
    for item in sources.listings or ():
        counts = [str(len(ids)) for ids in (item.managed, item.known, item.unknown, item.missing)]
        oldest = f"{(made - item.oldest).days} d" if item.oldest else "not shown"
        strange = ", ".join((*item.unknown, *(f"missing {name}" for name in item.missing)))
        told = ["not shown"] * 5 if item.problem else [*counts, oldest]
        said = f"not inspectable: {item.problem}" if item.problem else strange
        rows.append((item.kind, item.principal, ", ".join(item.credentials), *told, said))
    columns = "Kind, Principal, Credentials, Managed, Known, Unknown, Missing, Oldest live one, Which"
    return [
        table("provider-totals", "Reconciled with the providers' own lists", "Which, Count", _totals(sources)),
        table("provider-lists", "By principal", columns, rows),
    ]


def _totals(sources: EvidenceSources) -> Rows:
    if sources.listings is None:
        return []
    readable = [item for item in sources.listings if not item.problem]
    return [
        ("managed", str(sum(len(item.managed) for item in readable))),
        ("known", str(sum(len(item.known) for item in readable))),
        ("unknown", str(sum(len(item.unknown) for item in readable))),
        ("missing", str(sum(len(item.missing) for item in readable))),
        ("not inspectable (principals)", str(len(sources.listings) - len(readable))),
    ]


def existing(sources: EvidenceSources, since: datetime, until: datetime, made: datetime) -> list[EvidenceTable]:
    """Question 3: populations, what providers list, and what is declared."""
    return [_population(sources, since, until), *_listings(sources, made), _credentials(sources, made)]


def rotations(sources: EvidenceSources, since: datetime, until: datetime) -> list[EvidenceTable]:
    """Question 4: every operation of the period, how many were late or failed, and what was overdue at its end."""
    history = sources.records or {}
    periods = {name: entry.rotation_period for name, entry in sources.spec.credentials.items()}
    found = operations(history, periods, since, until)
    rows = [_operation(item, sources) for item in found]
    late = [item for item in found if item.late_by is not None]
    failed = [item for item in found if item.failed]
    due = overdue(history, periods, until)
    counts: Rows = [
        ("operations with a step in the period", str(len(found))),
        ("done", str(sum(item.last.outcome is Outcome.DONE for item in found))),
        ("late", str(len(late))),
        ("failed or quarantined", str(len(failed))),
        ("overdue at the end", str(len(due))),
    ]
    shown = counts if sources.records is not None else []
    columns = "Credential, No., Began, Last step, State, Outcome, In time, By, Declared under, Reason"
    past: Rows = [(name, f"{when:%Y-%m-%d %H:%M}", _days(behind)) for name, when, behind in due]
    return [
        table("rotation-counts", "Rotations of the period", "Which, Count", shown),
        table("rotations", "Operations of the period", columns, rows),
        EvidenceTable(
            name="overdue",
            caption="Overdue at the end of the period, by the rotation periods declared today",
            columns=("Credential", "Due since", "Behind"),
            rows=tuple(past),
            empty="none was overdue" if sources.records is not None else "",
        ),
    ]


def _operation(item: PeriodOperation, sources: EvidenceSources) -> tuple[str, ...]:
    last = item.last
    if item.late_by is not None:
        timely = f"late by {_days(item.late_by)}"
    elif item.promoted_at is None:
        timely = "no new value"
    else:
        timely = "in time" if item.due_at else ("first" if last.old is None else "not shown")
    events = sources.events or ()
    actors = sorted({e.actor for e in events if last.operation and e.detail.get("operation") == last.operation})
    began = f"{last.intent_at:%Y-%m-%d %H:%M}" if last.intent_at else "not shown"
    return (
        item.credential,
        str(item.number),
        began,
        f"{last.at:%Y-%m-%d %H:%M}",
        str(last.state),
        str(last.outcome) or "open",
        timely,
        ", ".join(actors) or "not shown",
        _approval(item, sources),
        last.reason,
    )


def _approval(item: PeriodOperation, sources: EvidenceSources) -> str:
    """The newest applied spec that declared the credential when the operation began, and who approved that."""
    began = item.last.intent_at or item.last.at
    entry = f"credentials.{item.credential}"
    runs = [r for r in sources.receipts if r.plan is not None and r.started <= began and entry in r.entries]
    if not runs or runs[-1].plan is None:
        return "not shown"
    names = ", ".join(approval.approver for approval in runs[-1].plan.approvals)
    return f"{runs[-1].id}: {names or 'no approval on record'}"


def _days(span: timedelta) -> str:
    hours = int(span.total_seconds()) // 3600
    return f"{hours // 24} d" if hours >= 48 else f"{hours} h" if hours else "under 1 h"

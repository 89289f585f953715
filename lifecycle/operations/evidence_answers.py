"""One sentence per question, counted from the tables below it, for readers who never saw the tool. Pure.

Sentences hold numbers only, never a name, so that every audience may read them. Where a table is missing, the sentence
says that it cannot be answered from this pack; it never says "passed".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lifecycle.domain.evidence import EvidenceTable

Tables = Mapping[str, EvidenceTable]
_CANNOT = "This pack cannot answer it."


def answers(tables: Iterable[EvidenceTable]) -> Mapping[str, str]:
    """The sentence of each section, by its id."""
    named = {table.name: table for table in tables}
    return {section: answer(named) for section, answer in _ANSWERS.items()}


def _cells(tables: Tables, name: str, column: str) -> list[str]:
    """One column of a table; empty when the table has no row, or is not there."""
    table = tables.get(name)
    if table is None or not table.rows:
        return []
    at = table.columns.index(column)
    return [row[at] for row in table.rows]


def _counts(tables: Tables, name: str) -> Mapping[str, str]:
    return dict(zip(_cells(tables, name, "Which"), _cells(tables, name, "Count"), strict=True))


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def _reach(tables: Tables) -> str:
    found = _cells(tables, "reach", "Until")
    return (
        f"{_many(len(found), 'destination is', 'destinations are')} declared, {found.count('no end')} without an end."
    )


def _changes(tables: Tables) -> str:
    done, waiting = _cells(tables, "permission-changes", "Change"), _cells(tables, "permission-pending", "Permission")
    newly = sum(text.startswith("newly allowed") for text in done)
    return f"{newly} allowed and {len(done) - newly} taken away in the period; {len(waiting)} declared and not applied."


def _credentials(tables: Tables) -> str:
    declared = f"{_many(len(_cells(tables, 'credentials', 'State')), 'credential is', 'credentials are')} declared"
    listed = _counts(tables, "provider-totals")
    if not listed:
        return f"{declared}; whether the providers have others was not asked."
    unseen = listed.get("not inspectable (principals)", "0")
    return (
        f"{declared}; the providers list {listed.get('unknown', '0')} that are unknown here and miss"
        f" {listed.get('missing', '0')}; {_many(int(unseen), 'principal')} could not be inspected."
    )


def _rotations(tables: Tables) -> str:
    found = _counts(tables, "rotation-counts")
    if not found:
        return _CANNOT
    late, failed = found.get("late", "0"), found.get("failed or quarantined", "0")
    return (
        f"{found.get('done', '0')} done, {late} late, {failed} failed; {found.get('overdue at the end', '0')} overdue."
    )


def _leaks(tables: Tables) -> str:
    results = _cells(tables, "leak-scans", "Result")
    if not results:
        return _CANNOT
    unseen = results.count("not scanned")
    if unseen == len(results):
        return f"Nothing was searched: {_many(unseen, 'surface')}, for the reasons given."
    found = sum(int(text.partition(" ")[0]) for text in results if text != "not scanned")
    told = f"{_many(found, 'value')} FOUND" if found else "No value was found"
    return (
        f"{told} in {_many(len(results) - unseen, 'searched surface')}; {unseen} not searched, for the reasons given."
    )


def _policies(tables: Tables) -> str:
    bundles = len(set(_cells(tables, "bundles", "Bundle")))
    signed = _cells(tables, "bundle-signatures", "Version")
    who = _many(len(signed), "person signed", "people signed") if signed else "no signature is shown for"
    waived = _many(len(_cells(tables, "waivers", "Rule")), "waiver")
    return f"{_many(bundles, 'bundle was', 'bundles were')} in force; {who} the one that lies there now; {waived}."


def _controls(tables: Tables) -> str:
    found = dict(zip(_cells(tables, "controls", "Rule"), _cells(tables, "controls", "Result"), strict=True))
    unasked = sum(text.startswith("not shown") for text in found.values())
    quiet = sum(text == "no finding" for text in found.values())
    asked = len(found) - unasked
    return (
        f"{_many(len(found), 'rule answers', 'rules answer')} controls. Asked now: {asked}, of which {quiet} found"
        f" nothing. Not asked: {unasked}, which need a plan or do not hold in this environment."
    )


def _reviewed(tables: Tables) -> str:
    found = _cells(tables, "applies", "Recomputed")
    if not found:
        return "Nothing was applied in the period, or no receipt of it is here."
    same = sum(text == "the manifest has this digest" for text in found)
    bare = sum(text == "no approval on record" for text in _cells(tables, "applies", "Approved by"))
    return f"{same} of {len(found)} applied plans matched the digest that was reviewed; {bare} without an approval."


def _rights(tables: Tables) -> str:
    held = _cells(tables, "rights-held", "May")
    if not held:
        return "What is needed is listed; what the login of this run holds was not read."
    beyond = sum("beyond what any identity needs" in text or text.endswith(" * on *") for text in held)
    return f"{_many(len(held), 'right')} read from the providers, {beyond} of them beyond need."


def _trail(tables: Tables) -> str:
    events = _cells(tables, "trail", "Events")
    if not events:
        return _CANNOT
    signed = len(_cells(tables, "heads", "Signed"))
    told = f"The chain of {_many(int(events[0]), 'event')} is whole"
    return f"{told}; {_many(signed, 'head was', 'heads were')} signed by somebody who does not write it."


_ANSWERS: Mapping[str, Callable[[Tables], str]] = {
    "q1-reach": _reach,
    "q2-changes": _changes,
    "q3-credentials": _credentials,
    "q4-rotations": _rotations,
    "q5-leaks": _leaks,
    "q6-policies": _policies,
    "q7-controls": _controls,
    "q8-reviewed": _reviewed,
    "q9-rights": _rights,
    "q10-trail": _trail,
}

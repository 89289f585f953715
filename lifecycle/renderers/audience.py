"""An evidence pack for those who may not see everything. Pure.

What is shown is allowed column by column; a table or column that is not named here is withheld, so that a new one leaks
nothing. Hosts, ARNs, accounts, addresses of people and names are a map for an attacker: auditors get them as pseudonyms
that are the same all over the pack and in every pack under the same key; the public gets counts, dates and states.

    KEEP   closed vocabulary, numbers, dates, digests, and texts of the rule catalogue
    NAME   the whole cell becomes a pseudonym
    SCRUB  a sentence, in which whatever looks like a host, ARN, account, address or known name becomes a pseudonym
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from lifecycle.domain.change_words import ChangeInWords
from lifecycle.domain.evidence import Audience, EvidencePack, EvidenceSection, EvidenceTable
from lifecycle.domain.grants import GrantChange
from lifecycle.domain.policy import Finding, GateVerdict, RuleCard

WITHHELD = "withheld"


class _How(StrEnum):
    KEEP = "keep"
    NAME = "name"
    SCRUB = "scrub"


_K, _N, _S = _How.KEEP, _How.NAME, _How.SCRUB

_AUDITOR: Mapping[str, Mapping[str, _How]] = {
    "reach": {
        **dict.fromkeys(("Who", "Destination", "Through", "Why"), _S),
        **dict.fromkeys(("Port", "Until", "Ticket"), _K),
    },
    "permission-changes": {"When": _K, "Run": _K, "Change": _S},
    "permission-pending": {"Direction": _K, "Permission": _S},
    "population": {"Which": _K, "Count": _K, "Credentials": _S},
    "provider-totals": {"Which": _K, "Count": _K},
    "provider-lists": {
        **dict.fromkeys(("Kind", "Managed", "Known", "Unknown", "Missing", "Oldest live one"), _K),
        **{"Principal": _N, "Credentials": _S, "Which": _S},
    },
    "credentials": {
        **dict.fromkeys(("Kind", "Store", "State", "Age of the current value", "Next due"), _K),
        **{"Credential": _S, "Owner": _N, "Used by": _S},
    },
    "rotation-counts": {"Which": _K, "Count": _K},
    "rotations": {
        **dict.fromkeys(("No.", "Began", "Last step", "State", "Outcome", "In time"), _K),
        **dict.fromkeys(("Credential", "Declared under", "Reason"), _S),
        "By": _N,
    },
    "overdue": {"Credential": _S, "Due since": _K, "Behind": _K},
    "leak-scans": {"Run": _K, "Surface": _S, "Result": _K, "Bytes": _K, "Reason": _S},
    "bundles": {"Run": _K, "Bundle": _K, "Rules evaluated": _K},
    "waivers": {
        **dict.fromkeys(("Id", "Rule", "Ticket", "Expires", "Days left"), _K),
        **{"Scope": _S, "Owner": _N, "Reason": _S},
    },
    "bundle-signatures": {"By": _N, **dict.fromkeys(("Bundle", "Version", "Follows"), _K)},
    "signers": {"Group": _K, "Principal": _N, "Limits": _K},
    "controls": dict.fromkeys(("Control", "Rule", "Title", "Result"), _K),
    "applies": {
        **dict.fromkeys(("Run", "State", "Plan", "Effect"), _K),
        **{"Approved by": _S, "Recomputed": _S},
    },
    "rights": {"Identity": _K, "File": _S, "May": _S},
    "rights-held": dict.fromkeys(("Who", "Written in", "May"), _S),
    "rights-used": {"Who": _N, "Action": _K, "Times": _K},
    "trail": {"Head": _K, "Events": _K},
    "heads": {"Signed": _K, "Line": _K, "Head": _K, "By": _N},
    "events": dict.fromkeys(("Action", "Result", "Count"), _K),
}
_PUBLIC: Mapping[str, Mapping[str, _How]] = {
    "reach": {"Destination": _N, "Port": _K, "Until": _K},
    "permission-changes": {"When": _K},
    "population": {"Which": _K, "Count": _K},
    "provider-totals": {"Which": _K, "Count": _K},
    "credentials": {"Credential": _N, "State": _K, "Age of the current value": _K, "Next due": _K},
    "rotation-counts": {"Which": _K, "Count": _K},
    "rotations": {
        "Credential": _N,
        **dict.fromkeys(("No.", "Began", "Last step", "State", "Outcome", "In time"), _K),
    },
    "overdue": {"Credential": _N, "Due since": _K, "Behind": _K},
    "leak-scans": {"Result": _K, "Bytes": _K},
    "bundles": {"Bundle": _K, "Rules evaluated": _K},
    "bundle-signatures": dict.fromkeys(("Bundle", "Version", "Follows"), _K),
    "waivers": {"Rule": _K, "Expires": _K, "Days left": _K},
    "controls": dict.fromkeys(("Control", "Rule", "Title", "Result"), _K),
    "applies": {"State": _K, "Plan": _K, "Effect": _K},
    "trail": {"Head": _K, "Events": _K},
    "heads": {"Signed": _K, "Line": _K, "Head": _K},
    "events": dict.fromkeys(("Action", "Result", "Count"), _K),
}
_ALLOWED = {Audience.AUDITOR: _AUDITOR, Audience.PUBLIC: _PUBLIC}

# Entries of a spec are written `section.name`, which looks like a host and is none.
_SECTION = r"(?:service_accounts|allowlists|agents|credentials|connectors)\."
_TOKENS = (
    ("arn", re.compile(r"\barn:[\w-]*:[^\s,;\"']+")),
    ("person", re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*")),
    ("url", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s,;\"')]+", re.IGNORECASE)),
    (
        "address",
        re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?\b|\b(?:[0-9a-f]{0,4}:){2,}[0-9a-f:]*(?:/\d+)?", re.I),
    ),
    ("account", re.compile(r"(?<![\w-])\d{12}(?![\w-])")),
    (
        "host",
        re.compile(rf"(?<![\w.-])(?!{_SECTION})(?:\*?\.)?[a-z0-9_][\w-]*(?:\.[\w-]+)*\.[a-z][\w-]+\b", re.IGNORECASE),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonyms:
    """Keyed names: without the key nobody can try guesses, with the same key they stay the same.

    Attributes:
        key: of the HMAC.
        known: names to replace wherever they stand in a sentence, e.g. owners and hosts of the spec.
    """

    key: bytes
    known: tuple[str, ...] = ()

    @property
    def key_id(self) -> str:
        """Says which key, and nothing about it."""
        return hmac.new(self.key, b"key id", hashlib.sha256).hexdigest()[:8]

    def name(self, kind: str, text: str) -> str:
        """The pseudonym of one name; upper and lower case are the same name."""
        given = hmac.new(self.key, text.lower().encode(), hashlib.sha256).digest()
        return f"{kind}-{int.from_bytes(given[:6], 'big'):012x}"

    def scrub(self, text: str) -> str:
        """A sentence without hosts, ARNs, accounts, addresses, people and known names."""
        for kind, pattern in _TOKENS:
            text = pattern.sub(lambda found, kind=kind: self.name(kind, found[0]), text)  # type: ignore[misc]  # bound now
        if self.known:
            names = "|".join(re.escape(name) for name in sorted(self.known, key=len, reverse=True))
            text = re.sub(
                rf"(?<![\w-])(?:{names})(?![\w-])", lambda found: self.name("name", found[0]), text, flags=re.I
            )
        return text


def for_audience(pack: EvidencePack, audience: Audience, names: Pseudonyms) -> EvidencePack:
    """The pack as this audience may see it."""
    if audience is Audience.INTERNAL:
        return pack
    environment = pack.environment if audience is Audience.AUDITOR else names.name("environment", pack.environment)
    sections = tuple(_section(section, audience, names) for section in pack.sections)
    note = f"for audience {audience}: names are pseudonyms under key {names.key_id}"
    return replace(pack, environment=environment, sections=sections, audience_note=note)


def _section(section: EvidenceSection, audience: Audience, names: Pseudonyms) -> EvidenceSection:
    allowed = _ALLOWED[audience]
    shown = [_table(table, allowed[table.name], names) for table in section.tables if table.name in allowed]
    withheld = len(section.tables) - len(shown)
    gaps = [names.scrub(text) for text in section.not_shown]
    if audience is Audience.PUBLIC:
        gaps = [f"{len(gaps)} sources; the reasons are withheld"] if gaps else []
    gaps += [f"{withheld} tables withheld from this audience"] if withheld else []
    return replace(section, tables=tuple(shown), not_shown=tuple(gaps))


def _table(table: EvidenceTable, allowed: Mapping[str, _How], names: Pseudonyms) -> EvidenceTable:
    kept = [index for index, column in enumerate(table.columns) if column in allowed]
    how = [allowed[table.columns[index]] for index in kept]
    rows = tuple(
        tuple(_cell(row[index], treatment, names) for index, treatment in zip(kept, how, strict=True))
        for row in table.rows
    )
    return replace(table, columns=tuple(table.columns[index] for index in kept), rows=rows)


def _cell(text: str, how: _How, names: Pseudonyms) -> str:
    if how is _How.SCRUB:
        return names.scrub(text)
    return names.name("name", text) if how is _How.NAME and text and text != "not shown" else text


def verdict_for(
    verdict: GateVerdict, cards: Iterable[RuleCard], audience: Audience, names: Pseudonyms | None
) -> GateVerdict:
    """A verdict for a comment that others may read: pull requests are mirrored, mailed and indexed.

    The public gets rule, line of the spec, and the words of the catalogue; auditors also the message, scrubbed.

    Args:
        verdict: of the gate.
        cards: of the catalogue.
        audience: who may read it.
        names: for auditors.
    """
    if audience is Audience.INTERNAL:
        return verdict
    known = {card.id: card for card in cards}

    def told(finding: Finding) -> Finding:
        card = known.get(finding.rule)
        title = card.title if card else "see the gate's own output"
        message = names.scrub(finding.message) if audience is Audience.AUDITOR and names else title
        remedy = card.remedy if card else ""
        return replace(finding, message=message, remedy=remedy, evidence="", entry="", address="")

    errors = tuple("an engine error; see the gate's own output" for _ in verdict.errors)
    return replace(verdict, findings=tuple(told(finding) for finding in verdict.findings), errors=errors)


def change_for(change: ChangeInWords, audience: Audience, names: Pseudonyms | None) -> ChangeInWords:
    """A change in words: auditors get its sentences scrubbed, the public how many there are.

    Args:
        change: in full.
        audience: who may read it.
        names: for auditors.
    """
    if audience is Audience.INTERNAL:
        return change
    if audience is Audience.PUBLIC or names is None:
        return change.withheld_words()

    def told(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(names.scrub(text) for text in texts)

    radius = change.radius
    return replace(
        change,
        allowed=GrantChange(added=told(change.allowed.added), removed=told(change.allowed.removed)),
        radius=replace(radius, replaced={name: told(who) for name, who in radius.replaced.items()}),
        not_shown=names.scrub(change.not_shown),
    )


def known_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Names worth replacing: what is too short would hit ordinary words."""
    return tuple(sorted({text for text in texts if len(text) >= 4}))

"""Gate verdict and audit events as OSCAL assessment results (NIST, version 1.1.2), JSON. Pure.

What a rule did not look at is no finding here: neither satisfied nor not. Identifiers are version 5 UUIDs of what they
name, so that the same facts give the same file.

Source: pages.nist.gov/OSCAL-Reference/models/v1.1.2/assessment-results/json-reference
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lifecycle.domain.audit import AuditEvent
from lifecycle.domain.policy import GateVerdict, RuleCard

OSCAL_VERSION = "1.1.2"
_SPACE = uuid.UUID("6f0e2d3c-5b1a-5e0f-9d53-0c4b7a1e8f21")
_PROPERTIES = "https://lifecycle.invalid/ns/oscal"
_CONTROL = re.compile(r"^NIST-800-53 ([A-Z]{2}-\d+)$")
_TOKEN = re.compile(r"[^A-Za-z0-9._-]+")


def audit_oscal(
    events: Sequence[tuple[int, AuditEvent]],
    verdict: GateVerdict,
    cards: Sequence[RuleCard],
    *,
    environment: str,
    made: datetime,
    head: str,
    tool_version: str,
) -> Mapping[str, Any]:
    """The document.

    Args:
        events: line number in the log, and the event.
        verdict: of the gate over the spec as declared.
        cards: every rule.
        environment: what was assessed.
        made: now; end of the assessment.
        head: of the audit log.
        tool_version: of lifecycle.
    """
    asked = [card for card in cards if card.id in verdict.evaluated]
    start = min([event.at for _, event in events], default=made)
    result: dict[str, Any] = {
        "uuid": _id(environment, head, made.isoformat()),
        "title": f"Environment {environment}",
        "description": "Rules of the policy gate over the declared environment, and the audit log of what was done.",
        "start": _time(start),
        "end": _time(made),
        "props": _props({"policy-bundle": verdict.bundle_digest, "audit-head": head}),
        "reviewed-controls": {"control-selections": [_selection(asked)]},
    }
    if asked:
        result["observations"] = [_observation(card, verdict, environment, made) for card in asked]
        result["findings"] = [finding for card in asked for finding in _findings(card, verdict, environment)] or None
    if events:
        result["assessment-log"] = {"entries": [_entry(number, event, environment) for number, event in events]}
    metadata = {
        "title": f"lifecycle: assessment of {environment}",
        "last-modified": _time(made),
        "version": tool_version,
        "oscal-version": OSCAL_VERSION,
    }
    return {
        "assessment-results": {
            "uuid": _id("document", environment, head, made.isoformat()),
            "metadata": metadata,
            "import-ap": {"href": "policies/rules", "remarks": "The rules of the policy bundle are the plan."},
            "results": [{key: value for key, value in result.items() if value}],
        }
    }


def _selection(cards: Sequence[RuleCard]) -> Mapping[str, Any]:
    controls = sorted({item for card in cards for item in _nist(card)})
    if not controls:
        return {"description": "No rule that ran answers a control of NIST SP 800-53."}
    return {
        "description": "Controls of NIST SP 800-53 that rules answer in part; other frameworks stand in properties.",
        "include-controls": [{"control-id": control} for control in controls],
    }


def _observation(card: RuleCard, verdict: GateVerdict, environment: str, made: datetime) -> Mapping[str, Any]:
    found = [finding for finding in verdict.findings if finding.rule == card.id]
    told = [f"{finding.severity}: {finding.message}" for finding in found]
    return {
        "uuid": _observation_id(card, environment),
        "title": f"{card.id} {card.title}",
        "description": "\n".join(told) or "The rule ran and found nothing.",
        "props": _props({"rule": card.id, "severity": str(card.severity)} | _waivers(found)),
        "methods": ["TEST"],
        "collected": _time(made),
        "remarks": f"Answers in part: {', '.join(card.controls) or 'no named control'}.",
    }


def _waivers(found: Sequence[Any]) -> dict[str, str]:
    waived = sorted({finding.waiver for finding in found if finding.waiver})
    return {"waivers": " ".join(waived)} if waived else {}


def _findings(card: RuleCard, verdict: GateVerdict, environment: str) -> list[Mapping[str, Any]]:
    blocked = any(finding.rule == card.id for finding in verdict.blocking)
    return [
        {
            "uuid": _id("finding", environment, card.id, control),
            "title": f"{card.id}: {control}",
            "description": card.why or card.title,
            "target": {
                "type": "objective-id",
                "target-id": control,
                "status": {"state": "not-satisfied" if blocked else "satisfied"},
                "remarks": "By this one rule; a control asks for more than a rule can show.",
            },
            "related-observations": [{"observation-uuid": _observation_id(card, environment)}],
        }
        for control in _nist(card)
    ]


def _entry(number: int, event: AuditEvent, environment: str) -> Mapping[str, Any]:
    props = {"line": str(number), "actor": event.actor, "action": event.action, "result": str(event.result)}
    return {
        "uuid": _id("event", environment, str(number), event.at.isoformat(), event.action),
        "title": f"{event.action} {event.object}: {event.result}",
        "start": _time(event.at),
        "props": _props(props | ({"digest": event.digest} if event.digest else {})),
    }


def _nist(card: RuleCard) -> list[str]:
    found = (_CONTROL.match(control) for control in card.controls)
    return [match.group(1).lower() for match in found if match]


def _props(values: Mapping[str, str]) -> list[Mapping[str, str]]:
    return [
        {"name": _TOKEN.sub("-", name), "ns": _PROPERTIES, "value": " ".join(value.split())}
        for name, value in values.items()
        if value.strip()
    ]


def _observation_id(card: RuleCard, environment: str) -> str:
    return _id("observation", environment, card.id)


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_SPACE, "\x1f".join(parts)))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

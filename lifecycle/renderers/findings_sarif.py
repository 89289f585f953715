"""A verdict as SARIF 2.1.0, each finding on the line of the spec that caused it. Pure.

Source: docs.oasis-open.org/sarif/sarif/v2.1.0 (sections 3.14 run, 3.20 invocation, 3.27 result, 3.35 suppression).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lifecycle.domain.errors import Place
from lifecycle.domain.policy import Finding, GateVerdict, RuleCard

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def findings_sarif(verdict: GateVerdict, rules: Sequence[RuleCard], *, tool_version: str, otherwise: Place) -> str:
    """Render.

    Args:
        verdict: of the gate.
        rules: every rule of the bundle; those that were not asked stand in the properties of the run.
        tool_version: of lifecycle.
        otherwise: where a finding stands that no line of the spec caused; code scanning takes none without a place.
    """
    named = sorted({rule.id for rule in rules} | {finding.rule for finding in verdict.findings})
    index = {name: number for number, name in enumerate(named)}
    cards = {rule.id: rule for rule in rules}
    run = {
        "tool": {
            "driver": {
                "name": "lifecycle",
                "version": tool_version,
                "rules": [_rule(name, cards.get(name)) for name in named],
            }
        },
        "invocations": [_invocation(verdict)],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "the checkout"}}},
        "results": [_result(finding, index[finding.rule], otherwise) for finding in verdict.findings],
        "properties": {
            "passed": verdict.passed,
            "rulesEvaluated": verdict.rules_evaluated,
            "rulesNotAsked": [name for name in named if name not in verdict.evaluated],
            "bundleDigest": verdict.bundle_digest,
        },
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str, card: RuleCard | None) -> dict[str, Any]:
    if card is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": card.title},
        "fullDescription": {"text": card.why},
        "help": {"text": card.remedy},
        "defaultConfiguration": {"level": str(card.severity)},
        "properties": {"tags": list(dict.fromkeys(card.controls))},
    }


def _invocation(verdict: GateVerdict) -> dict[str, Any]:
    reasons = list(verdict.errors)
    if verdict.rules_evaluated == 0:
        reasons.append("no rule was evaluated, which counts as no")
    return {
        "executionSuccessful": not reasons,
        "toolExecutionNotifications": [{"level": "error", "message": {"text": reason}} for reason in reasons],
    }


def _result(finding: Finding, index: int, otherwise: Place) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": str(finding.severity),
        "message": {"text": f"{finding.message}. Next: {finding.remedy}"},
        "locations": [_location(finding, otherwise)],
        "partialFingerprints": {"lifecycleFinding/v1": _fingerprint(finding)},
        "properties": {"entry": finding.entry, "evidence": finding.evidence, "controls": list(finding.controls)},
    }
    if finding.waiver:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": f"waiver {finding.waiver}"}
        ]
    return result


def _location(finding: Finding, otherwise: Place) -> dict[str, Any]:
    place = finding.place or otherwise
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.file), "uriBaseId": "SRCROOT"},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
    names = [name for name in (finding.entry, finding.address) if name]
    if names:
        location["logicalLocations"] = [{"fullyQualifiedName": name} for name in names]
    return location


def _fingerprint(finding: Finding) -> str:
    """The same finding on another line stays the same finding."""
    told = "\0".join((finding.rule, finding.entry, finding.address, finding.message))
    return hashlib.sha256(told.encode()).hexdigest()

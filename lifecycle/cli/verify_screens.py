"""What a run of verification looks like: for people, for programs, and for CI systems that read JUnit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lifecycle.cli.screens import finding_document
from lifecycle.domain.policy import Finding
from lifecycle.domain.verification import VerificationStatus

if TYPE_CHECKING:
    from lifecycle.bootstrap.verification import Checks
    from lifecycle.domain.verification_history import Standing
    from lifecycle.operations.verify_connectors import ConnectorResult

_SUITE = "lifecycle verify"
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def checks(found: Checks) -> tuple[Mapping[str, Any], Iterable[str]]:
    """The result of `verify`: a line each, and what to do where something is to be done."""
    width = max((len(item.name) for item in found.results), default=0)
    lines: list[str] = []
    for item in found.results:
        if not item.asked:
            lines.append(f"{item.name:<{width}}  not asked")
            continue
        lines += _lines(item, found.standings.get(item.name), width)
    for finding in found.findings:
        lines += [_placed(finding), f"  next: {finding.remedy}"]
    lines.append(found.summary())
    document = {
        "connectors": [_document(item, found.standings.get(item.name)) for item in found.results],
        "findings": [finding_document(item) for item in found.findings],
    }
    return document, lines


def junit(found: Checks) -> str:
    """The same as JUnit XML: invalid is a failure, indeterminate an error, a finding a failure of its own."""
    failed = sum(item.result.status is VerificationStatus.INVALID for item in found.results) + len(found.findings)
    errors = sum(item.asked and item.result.status is VerificationStatus.INDETERMINATE for item in found.results)
    suite = Element(
        "testsuite",
        name=_SUITE,
        tests=str(len(found.results) + len(found.findings)),
        failures=str(failed),
        errors=str(errors),
    )
    for item in found.results:
        _case(suite, item)
    for finding in found.findings:
        case = SubElement(suite, "testcase", classname=_SUITE, name=_xml(f"{finding.entry} {finding.evidence}"))
        SubElement(case, "failure", type=finding.rule, message=_xml(_placed(finding))).text = _xml(finding.remedy)
    indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(suite, encoding="unicode")}\n'


def _case(suite: Element, item: ConnectorResult) -> None:
    result = item.result
    seconds = f"{result.latency.total_seconds():.3f}"
    case = SubElement(suite, "testcase", classname=_SUITE, name=item.name, time=seconds)
    if not item.asked:
        SubElement(case, "skipped", message="not asked: the run was interrupted")
        return
    if result.status is VerificationStatus.VALID:
        return
    tag = "failure" if result.status is VerificationStatus.INVALID else "error"
    message = _xml(f"{result.reason} {result.detail}".rstrip() + _whom(item))
    SubElement(case, tag, type=str(result.reason), message=message).text = _xml(result.remedy)


def _lines(item: ConnectorResult, standing: Standing | None, width: int) -> list[str]:
    result = item.result
    proved = f"  proved {', '.join(result.proved)}" if result.proved else ""
    missing = f"  not shown {', '.join(result.not_proved)}" if result.not_proved else ""
    detail = f" ({result.detail})" if result.detail else ""
    why = "" if result.status == "valid" else f"  {result.reason}{detail}{_whom(item)}"
    spent = f"{result.latency.total_seconds() * 1000:.0f} ms"
    since = _since(standing)
    lines = [f"{item.name:<{width}}  {result.status:<13} {spent:>8}{since}{why}{proved}{missing}"]
    if result.remedy and result.status != "valid":
        lines.append(f"{'':<{width}}  next: {result.remedy}")
    return lines


def _whom(item: ConnectorResult) -> str:
    """Which endpoint was asked, and as whom."""
    where = f" at {item.endpoint}" if item.endpoint else ""
    return where + (f" as {item.identity}" if item.identity else "")


def _since(standing: Standing | None) -> str:
    if standing is None:
        return ""
    flaps = f", flapping: {standing.changes} changes in a day" if standing.flapping else ""
    return f"  since {standing.since:%Y-%m-%d %H:%M}Z{flaps}"


def _document(item: ConnectorResult, standing: Standing | None) -> dict[str, Any]:
    result = item.result
    return {
        "name": item.name,
        "asked": item.asked,
        "status": str(result.status),
        "reason": str(result.reason),
        "detail": result.detail,
        "endpoint": item.endpoint,
        "identity": item.identity,
        "proved": list(result.proved),
        "not_proved": list(result.not_proved),
        "remedy": result.remedy,
        "latency_ms": int(result.latency.total_seconds() * 1000),
        "since": standing.since.isoformat() if standing else None,
        "changes_in_a_day": standing.changes if standing else None,
        "flapping": standing.flapping if standing else None,
    }


def _placed(finding: Finding) -> str:
    where = f"{finding.place}: " if finding.place else ""
    return f"{where}{finding.severity} {finding.rule}: {finding.message}"


def _xml(text: str) -> str:
    """Without the characters that XML cannot carry."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)

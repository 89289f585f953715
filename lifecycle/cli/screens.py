"""What results look like: one function per kind of result, giving the document for JSON and the lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.domain.policy import Finding, GateVerdict

if TYPE_CHECKING:
    from lifecycle.bootstrap.verification import Checks
    from lifecycle.operations.apply_environment import EnvironmentOutcome
    from lifecycle.operations.check_spec import CheckedSpec

Screen = tuple[Mapping[str, Any], Iterable[str]]


def checked(result: CheckedSpec) -> Screen:
    """The result of `check`."""
    counts = ", ".join(f"{count} {section.replace('_', ' ')}" for section, count in result.counts.items() if count)
    lines = [f"{result.spec.environment}: {counts}", *verdict(result.verdict)]
    document = {
        "environment": result.spec.environment,
        "entries": dict(result.counts),
        "passed": result.verdict.passed,
        "rules_evaluated": result.verdict.rules_evaluated,
        "errors": list(result.verdict.errors),
        "findings": [finding_document(item) for item in result.findings],
    }
    return document, lines


def verdict(found: GateVerdict) -> list[str]:
    """A verdict and its findings, each on the line of the spec that caused it."""
    said = "passed" if found.passed else "NOT passed"
    lines = [f"policy gate: {said}, {found.rules_evaluated} rules"]
    lines += [f"  could not be evaluated: {error}" for error in found.errors]
    for item in found.findings:
        where = f"{item.place}: " if item.place else ""
        waived = f" (waived by {item.waiver})" if item.waiver else ""
        lines += [f"{where}{item.severity} {item.rule}: {item.message}{waived}", f"  next: {item.remedy}"]
    return lines


def finding_document(item: Finding) -> dict[str, Any]:
    """One finding for programs."""
    return {
        "rule": item.rule,
        "severity": str(item.severity),
        "message": item.message,
        "remedy": item.remedy,
        "place": str(item.place) if item.place else None,
        "entry": item.entry,
        "address": item.address,
        "controls": list(item.controls),
        "waiver": item.waiver,
    }


def checks(found: Checks) -> Screen:
    """The result of `verify`: a line each, and what to do where something is to be done."""
    width = max((len(item.name) for item in found.results), default=0)
    lines: list[str] = []
    for item in found.results:
        result = item.result
        proved = f"  proved {', '.join(result.proved)}" if result.proved else ""
        missing = f"  not shown {', '.join(result.not_proved)}" if result.not_proved else ""
        detail = f" ({result.detail})" if result.detail else ""
        why = "" if result.status == "valid" else f"  {result.reason}{detail}"
        spent = f"{result.latency.total_seconds() * 1000:.0f} ms"
        lines.append(f"{item.name:<{width}}  {result.status:<13} {spent:>8}{why}{proved}{missing}")
        if result.remedy and result.status != "valid":
            lines.append(f"{'':<{width}}  next: {result.remedy}")
    lines.append(found.summary())
    document = {
        "connectors": [
            {
                "name": item.name,
                "status": str(item.result.status),
                "reason": str(item.result.reason),
                "detail": item.result.detail,
                "proved": list(item.result.proved),
                "not_proved": list(item.result.not_proved),
                "remedy": item.result.remedy,
                "latency_ms": int(item.result.latency.total_seconds() * 1000),
            }
            for item in found.results
        ]
    }
    return document, lines


def environment(outcome: EnvironmentOutcome) -> Screen:
    """The one-screen summary of an apply."""
    return outcome.report.document(), ["", *outcome.report.lines(), f"receipt      {outcome.report.path}"]

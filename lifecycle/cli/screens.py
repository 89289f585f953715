"""What results look like: one function per kind of result, giving the document for JSON and the lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.domain.policy import Finding, GateVerdict

if TYPE_CHECKING:
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


def environment(outcome: EnvironmentOutcome) -> Screen:
    """The one-screen summary of an apply."""
    return outcome.report.document(), ["", *outcome.report.lines(), f"receipt      {outcome.report.path}"]

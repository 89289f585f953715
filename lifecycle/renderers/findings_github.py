"""A verdict as GitHub workflow commands: an annotation on each line of the spec that caused a finding. Pure.

Source: docs.github.com/actions/reference/workflow-commands-for-github-actions (escapes: actions/toolkit, command.ts).
"""

from __future__ import annotations

from lifecycle.domain.policy import Finding, GateVerdict, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def findings_github(verdict: GateVerdict) -> str:
    """Render; the first line says whether the gate passed, also when there is nothing to annotate."""
    lines = [_command("error", "policy gate", f"could not be evaluated: {text}") for text in verdict.errors]
    if verdict.rules_evaluated == 0:
        lines.append(_command("error", "policy gate", "no rule was evaluated, which counts as no"))
    lines += [_annotation(finding) for finding in verdict.findings]
    said = "passed" if verdict.passed else "NOT passed"
    return "\n".join((f"policy gate: {said}, {verdict.rules_evaluated} rules", *lines, ""))


def _annotation(finding: Finding) -> str:
    command = "notice" if finding.waiver else _COMMANDS[finding.severity]
    waived = f" (waived by {finding.waiver})" if finding.waiver else ""
    about = f" [{finding.address}]" if finding.address else ""
    text = f"{finding.message}{about}{waived}. Next: {finding.remedy}"
    place = finding.place
    where = f"file={_property(place.file)},line={place.line},col={place.column}," if place else ""
    return _command(command, finding.rule, text, where)


def _command(command: str, title: str, text: str, where: str = "") -> str:
    return f"::{command} {where}title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Escaped so that no text can end the line and begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

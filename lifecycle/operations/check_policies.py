"""Judge a spec, and refuse to go on when the gate says no."""

from __future__ import annotations

from lifecycle.domain.errors import PolicyError
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, Severity
from lifecycle.domain.ports import PolicyEngine


def check_policies(engine: PolicyEngine, subject: GateInput) -> GateVerdict:
    """Run the gate.

    Args:
        engine: the gate.
        subject: the spec, with a plan or without.

    Returns:
        the verdict, also when it does not pass; `refuse_unless_passed` turns it into an error.
    """
    return engine.evaluate(subject)


def refuse_unless_passed(verdict: GateVerdict) -> None:
    """Stop here when the gate did not pass.

    Raises:
        PolicyError: names the rules that said no, or why the gate could not be evaluated.
    """
    if verdict.passed:
        return
    if verdict.errors:
        count = len(verdict.errors)
        raise PolicyError(
            f"the policy gate could not be evaluated ({count} errors), which counts as no: {verdict.errors[0]}",
            remedy="correct the policy bundle, then run `lifecycle policy test`",
        )
    if verdict.rules_evaluated == 0:
        raise PolicyError("no policy rule was evaluated, which counts as no", remedy="restore the folder policies/")
    blocking = [f for f in verdict.findings if f.severity is Severity.ERROR and not f.waiver]
    raise PolicyError(refusal(blocking), remedy=blocking[0].remedy)


def refusal(blocking: list[Finding]) -> str:
    """One line for several findings: how many, the first in full."""
    first = blocking[0]
    where = f" ({first.place})" if first.place else ""
    more = f"; {len(blocking) - 1} more findings" if len(blocking) > 1 else ""
    return f"the policy gate says no: {first.rule}{where}: {first.message}{more}"

"""What came of trying a policy bundle: each rule's cases, and the changes that it must refuse. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One case.

    Attributes:
        rule: the rule that it is about.
        expected: `fires`, `stays silent` or `is refused`.
        because: the reason that stands beside the case.
        problem: what happened instead; empty when it behaved as it says.
    """

    rule: str
    expected: str
    because: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleTrials:
    """All cases of a bundle.

    Attributes:
        bundle_digest: of what was tried.
        cases: of single rules.
        attacks: malicious changes.
        uncovered: rules that lack a case, which counts as a failure.
    """

    bundle_digest: str
    cases: tuple[Trial, ...]
    attacks: tuple[Trial, ...]
    uncovered: tuple[str, ...]

    @property
    def failed(self) -> tuple[Trial, ...]:
        """Cases that did not behave as they say."""
        return tuple(trial for trial in (*self.cases, *self.attacks) if trial.problem)

    @property
    def passed(self) -> bool:
        """Whether there were cases and attacks, every rule has both kinds, and all behaved as they say."""
        return bool(self.cases and self.attacks) and not self.failed and not self.uncovered

    def lines(self) -> list[str]:
        """For people."""
        rules = len({trial.rule for trial in self.cases})
        failed = [f"FAILED {t.rule} {t.expected}: {t.because}: {t.problem}" for t in self.failed]
        missing = [f"MISSING {text}" for text in self.uncovered]
        none = [] if self.cases and self.attacks else ["MISSING the bundle has no cases, or no attacks"]
        said = "passed" if self.passed else "NOT passed"
        summary = f"policy test: {said}, {len(self.cases)} cases of {rules} rules, {len(self.attacks)} attacks refused"
        if not self.passed:
            summary = f"policy test: {said}, {len(self.failed)} of {len(self.cases) + len(self.attacks)} cases failed"
        return [*failed, *missing, *none, f"{summary}, bundle {self.bundle_digest[7:19]}"]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "passed": self.passed,
            "bundle_digest": self.bundle_digest,
            "cases": len(self.cases),
            "attacks": len(self.attacks),
            "uncovered": list(self.uncovered),
            "failed": [
                {"rule": t.rule, "expected": t.expected, "because": t.because, "problem": t.problem}
                for t in self.failed
            ],
        }

"""Gate input, findings and the verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lifecycle.domain.errors import Place
from lifecycle.domain.plan import Plan
from lifecycle.domain.spec import Spec


class Severity(StrEnum):
    """How bad. `ERROR` blocks, `WARNING` and `NOTE` are shown."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule found.

    Attributes:
        rule: stable id, e.g. `LC-TF-001`.
        severity: whether it blocks.
        message: what is wrong with which object, in words.
        remedy: what to change.
        place: line of the spec that caused it; None only when nothing in the spec did.
        entry: spec entry, e.g. `agents.eu-central-1a`.
        address: Terraform address when the finding is about a plan.
        evidence: the value or statement that made it fire; never a secret.
        controls: framework controls it answers.
        waiver: id of the waiver that covers it; empty when none.
    """

    rule: str
    severity: Severity
    message: str
    remedy: str
    place: Place | None = None
    entry: str = ""
    address: str = ""
    evidence: str = ""
    controls: tuple[str, ...] = ()
    waiver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    """A policy that somebody wrote in its product's own language, e.g. a Vault policy.

    Attributes:
        name: as its server calls it.
        text: what is in the file.
        file: where it is, for places of findings.
        token: documents with the same one are held together by one token.
    """

    name: str
    text: str
    file: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """What is judged. Rules use what they need; a missing part they need makes them fail closed.

    Attributes:
        spec: the resolved spec.
        plan: the decoded plan, or None for a spec-only check.
        live_versions: per credential name, how many live versions the journal and store know (for removal rules).
        previous_entries: entries of the last applied spec, `section.name` -> kind, for removal rules.
        documents: further subjects by kind; `vault_acl` are Vault policies.
    """

    spec: Spec
    plan: Plan | None = None
    live_versions: Mapping[str, int] = field(default_factory=dict)
    previous_entries: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, tuple[PolicyDocument, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCard:
    """What a report says about one rule of the catalogue, whether it found something or not."""

    id: str
    title: str
    severity: Severity
    why: str
    remedy: str
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """The gate's answer. It passes only if rules ran, none failed to run, and nothing unwaived blocks.

    `evaluated` names the rules that ran to their end: a rule that is not among them was not asked, which is no pass.
    """

    findings: tuple[Finding, ...]
    rules_evaluated: int
    errors: tuple[str, ...]
    bundle_digest: str
    evaluated: tuple[str, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that stop a change: errors that nobody waived."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR and not f.waiver)

    @property
    def passed(self) -> bool:
        """Fail closed: zero rules or any engine error is not passed."""
        return self.rules_evaluated > 0 and not self.errors and not self.blocking

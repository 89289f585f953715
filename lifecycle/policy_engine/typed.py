"""The gate: runs every typed rule of the catalogue over a spec and, when there is one, a plan. Fails closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lifecycle.domain.errors import LifecycleError, Place
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, Severity
from lifecycle.domain.ports import Clock, PolicyEngine
from lifecycle.domain.spec import Entry
from lifecycle.policy_engine import (
    agent_rules,
    allowlist_rules,
    credential_rules,
    iam_rules,
    plan_rules,
    spec_rules,
    trust_rules,
    value_rules,
    vault_documents,
)
from lifecycle.policy_engine.bundle import Bundle, bundle_digest, load_bundle
from lifecycle.policy_engine.catalogue import CatalogueEntry, mismatches
from lifecycle.policy_engine.cel_rules import cel_rules
from lifecycle.policy_engine.rule import Observation, Rule, RuleContext, SpecRule, UnknownValueError

RULES: tuple[Rule, ...] = (
    *plan_rules.RULES,
    *value_rules.RULES,
    *spec_rules.RULES,
    *iam_rules.RULES,
    *allowlist_rules.RULES,
    *credential_rules.RULES,
    *agent_rules.RULES,
    *trust_rules.RULES,
    *vault_documents.RULES,
)

# These two say that the gate itself is being got round; nobody may waive them.
_NEVER_WAIVED = frozenset({"LC-PLAN-001", "LC-SPEC-005"})


class TypedPolicyEngine:
    """Judges by the rules of one bundle folder.

    Args:
        folder: the bundle (`policies/`), from a trusted place, never from the change under review.
        clock: says which day it is, for everything that lapses.
        rules: the coded rules; another set only in tests of the engine itself.
    """

    def __init__(self, folder: Path, *, clock: Clock, rules: tuple[Rule, ...] = RULES) -> None:
        self._folder = folder
        self._clock = clock
        self._rules = rules
        self._loaded: tuple[Bundle, tuple[Rule, ...]] | None = None

    def evaluate(self, subject: GateInput) -> GateVerdict:
        """Run every rule that applies. Anything that goes wrong is a verdict that does not pass."""
        try:
            bundle, rules = self._load()
        except (LifecycleError, OSError) as error:
            return GateVerdict(findings=(), rules_evaluated=0, errors=(str(error),), bundle_digest="")
        wrong = mismatches(bundle.catalogue, rules)
        if wrong:
            return GateVerdict(findings=(), rules_evaluated=0, errors=wrong, bundle_digest=bundle.digest)
        return _Evaluation(bundle, subject, self._clock).run(rules)

    def _load(self) -> tuple[Bundle, tuple[Rule, ...]]:
        """Bundle and rules; read and compiled anew when any file of the folder is another than last time."""
        if self._loaded is None or self._loaded[0].digest != bundle_digest(self._folder):
            bundle = load_bundle(self._folder)
            self._loaded = bundle, (*self._rules, *cel_rules(bundle.catalogue.values()))
        return self._loaded


class _Evaluation:
    """One pass over all rules with one reading of the clock."""

    def __init__(self, bundle: Bundle, subject: GateInput, clock: Clock) -> None:
        self._bundle = bundle
        self._subject = subject
        self._today = clock().date()
        self._changes = subject.plan.changing() if subject.plan else ()

    def run(self, rules: tuple[Rule, ...]) -> GateVerdict:
        findings: list[Finding] = []
        errors: list[str] = []
        evaluated: list[str] = []
        for rule in rules:
            entry = self._bundle.catalogue[rule.id]
            if not self._applies(rule, entry):
                continue
            try:
                findings += [self._finding(entry, seen) for seen in self._observe(rule, entry)]
                evaluated.append(rule.id)
            except Exception as error:  # whatever a rule raises, the gate does not pass
                errors.append(f"rule {rule.id} could not be evaluated: {type(error).__name__}: {error}")
        return GateVerdict(
            findings=tuple(sorted(findings, key=_order)) + self._stale_waivers(findings),
            rules_evaluated=len(evaluated),
            errors=tuple(errors),
            bundle_digest=self._bundle.digest,
            evaluated=tuple(evaluated),
        )

    def _applies(self, rule: Rule, entry: CatalogueEntry) -> bool:
        if entry.exempt_sandbox and self._subject.spec.sandbox is not None:
            return False
        needs_plan = not isinstance(rule, SpecRule) or rule.needs_plan
        return not needs_plan or self._subject.plan is not None

    def _observe(self, rule: Rule, entry: CatalogueEntry) -> Iterator[Observation]:
        context = RuleContext(
            subject=self._subject,
            today=self._today,
            bundle_digest=self._bundle.digest,
            parameters=entry.parameters_for(self._subject.spec.environment),
            tables=self._bundle.tables,
        )
        if isinstance(rule, SpecRule):
            yield from rule.check(context)
            return
        for change in self._changes:
            if not rule.applies_to(change):
                continue
            try:
                yield from rule.check(context, change)
            except UnknownValueError as gap:
                text = f"{change.address}: {gap.attribute} is known only after apply, so this rule cannot judge it"
                yield Observation(message=text, change=change, evidence="unknown")

    def _finding(self, entry: CatalogueEntry, seen: Observation) -> Finding:
        owner = ".".join(seen.key_path.split(".")[:2]) if seen.key_path else ""
        name = owner or (seen.change.entry if seen.change else "")
        found = Finding(
            rule=entry.id,
            severity=seen.severity or entry.severity,
            message=seen.message,
            remedy=seen.remedy or entry.remedy,
            place=seen.place or self._place(seen.key_path or name),
            entry=name,
            address=seen.change.address if seen.change else "",
            evidence=seen.evidence,
            controls=entry.controls,
        )
        waiver = next((w.id for w in self._bundle.waivers if w.covers(found, self._today)), "")
        if not waiver or entry.id in _NEVER_WAIVED:
            return found
        return Finding(**{**{name: getattr(found, name) for name in Finding.__dataclass_fields__}, "waiver": waiver})

    def _place(self, key_path: str) -> Place | None:
        exact = self._subject.spec.place_of(key_path)
        if exact is not None:
            return exact
        section, _, rest = key_path.partition(".")
        entries = getattr(self._subject.spec, section, None) if rest else None
        entry = entries.get(rest.split(".")[0]) if isinstance(entries, Mapping) else None
        return entry.place if isinstance(entry, Entry) else None

    def _stale_waivers(self, findings: list[Finding]) -> tuple[Finding, ...]:
        used = {finding.waiver for finding in findings}
        return tuple(
            Finding(
                rule=waiver.rule,
                severity=Severity.WARNING,
                message=f"waiver {waiver.id} of {waiver.owner} {_why_stale(waiver.expires < self._today)}",
                remedy="remove it from waivers.yaml, or have it granted anew",
                entry=waiver.scope,
                evidence=f"expires {waiver.expires}",
            )
            for waiver in self._bundle.waivers
            if waiver.id not in used
        )


def _why_stale(lapsed: bool) -> str:
    return "has lapsed: its finding counts again" if lapsed else "covers nothing"


def _order(finding: Finding) -> tuple[str, str, str, str]:
    return ("0" if finding.severity is Severity.ERROR else "1", finding.rule, finding.entry, finding.address)


_: type[PolicyEngine] = TypedPolicyEngine

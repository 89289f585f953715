"""The gate: runs every typed rule of the catalogue over a spec and, when there is one, a plan. Fails closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from lifecycle.domain.errors import ConfigurationError, LifecycleError, Place, PolicyError
from lifecycle.domain.plan import Action, ResourceChange
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
from lifecycle.policy_engine.fixtures import load_cases, uncovered
from lifecycle.policy_engine.killable import PATIENCE, KillableRules
from lifecycle.policy_engine.rule import ChangeRule, Observation, Rule, RuleContext, SpecRule, UnknownValueError
from lifecycle.policy_engine.waiver_signatures import Witness, why_unsigned
from lifecycle.policy_engine.waivers import Waiver

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
ELSEWHERE = "LC-RGO-"  # rules in Rego: an external program knows which there are
_NOT_ASKED = "was not needed: its rule was not asked"
_RENEW = "remove it from waivers.yaml, or have it granted anew"


class TypedPolicyEngine:
    """Judges by the rules of one bundle folder.

    Args:
        folder: the bundle (`policies/`), from a trusted place, never from the change under review.
        clock: says which day it is, for everything that lapses.
        rules: the coded rules; another set only in tests of the engine itself.
        proven: whether a rule without a case that must fire and one that must not is an error; not so only for who
            reports that himself, as `lifecycle policy test` does.
        patience: how long one expression may take over one object.
        forks: whether expressions are evaluated in a process of their own; not so only for who already runs in one.
        witness: checks the signatures of waivers; None where nobody can, and then no waiver counts outside a sandbox.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        rules: tuple[Rule, ...] = RULES,
        proven: bool = True,
        patience: timedelta = PATIENCE,
        forks: bool = True,
        witness: Witness | None = None,
    ) -> None:
        self._forks = forks
        self._witness = witness
        self._folder = folder
        self._clock = clock
        self._rules = rules
        self._proven = proven
        self._patience = patience
        self._loaded: tuple[Bundle, tuple[Rule, ...]] | None = None
        self._checked: dict[str, tuple[str, ...]] = {}

    def evaluate(self, subject: GateInput) -> GateVerdict:
        """Run every rule that applies. Anything that goes wrong is a verdict that does not pass."""
        try:
            bundle, rules = self._load()
        except (LifecycleError, OSError) as error:
            return GateVerdict(findings=(), rules_evaluated=0, errors=(str(error),), bundle_digest="")
        if wrong := self._wrong(bundle, rules):
            return GateVerdict(findings=(), rules_evaluated=0, errors=wrong, bundle_digest=bundle.digest)
        evaluation = _Evaluation(bundle, subject, self._clock, self._patience, self._doubts(bundle, subject))
        return evaluation.run(rules, forks=self._forks)

    def known(self) -> frozenset[str]:
        """The rules of the catalogue. Raises ConfigurationError when the bundle cannot be read."""
        return frozenset(self._load()[0].catalogue)

    def with_waivers(
        self, subject: GateInput, findings: tuple[Finding, ...], evaluated: frozenset[str]
    ) -> tuple[Finding, ...]:
        """Findings of rules that are judged elsewhere, with the waivers that cover them, then those that cover nothing.

        Args:
            subject: what was judged.
            findings: of the rules judged elsewhere.
            evaluated: those rules.

        Raises:
            ConfigurationError: the bundle cannot be read, or waives a rule that is judged elsewhere and not there.
        """
        bundle, _ = self._load()
        stray = next((w for w in bundle.waivers if w.rule.startswith(ELSEWHERE) and w.rule not in evaluated), None)
        if stray is not None:
            raise ConfigurationError(
                f"policy file waivers.yaml: {stray.id} waives {stray.rule}, which is no rule",
                remedy="correct the waiver",
            )
        evaluation = _Evaluation(bundle, subject, self._clock, self._patience, self._doubts(bundle, subject))
        return evaluation.waived(findings, evaluated)

    def _doubts(self, bundle: Bundle, subject: GateInput) -> dict[str, str]:
        """Waivers that do not count, with the reason."""
        barred = _NEVER_WAIVED | frozenset(bundle.trust.never_waived)
        doubts = {waiver.id: "waives what cannot be waived" for waiver in bundle.waivers if waiver.rule in barred}
        for waiver in bundle.waivers if subject.spec.sandbox is None else ():
            why = why_unsigned(waiver, self._folder, bundle.trust, self._witness)
            if why and waiver.id not in doubts:
                doubts[waiver.id] = why
        return doubts

    def _wrong(self, bundle: Bundle, rules: tuple[Rule, ...]) -> tuple[str, ...]:
        """What keeps the whole bundle from judging; looked at once for each content of the folder."""
        if bundle.digest not in self._checked:
            wrong = mismatches(bundle.catalogue, rules) + _stray_waivers(bundle)
            if not wrong and self._proven:
                try:
                    wrong = uncovered(load_cases(self._folder / "tests"), bundle.catalogue)
                except LifecycleError as error:
                    wrong = (str(error),)
            self._checked = {bundle.digest: wrong}
        return self._checked[bundle.digest]

    def _load(self) -> tuple[Bundle, tuple[Rule, ...]]:
        """Bundle and rules; read and compiled anew when any file of the folder is another than last time."""
        if self._loaded is None or self._loaded[0].digest != bundle_digest(self._folder):
            bundle = load_bundle(self._folder)
            self._loaded = bundle, (*self._rules, *cel_rules(bundle.catalogue.values()))
        return self._loaded


class _Evaluation:
    """One pass over all rules with one reading of the clock."""

    def __init__(
        self, bundle: Bundle, subject: GateInput, clock: Clock, patience: timedelta, doubts: Mapping[str, str]
    ) -> None:
        self._doubts = doubts
        self._bundle = bundle
        self._subject = subject
        self._patience = patience
        self._today = clock().date()
        self._changes = subject.plan.changing() if subject.plan else ()
        self._shared: dict[str, Any] = {}
        # A plan of thousands of changes has a handful of types: rules are asked about a type, not about each change.
        self._alike: dict[tuple[str, Action], list[ResourceChange]] = {}
        for change in (one for one in self._changes if one.mode == "managed"):
            self._alike.setdefault((change.type, change.action), []).append(change)

    def run(self, rules: tuple[Rule, ...], *, forks: bool) -> GateVerdict:
        due = [rule for rule in rules if self._applies(rule, self._bundle.catalogue[rule.id])]
        expressions = {rule.id: rule for rule in due if self._bundle.catalogue[rule.id].must}
        if not expressions or not forks:
            return self._judged(due, self._observe)
        # Forked here, asked last: both processes work at the same time.
        with closing(KillableRules(tuple(expressions), self._judge(expressions), patience=self._patience)) as worker:
            typed = [rule for rule in due if rule.id not in expressions]
            return self._judged(
                [*typed, *expressions.values()],
                lambda rule: self._answered(worker, rule) if rule.id in expressions else self._observe(rule),
            )

    def _judge(self, rules: Mapping[str, Rule]) -> Callable[[str, Callable[[], None]], list[Any]]:
        numbers = {id(change): number for number, change in enumerate(self._changes)}

        def judge(rule: str, tick: Callable[[], None]) -> list[Any]:
            return [
                [seen.message, seen.key_path, numbers.get(id(seen.change)), seen.evidence]
                for seen in self._observe(rules[rule], tick)
            ]

        return judge

    def _answered(self, worker: KillableRules, rule: Rule) -> Iterator[Observation]:
        answer = worker.answer(rule.id)
        if answer.error:
            raise PolicyError(answer.error, remedy="correct the rule, then run `lifecycle policy test`")
        for message, key_path, number, evidence in answer.seen:
            change = None if number is None else self._changes[number]
            yield Observation(message=message, key_path=key_path, change=change, evidence=evidence)

    def _judged(self, rules: list[Rule], observe: Callable[[Rule], Iterator[Observation]]) -> GateVerdict:
        findings: list[Finding] = []
        errors: list[str] = []
        evaluated: list[str] = []
        for rule in rules:
            entry = self._bundle.catalogue[rule.id]
            try:
                findings += [self._finding(entry, seen) for seen in observe(rule)]
                evaluated.append(rule.id)
            except Exception as error:  # whatever a rule raises, the gate does not pass
                what = str(error) if isinstance(error, PolicyError) else f"{type(error).__name__}: {error}"
                errors.append(f"policy file {entry.place}: rule {rule.id} could not be evaluated: {what}")
        return GateVerdict(
            findings=tuple(sorted(findings, key=_order)) + self._idle_waivers(findings, frozenset(evaluated)),
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

    def _observe(self, rule: Rule, tick: Callable[[], None] = lambda: None) -> Iterator[Observation]:
        context = RuleContext(
            subject=self._subject,
            today=self._today,
            bundle_digest=self._bundle.digest,
            parameters=self._bundle.catalogue[rule.id].parameters_for(self._subject.spec.environment),
            tables=self._bundle.tables,
            tick=tick,
            shared=self._shared,
        )
        if isinstance(rule, SpecRule):
            yield from rule.check(context)
            return
        for change in self._shown_to(rule):
            try:
                yield from rule.check(context, change)
            except UnknownValueError as gap:
                text = f"{change.address}: {gap.attribute} is known only after apply, so this rule cannot judge it"
                yield Observation(message=text, change=change, evidence="unknown")

    def _shown_to(self, rule: ChangeRule) -> Iterator[ResourceChange]:
        for (kind, action), changes in self._alike.items():
            if rule.applies_to(kind, action):
                yield from changes

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
        return self._covered(found)

    def waived(self, findings: Iterable[Finding], evaluated: frozenset[str]) -> tuple[Finding, ...]:
        """Findings with the waivers that cover them, then the waivers of their rules that cover nothing."""
        told = [self._covered(found) for found in findings]
        idle = self._idle_waivers(told, evaluated)
        return (*told, *(item for item in idle if item.rule in evaluated))

    def _covered(self, found: Finding) -> Finding:
        counting = (w for w in self._bundle.waivers if w.id not in self._doubts and w.covers(found, self._today))
        return replace(found, waiver=next((w.id for w in counting), ""))

    def _place(self, key_path: str) -> Place | None:
        exact = self._subject.spec.place_of(key_path)
        if exact is not None:
            return exact
        section, _, rest = key_path.partition(".")
        entries = getattr(self._subject.spec, section, None) if rest else None
        entry = entries.get(rest.split(".")[0]) if isinstance(entries, Mapping) else None
        return entry.place if isinstance(entry, Entry) else None

    def _idle_waivers(self, findings: list[Finding], evaluated: frozenset[str]) -> tuple[Finding, ...]:
        """Every waiver that covers nothing in this evaluation, so that all of them stand in every report."""
        used = {finding.waiver for finding in findings}
        return tuple(self._idle(w, asked=w.rule in evaluated) for w in self._bundle.waivers if w.id not in used)

    def _idle(self, waiver: Waiver, *, asked: bool) -> Finding:
        doubt, lapsed = self._doubts.get(waiver.id, ""), waiver.expires < self._today
        quiet = not (doubt or lapsed or asked)
        why = doubt or ("has lapsed: its finding counts again" if lapsed else "covers nothing")
        return Finding(
            rule=waiver.rule,
            severity=Severity.NOTE if quiet else Severity.WARNING,
            message=f"waiver {waiver.id} of {waiver.owner} {_NOT_ASKED if quiet else why}",
            remedy="have it signed with `lifecycle policy waive`" if doubt else _RENEW,
            entry=waiver.scope,
            evidence=f"expires {waiver.expires}",
        )


def _stray_waivers(bundle: Bundle) -> tuple[str, ...]:
    ids = Counter(waiver.id for waiver in bundle.waivers)
    twice = tuple(f"policy file waivers.yaml: {name} stands twice" for name, count in ids.items() if count > 1)
    named = (waiver for waiver in bundle.waivers if waiver.rule not in bundle.catalogue)
    unknown = [waiver for waiver in named if not waiver.rule.startswith(ELSEWHERE)]
    return twice + tuple(f"policy file waivers.yaml: {w.id} waives {w.rule}, which is no rule" for w in unknown)


def _order(finding: Finding) -> tuple[str, str, str, str]:
    return ("0" if finding.severity is Severity.ERROR else "1", finding.rule, finding.entry, finding.address)


_: type[PolicyEngine] = TypedPolicyEngine

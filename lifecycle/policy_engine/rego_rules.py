"""Rules in Rego, for those who have them already: `policies/rego/*.rego`, judged by an external `opa`.

    # policies/rego/environments.yaml: which environments ask for it, by name pattern
    - prod*

    package lifecycle
    rules["LC-RGO-001"] := {
        "severity": "error", "remedy": "what to change", "controls": [],
        "types": ["aws_sqs_queue"],            # of changes it judges, and what of their `after` it reads:
        "reads": ["fifo_queue"],               # known only after apply = not passed. Both may be empty.
    }
    findings contains {"rule": "LC-RGO-001", "address": change.address, "message": "…"} if { … }

A policy sees `input.environment`, `sandbox`, `today`, `spec` and `changes` (address, type, action, entry, provider,
before, after). A finding names an `address`, or an `entry` of the spec such as `agents.eu-1`. That an environment asks
stands in the bundle, so that a change under review cannot take it back. It fails closed: no `opa`, no rule, a finding
of an undeclared rule, or an error is "not passed". Findings of rules `LC-RGO-nnn` are waived like all others, and
`cases.yaml` beside the rules proves them: for each one what must fire and what must not; see `fixtures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lifecycle.domain.errors import ConfigurationError, LifecycleError, Place, PolicyError
from lifecycle.domain.plan import ResourceChange
from lifecycle.domain.policy import Finding, GateInput, GateVerdict, Severity
from lifecycle.domain.ports import Clock, PolicyEngine
from lifecycle.domain.spec import Entry, Spec
from lifecycle.policy_engine.cel_rules import plain
from lifecycle.policy_engine.rule import WRITING, unknown
from lifecycle.policy_engine.yaml_file import read_yaml

FOLDER = "rego"
QUERY = "data.lifecycle"
_ASKING = "environments.yaml"


class RegoProgram(Protocol):
    """What evaluates Rego; see `clients.opa`."""

    def evaluate(self, query: str, *, policies: Path, document: Any) -> Any:
        """The value of a query over a document. Raises LifecycleError for whatever goes wrong."""


class TypedEngine(PolicyEngine, Protocol):
    """The engine that knows the waivers of the bundle; see `TypedPolicyEngine`."""

    def with_waivers(
        self, subject: GateInput, findings: tuple[Finding, ...], evaluated: frozenset[str]
    ) -> tuple[Finding, ...]:
        """Findings with what waives them, and waivers that cover nothing. Raises ConfigurationError."""
        ...


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    remedy: str
    controls: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    message: str
    address: str = ""
    entry: str = ""
    evidence: str = ""


_RULES = TypeAdapter(dict[str, _Rule])
_SEEN = TypeAdapter(tuple[_Seen, ...])


def asks_for_rego(folder: Path, environment: str) -> bool:
    """Whether a bundle has its Rego judged in an environment.

    Raises:
        ConfigurationError: the list of environments is no list of patterns.
    """
    path = folder / FOLDER / _ASKING
    if not path.exists():
        return False
    patterns = read_yaml(path)
    if not isinstance(patterns, list) or not all(isinstance(item, str) for item in patterns):
        raise ConfigurationError(
            f"policy file {_ASKING} is no list of environment patterns", remedy="write `- prod*`, or `[]` for none"
        )
    return any(fnmatchcase(environment, pattern) for pattern in patterns)


class RegoPolicyEngine:
    """Judges by the rules of a bundle, and by those of them that are written in Rego where the environment asks.

    Args:
        folder: the bundle.
        program: evaluates Rego; asked only when an environment wants it.
        clock: says which day it is.
        typed: judges by all other rules, and knows the waivers.
        always: judge by Rego in every environment, as its cases do.
    """

    def __init__(
        self, folder: Path, *, program: RegoProgram, clock: Clock, typed: TypedEngine, always: bool = False
    ) -> None:
        self._always = always
        self._folder = folder
        self._program = program
        self._clock = clock
        self._typed = typed

    def evaluate(self, subject: GateInput) -> GateVerdict:
        """Run every rule that applies. Anything that goes wrong is a verdict that does not pass."""
        verdict = self._typed.evaluate(subject)
        try:
            if not (self._always or asks_for_rego(self._folder, subject.spec.environment)):
                return verdict
            rules, seen = self._judged(subject)
            found = self._typed.with_waivers(subject, tuple(_findings(subject, rules, seen)), frozenset(rules))
        except LifecycleError as error:
            return replace(verdict, errors=(*verdict.errors, f"{error}"))
        return replace(
            verdict,
            findings=(*(item for item in verdict.findings if item.rule not in rules), *found),
            rules_evaluated=verdict.rules_evaluated + len(rules),
            evaluated=(*verdict.evaluated, *sorted(rules)),
        )

    def _judged(self, subject: GateInput) -> tuple[dict[str, _Rule], tuple[_Seen, ...]]:
        document = rego_input(subject, self._clock().date().isoformat())
        answer = self._program.evaluate(QUERY, policies=self._folder / FOLDER, document=document)
        answer = answer if isinstance(answer, dict) else {}
        try:
            rules = _RULES.validate_python(answer.get("rules") or {})
            seen = _SEEN.validate_python(answer.get("findings", ()))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PolicyError(
                f"Rego gives a wrong answer: {where}: {first['msg']}", remedy="see docs/policies.md"
            ) from None
        if not rules or "findings" not in answer:
            raise PolicyError(
                "Rego is asked for, and package lifecycle declares no rules or no findings",
                remedy="write rules into policies/rego/*.rego, or ask for none in environments.yaml",
            )
        strange = sorted({item.rule for item in seen} - rules.keys())
        if strange:
            raise PolicyError(
                f"Rego finds something by the undeclared rule {strange[0]}", remedy="declare it in `rules`"
            )
        return rules, seen


def rego_input(subject: GateInput, today: str) -> dict[str, Any]:
    """What policies see as `input`. Without a plan there are no changes."""
    changes = subject.plan.changing() if subject.plan else ()
    return {
        "environment": subject.spec.environment,
        "sandbox": subject.spec.sandbox is not None,
        "today": today,
        "spec": plain(subject.spec.model_dump(mode="json")),
        "changes": [_change(change) for change in changes if change.mode == "managed"],
    }


def _change(change: ResourceChange) -> dict[str, Any]:
    return {
        "address": change.address,
        "type": change.type,
        "action": str(change.action),
        "entry": change.entry,
        "provider": change.provider,
        "before": dict(change.before),
        "after": dict(change.after),
    }


def _findings(subject: GateInput, rules: Mapping[str, _Rule], seen: tuple[_Seen, ...]) -> Iterator[Finding]:
    changes = {change.address: change for change in (subject.plan.changing() if subject.plan else ())}
    for item in sorted(
        (*seen, *_gaps(rules, tuple(changes.values()))), key=lambda one: (one.rule, one.address, one.entry)
    ):
        rule = rules[item.rule]
        change = changes.get(item.address)
        entry = item.entry or (change.entry if change else "")
        yield Finding(
            rule=item.rule,
            severity=rule.severity,
            message=item.message,
            remedy=rule.remedy,
            place=_place(subject.spec, entry),
            entry=entry,
            address=item.address,
            evidence=item.evidence,
            controls=rule.controls,
        )


def _gaps(rules: Mapping[str, _Rule], changes: tuple[ResourceChange, ...]) -> Iterator[_Seen]:
    """What a rule reads and nobody knows yet: to Rego it is undefined, and a rule about it would stay silent."""
    for name, rule in rules.items():
        for change in changes:
            if change.mode != "managed" or change.action not in WRITING or change.type not in rule.types:
                continue
            for attribute in rule.reads:
                if unknown(change, attribute):
                    text = f"{change.address}: {attribute} is known only after apply, so this rule cannot judge it"
                    yield _Seen(rule=name, message=text, address=change.address, evidence="unknown")


def _place(spec: Spec, entry: str) -> Place | None:
    section, _, name = entry.partition(".")
    entries = getattr(spec, section, None) if name else None
    found = entries.get(name.split(".")[0]) if isinstance(entries, Mapping) else None
    return found.place if isinstance(found, Entry) else None


_: type[PolicyEngine] = RegoPolicyEngine

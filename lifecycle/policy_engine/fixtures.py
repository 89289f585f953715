"""Proves each rule by cases: what must fire and what must not. Run by `lifecycle policy test` and by our own tests.

`policies/tests/base.yaml` holds a small environment with which every rule is content, and `today`, the day on which the
cases hold (so that they still do next year). Each record of the other files changes it:

    - rule: LC-NET-001
      fires: true
      because: one line
      spec: {allowlists: {egress: {entries: [...]}}}    # merged into the base; null removes a key
      changes: [{address: ..., type: ..., action: create, after: {...}}]   # makes it a plan
      drift: [...]
      live_versions: {name: 2}
      previous_entries: {credentials.name: kind}
      documents: {vault_acl: [{name: ..., file: ..., text: ...}]}

`policies/attacks` holds records of the same form: changes that must be refused, by the named rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.plan import Action, Plan, ResourceChange
from lifecycle.domain.policy import GateInput, PolicyDocument
from lifecycle.domain.ports import PolicyEngine
from lifecycle.domain.spec import SECTIONS, Spec
from lifecycle.policy_engine.catalogue import CatalogueEntry
from lifecycle.policy_engine.killable import KillableRules
from lifecycle.policy_engine.yaml_file import read_yaml, validated

_HERE = {"file": "environments/fixture/environment.yaml", "line": 1, "column": 1}
_TODAY = "today"
_CHOSEN = ("backend", "journal", "runtime", "spooler")


class Case(BaseModel):
    """One case; see the module docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    fires: bool
    because: str = Field(min_length=8)
    spec: Mapping[str, Any] = {}
    changes: tuple[Mapping[str, Any], ...] | None = None
    drift: tuple[Mapping[str, Any], ...] = ()
    live_versions: Mapping[str, int] = {}
    previous_entries: Mapping[str, str] = {}
    documents: Mapping[str, tuple[PolicyDocument, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one case; `problem` is empty when it behaved as it says."""

    case: Case
    problem: str


def load_cases(folder: Path) -> tuple[Case, ...]:
    """Every case of a folder but the base.

    Raises:
        ConfigurationError: a file or record is wrong.
    """
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.name != "base.yaml"]
    return tuple(case for path in paths for case in validated(path, Case, read_yaml(path)))


def gate_input(case: Case, base: Mapping[str, Any]) -> GateInput:
    """What the engine is to judge in a case."""
    plan = None
    if case.changes is not None or case.drift:
        plan = Plan(
            format_version="1.2",
            terraform_version="1.11.4",
            changes=tuple(_change(item) for item in case.changes or ()),
            drift=tuple(_change(item) for item in case.drift),
        )
    return GateInput(
        spec=Spec.model_validate(_placed(_merged({k: v for k, v in base.items() if k != _TODAY}, case.spec))),
        plan=plan,
        live_versions=case.live_versions,
        previous_entries=case.previous_entries,
        documents=case.documents,
    )


def load_base(folder: Path) -> Mapping[str, Any]:
    """The small environment of a folder of cases.

    Raises:
        ConfigurationError: it is missing or unreadable.
    """
    base = read_yaml(folder / "base.yaml")
    if not isinstance(base, Mapping) or not isinstance(base.get(_TODAY), date):
        raise ConfigurationError("base.yaml of the policy cases names no day", remedy="write `today: 2026-11-24`")
    return base


def day_of(base: Mapping[str, Any]) -> datetime:
    """Noon of the day on which the cases hold."""
    return datetime.combine(base[_TODAY], time(12), tzinfo=UTC)


def run_cases(engine: PolicyEngine, folder: Path) -> tuple[CaseResult, ...]:
    """Run every case of a folder against an engine, which need not fork: all cases run in one process apart.

    Raises:
        ConfigurationError: a file or record is wrong.
    """
    base = load_base(folder)
    return _each(load_cases(folder), lambda case: _problem(engine, case, base))


def run_attacks(engine: PolicyEngine, folder: Path, base: Mapping[str, Any]) -> tuple[CaseResult, ...]:
    """Run a corpus of malicious changes: each must be refused, by the rule it names, at severity error.

    Raises:
        ConfigurationError: a file or record is wrong.
    """
    return _each(
        load_cases(folder),
        lambda case: _problem(engine, case, base, attack=True) if case.fires else "an attack must fire",
    )


def run_rego_cases(engine: PolicyEngine, path: Path, base: Mapping[str, Any]) -> tuple[CaseResult, ...]:
    """Run the cases of rules in Rego; the program that judges them is a process apart with a limit of its own.

    Raises:
        ConfigurationError: the file is missing or wrong.
    """
    cases = validated(path, Case, read_yaml(path))
    return tuple(CaseResult(case=case, problem=_problem(engine, case, base)) for case in cases)


def _each(cases: tuple[Case, ...], problem: Callable[[Case], str]) -> tuple[CaseResult, ...]:
    """Try cases in one process apart, which is killed when a case does not end."""
    numbers = [str(number) for number in range(len(cases))]
    with closing(KillableRules(numbers, lambda number, _: [problem(cases[int(number)])])) as worker:
        answers = [worker.answer(number) for number in numbers]
    return tuple(
        CaseResult(case=case, problem=answer.error or answer.seen[0])
        for case, answer in zip(cases, answers, strict=True)
    )


def one_sided(cases: tuple[Case, ...], rules: Iterable[str]) -> tuple[str, ...]:
    """Rules in Rego that lack a case that must fire, or one that must not."""
    proven = {(case.rule, case.fires) for case in cases}
    return tuple(
        f"policy file rego/cases.yaml: rule {rule} has no case that {'must' if fires else 'must not'} fire"
        for rule in sorted(rules)
        for fires in (True, False)
        if (rule, fires) not in proven
    )


def uncovered(cases: tuple[Case, ...], rules: Mapping[str, CatalogueEntry]) -> tuple[str, ...]:
    """Rules that lack a case that must fire, or one that must not, each with its file and line."""
    proven = {(case.rule, case.fires) for case in cases}
    return tuple(
        f"policy file {entry.place}: rule {rule} has no case that {'must' if fires else 'must not'} fire"
        for rule, entry in sorted(rules.items())
        for fires in (True, False)
        if (rule, fires) not in proven
    )


def _problem(engine: PolicyEngine, case: Case, base: Mapping[str, Any], *, attack: bool = False) -> str:
    try:
        verdict = engine.evaluate(gate_input(case, base))
    except (ValueError, TypeError) as error:
        return f"the case is no valid input: {error}"
    if verdict.errors:
        return "; ".join(verdict.errors)
    fired = [finding for finding in verdict.findings if finding.rule == case.rule]
    if case.fires and not fired:
        return "did not fire"
    if attack and not any(finding.rule == case.rule for finding in verdict.blocking):
        return "was found, but not refused"
    if not case.fires and fired:
        return f"fired: {fired[0].message}"
    return ""


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(patch, Mapping):
        return patch
    merged = {**base, **{key: _merged(base.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _placed(tree: dict[str, Any]) -> dict[str, Any]:
    """Give every entry and choice the place and name that documents would have given it."""
    for section in SECTIONS:
        for name, entry in (tree.get(section) or {}).items():
            tree[section][name] = {"name": name, "place": _HERE, "owner": tree.get("owner", ""), **_choices(entry)}
    stores = tree.get("secret_stores") or {}
    tree["secret_stores"] = {name: {"place": _HERE, **store} for name, store in stores.items()}
    return _choices(tree)


def _choices(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: {"place": _HERE, **value} if key in _CHOSEN else value for key, value in entry.items()}


def _change(item: Mapping[str, Any]) -> ResourceChange:
    values = {"provider": "registry.terraform.io/hashicorp/aws", "entry": "agents.eu-1", **item}
    values["action"] = Action(values["action"])
    values["sensitive"] = tuple(values.get("sensitive", ()))
    try:
        return ResourceChange(**values)
    except TypeError as error:
        raise ConfigurationError(f"a change of a policy case is wrong: {error}", remedy="correct the case") from error

"""Runs the cases of a bundle's rules in Rego, where an `opa` is installed or an environment asks for one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings

if TYPE_CHECKING:
    from lifecycle.policy_engine.fixtures import CaseResult

Trials = tuple[tuple["CaseResult", ...], tuple[str, ...]]


def rego_trials(around: Surroundings, bundle: Path, base: Mapping[str, Any]) -> Trials:
    """What came of each case, and rules in Rego that lack a case; nothing where no environment needs the program.

    Args:
        around: names the program.
        bundle: the folder of the rules.
        base: the small environment of its cases.

    Raises:
        ConfigurationError: the cases, or the list of environments, are wrong.
    """
    from lifecycle.clients.opa import Opa
    from lifecycle.policy_engine import fixtures
    from lifecycle.policy_engine.rego_rules import FOLDER, RegoPolicyEngine
    from lifecycle.policy_engine.typed import TypedPolicyEngine
    from lifecycle.policy_engine.yaml_file import read_yaml
    from lifecycle.settings import child_environment

    folder = bundle / FOLDER
    asking = folder / "environments.yaml"
    program = around.settings.policy_opa or "opa"
    wanted = asking.exists() and bool(read_yaml(asking))
    if not list(folder.glob("*.rego")) or not (wanted or shutil.which(program)):
        return (), ()

    def clock() -> datetime:
        return fixtures.day_of(base)

    typed = TypedPolicyEngine(bundle, clock=clock, proven=False, forks=False)
    opa = Opa(program, environment=child_environment(with_aws=False))
    engine = RegoPolicyEngine(bundle, program=opa, clock=clock, typed=typed, always=True)
    path = folder / "cases.yaml"
    results = fixtures.run_rego_cases(engine, path, base) if path.exists() else ()
    nothing = fixtures.Case(rule="none", fires=False, because="which rules there are")
    verdict = engine.evaluate(fixtures.gate_input(nothing, base))
    declared = {rule for rule in verdict.evaluated if rule not in typed.known()}
    return results, (*verdict.errors, *fixtures.one_sided(tuple(item.case for item in results), declared))

"""The rule catalogue: what each typed rule is called, how bad it is, what it answers and what to do about it.

One record of `policies/rules/*.yaml`:

    - id: LC-NET-001
      title: No egress to the whole internet
      severity: error
      why: one sentence that a reviewer accepts
      remedy: what to change
      controls: [NIST-800-53 SC-7]
      parameters: {shortest_ipv4_prefix: 16}
      environments: {dev-*: {shortest_ipv4_prefix: 8}}   # parameters of some environments, by name pattern
      exempt_sandbox: true                               # not evaluated in an environment of local servers

A record with `must` brings its own expression (see `cel_rules`) and needs no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.policy import RuleCard, Severity
from lifecycle.policy_engine.rule import Rule
from lifecycle.policy_engine.yaml_file import read_yaml, record_lines, validated

Subject = Literal["change", "service_account", "allowlist_entry", "credential", "agent", "connector", "spec"]
Sentence = Annotated[str, Field(min_length=8)]


class CatalogueEntry(BaseModel):
    """One rule's record; see the module docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^LC-[A-Z]+-\d{3}$")]
    title: Sentence
    severity: Severity
    why: Sentence
    remedy: Sentence
    controls: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = {}
    environments: Mapping[str, Mapping[str, Any]] = {}
    exempt_sandbox: bool = False
    over: Subject | None = None
    types: tuple[str, ...] = ()
    when: str = ""
    must: str = ""
    message: str = ""
    # File and line of the record, for messages; set by the loader.
    place: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _expression_is_whole(self) -> CatalogueEntry:
        given = bool(self.over), bool(self.must), bool(self.message)
        if any(given) and not all(given):
            raise ValueError("over, must and message belong together")
        if (self.when or self.types) and not self.must:
            raise ValueError("when and types need a must")
        if self.types and self.over != "change":
            raise ValueError("types are of changes")
        return self

    def card(self) -> RuleCard:
        """The rule as reports show it."""
        return RuleCard(
            id=self.id,
            title=self.title,
            severity=self.severity,
            why=self.why,
            remedy=self.remedy,
            controls=self.controls,
        )

    def parameters_for(self, environment: str) -> dict[str, Any]:
        """The parameters that hold in an environment; later patterns win."""
        values = dict(self.parameters)
        for pattern, changed in self.environments.items():
            if fnmatchcase(environment, pattern):
                values.update(changed)
        return values


def load_catalogue(folder: Path) -> dict[str, CatalogueEntry]:
    """Every record of a rules folder by id.

    Raises:
        ConfigurationError: no file, a wrong record, or one id twice.
    """
    catalogue: dict[str, CatalogueEntry] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry, line in zip(validated(path, CatalogueEntry, read_yaml(path)), record_lines(path), strict=True):
            if entry.id in catalogue:
                message = (
                    f"policy file {path.name}:{line}: rule {entry.id} stands twice, as in {catalogue[entry.id].place}"
                )
                raise ConfigurationError(message, remedy="give every rule its own id")
            catalogue[entry.id] = entry.model_copy(update={"place": f"{path.name}:{line}"})
    return catalogue


def mismatches(catalogue: Mapping[str, CatalogueEntry], rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Where catalogue and code disagree: missing on either side, or parameters that the rule does not take."""
    coded = {rule.id: rule for rule in rules}
    problems = [
        f"policy file {catalogue[name].place}: rule {name} stands in the catalogue but has no code"
        for name in sorted(catalogue.keys() - coded)
    ]
    problems += [f"rule {name} has code but no catalogue record" for name in sorted(coded.keys() - catalogue.keys())]
    for name in sorted(coded.keys() & catalogue.keys()):
        problems += _wrong_parameters(catalogue[name], coded[name].parameters)
    return tuple(problems)


def _wrong_parameters(entry: CatalogueEntry, expected: Mapping[str, type]) -> list[str]:
    where = f"policy file {entry.place}: rule {entry.id}"
    problems = []
    if set(entry.parameters) != set(expected):
        problems.append(f"{where} takes the parameters {sorted(expected)}, not {sorted(entry.parameters)}")
    for values in (entry.parameters, *entry.environments.values()):
        for name, value in values.items():
            wanted = expected.get(name)
            if wanted is None:
                problems.append(f"{where} has no parameter {name!r}")
            elif type(value) is not wanted:
                problems.append(f"{where}: parameter {name!r} must be {wanted.__name__}")
    return problems

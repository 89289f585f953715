"""`lifecycle check`: the spec and the rules over it, offline, before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lifecycle.domain.policy import Finding, GateInput, GateVerdict
from lifecycle.domain.ports import PolicyEngine
from lifecycle.domain.spec import SECTIONS, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSpec:
    """A spec that could be read, and what the gate says about it.

    Attributes:
        spec: the resolved spec.
        counts: how many entries of each section.
        verdict: of the rules that apply to what was judged.
    """

    spec: Spec
    counts: Mapping[str, int]
    verdict: GateVerdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules found, most severe first."""
        return self.verdict.findings


def spec_alone(spec: Spec) -> GateInput:
    """What the gate judges when there is no plan."""
    return GateInput(spec=spec)


def check_spec(
    load: Callable[[], Spec], engine: PolicyEngine, *, subject: Callable[[Spec], GateInput] = spec_alone
) -> CheckedSpec:
    """Read the spec and judge it, alone or with what else the caller knows.

    Args:
        load: reads and resolves the documents of the environment.
        engine: the gate.
        subject: what is judged, e.g. with a plan.

    Raises:
        ConfigurationError: the documents are wrong; lists every place.
    """
    spec = load()
    counts = {section: len(getattr(spec, section)) for section in SECTIONS}
    return CheckedSpec(spec=spec, counts=counts, verdict=engine.evaluate(subject(spec)))

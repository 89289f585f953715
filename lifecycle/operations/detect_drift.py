"""`lifecycle drift`: what changed outside since Terraform last looked, and was it us?

1. A refresh-only plan, decoded. 2. The changes are split into explained and unexpected ones. 3. When all are explained,
the refreshed state is written, so that the next comparison is sharp; an unexpected change is never accepted here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.domain.drift import Drift, split
from lifecycle.domain.infrastructure_ports import DecodePlan, PlanFolder
from lifecycle.domain.ports import TerraformRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftContext:
    """What detection works with.

    Attributes:
        runner: Terraform in the environment's root.
        decode: `show -json` to a plan.
        folder: a folder of its own; emptied afterwards.
        write_root: writes the generated root.
    """

    runner: TerraformRunner
    decode: DecodePlan
    folder: PlanFolder
    write_root: Callable[[], None]


def detect_drift(context: DriftContext) -> Drift:
    """Look for drift.

    Raises:
        ConfigurationError, AuthenticationError, RemoteServiceError: from Terraform, with what to do.
    """
    context.write_root()
    context.folder.clear()
    context.runner.init()
    try:
        if not context.runner.plan(context.folder.plan_file, refresh_only=True):
            return Drift(unexpected=(), expected=())
        drift = split(context.decode(context.runner.show(context.folder.plan_file)).drift)
        if drift.clean and drift.expected:
            context.runner.apply(context.folder.plan_file)
    finally:
        context.folder.clear()
    return drift

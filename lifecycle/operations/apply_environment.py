"""`lifecycle apply`: everything from a checked spec to a receipt, in one sequence.

1. Finish rotations that an interrupted run left open. 2. Plan and judge, or take an approved plan. 3. Apply exactly
that. 4. Issue what is new and, where asked, rotate what is due. 5. Verify every connector. 6. Search everything that
was written for every value that was handled. 7. Complete the receipt, also when a step after the apply failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lifecycle.domain.errors import ExitCode, LifecycleError, most_urgent
from lifecycle.domain.receipt import LeakScan, Receipt, RotatedCredential, VerifiedConnector
from lifecycle.domain.review import ReviewedPlan
from lifecycle.operations.apply_plan import ApplyOutcome
from lifecycle.operations.report_run import RunReport
from lifecycle.operations.resume_rotations import RotationRun

Step = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verification found, for the receipt and the exit code."""

    connectors: tuple[VerifiedConnector, ...]
    exit_code: ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSteps:
    """The steps, wired by bootstrap.

    Attributes:
        resume: finishes open rotations; an empty run when there are none.
        plan: plans and judges; None as its answer means that the folder holds an approved plan.
        apply: applies what was planned; refuses anything else.
        begin: the receipt of a run that applied nothing.
        rotate: first issuance and, where asked, what is due.
        verify: every connector.
        scan: the leak scan.
        rotated: what a rotation run did, as it stands in the receipt.
        finish: completes the receipt; takes the reason when something failed.
        step: prints one line of progress.
    """

    resume: Callable[[], RotationRun]
    plan: Callable[[], ReviewedPlan | None]
    apply: Callable[[ReviewedPlan | None], ApplyOutcome]
    begin: Callable[[], Receipt]
    rotate: Callable[[], RotationRun]
    verify: Callable[[], Verified]
    scan: Callable[[], LeakScan]
    rotated: Callable[[Sequence[RotationRun]], tuple[RotatedCredential, ...]]
    finish: Callable[..., RunReport]
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOutcome:
    """How the run ended: the report, and every exit code that holds."""

    report: RunReport
    codes: tuple[ExitCode, ...]

    def exit_code(self) -> ExitCode:
        """The most urgent one."""
        return most_urgent(list(self.codes))


def apply_environment(steps: EnvironmentSteps, *, detailed: bool = False) -> EnvironmentOutcome:
    """Run the whole sequence.

    Args:
        steps: what each step does.
        detailed: count running grace as pending work.

    Raises:
        LifecycleError: a step up to the apply failed or refused: nothing after it ran.
    """
    resumed = steps.resume()
    applied = steps.apply(steps.plan())
    receipt = applied.receipt or steps.begin()
    rotated = steps.rotate()
    runs = (resumed, rotated)
    verified = steps.verify()
    scan = steps.scan()
    problem = _problem(runs, scan)
    report = steps.finish(
        receipt,
        rotation=steps.rotated(runs),
        verification=verified.connectors,
        leak_scan=scan,
        problem=problem,
    )
    codes = [run.exit_code(detailed=detailed) for run in runs]
    leaked = ExitCode.REFUSED if not scan.clean else ExitCode.DONE
    return EnvironmentOutcome(report=report, codes=(*codes, verified.exit_code, leaked))


def _problem(runs: Sequence[RotationRun], scan: LeakScan) -> str:
    errors: list[LifecycleError] = [item.error for run in runs for item in run.outcomes if item.error]
    if not scan.clean:
        return f"a value was found in {scan.leaks[0].surface}"
    return errors[0].message if errors else ""

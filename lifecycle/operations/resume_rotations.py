"""Many credentials at once: one that is stuck, slow or broken never holds up another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from lifecycle.domain.errors import ExitCode, InterruptedRunError, LifecycleError, most_urgent
from lifecycle.domain.rotation import State
from lifecycle.domain.rotation_order import waves
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome, Standing

Work = Callable[[RotationContext], RotationOutcome]
Stop = Callable[[], None]  # makes every rotation under way end at its next wait


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRun:
    """What one run did, credential by credential."""

    outcomes: tuple[RotationOutcome, ...]

    def exit_code(self, *, detailed: bool = False) -> ExitCode:
        """The most urgent exit code of all credentials."""
        return most_urgent([outcome.exit_code(detailed=detailed) for outcome in self.outcomes])

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {"rotations": [_document(outcome) for outcome in self.outcomes]}

    def lines(self) -> list[str]:
        """For people: one line each, and what to do where something is to be done."""
        return [line for outcome in self.outcomes for line in _lines(outcome)] or ["nothing to rotate"]


def _nothing_to_stop() -> None:
    """Of those whose rotations never wait."""


def rotate_all(
    contexts: Sequence[RotationContext],
    *,
    force: bool = False,
    wait: bool = False,
    workers: int = 16,
    stop: Stop = _nothing_to_stop,
) -> RotationRun:
    """Rotate those that are due (all of them with `force`): who is changed with another goes before it, admins last.

    Args:
        contexts: one per credential.
        force: rotate also what is not due.
        wait: wait for grace and acknowledgements instead of leaving them to a later run.
        workers: how many at once.
        stop: called on an interrupt; from then on the contexts' `sleep` raises InterruptedRunError.

    Raises:
        InterruptedRunError: a person or scheduler stopped the run; everything open is on record.
    """
    return _run(contexts, partial(rotate, force=force, wait=wait), workers, stop)


def resume_all(
    contexts: Sequence[RotationContext], *, wait: bool = False, workers: int = 16, stop: Stop = _nothing_to_stop
) -> RotationRun:
    """Finish what is open; contexts of credentials with nothing open are reconciled. Arguments as in `rotate_all`."""
    return _run(contexts, partial(resume, wait=wait), workers, stop)


def _run(contexts: Sequence[RotationContext], work: Work, workers: int, stop: Stop) -> RotationRun:
    order = waves({context.credential: context.uses for context in contexts})
    batches: dict[tuple[bool, int], list[RotationContext]] = {}
    for context in contexts:
        batches.setdefault((context.issuer.traits.self_admin, order[context.credential]), []).append(context)
    outcomes: list[RotationOutcome] = []
    for last, wave in sorted(batches):  # F comes last, one after the other
        outcomes += _batch(batches[last, wave], work, 1 if last else workers, stop)
    return RotationRun(outcomes=tuple(outcomes))


def _batch(contexts: list[RotationContext], work: Work, workers: int, stop: Stop) -> list[RotationOutcome]:
    if not contexts:
        return []
    pool = ThreadPoolExecutor(max_workers=min(workers, len(contexts)), thread_name_prefix="rotate")
    futures: list[Future[RotationOutcome]] = []
    try:
        futures = [pool.submit(_contained, context, work) for context in contexts]
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        stop()  # before the pool is joined: a rotation may be waiting for its grace to end
        raise InterruptedRunError(
            "interrupted; every rotation that was open is on record",
            remedy="run the same command again, or `lifecycle rotate resume`",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _contained(context: RotationContext, work: Work) -> RotationOutcome:
    """A defect met by one credential is its own outcome; its text may hold anything, so only its type is told."""
    try:
        return work(context)
    except LifecycleError as error:
        failure = error
    except Exception as error:  # the boundary between credentials
        failure = LifecycleError(
            f"{context.credential}: internal failure: {type(error).__name__}",
            remedy="this is a bug; please report it with `lifecycle rotate status`",
        )
    return RotationOutcome(
        credential=context.credential,
        standing=Standing.FAILED,
        state=State.IDLE,
        text=failure.message,
        remedy=failure.remedy,
        error=failure,
    )


def _document(outcome: RotationOutcome) -> dict[str, Any]:
    return {
        "credential": outcome.credential,
        "standing": outcome.standing.value,
        "state": outcome.state.value,
        "outcome": outcome.outcome.value,
        "text": outcome.text,
        "remedy": outcome.remedy,
        "until": outcome.until.isoformat() if outcome.until else None,
    }


def _lines(outcome: RotationOutcome) -> list[str]:
    until = f" (again from {outcome.until:%Y-%m-%d %H:%M} UTC)" if outcome.until else ""
    why = f": {outcome.text}" if outcome.text else ""
    remedy = [f"  -> {outcome.remedy}"] if outcome.remedy and outcome.standing is not Standing.DONE else []
    return [f"{outcome.credential}: {outcome.standing}{why}{until}", *remedy]

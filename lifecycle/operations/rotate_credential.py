"""Rotate one credential: reconcile, begin when due, and go on state by state until it ends or has to wait.

First issuance is the same path with no old value. `resume` only finishes what is open. Nothing here blocks longer than
`limits.patience`; what takes longer is left to the next run, which takes up the newest record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, assert_never

from lifecycle.domain import rotation_events as on
from lifecycle.domain.errors import (
    BusyError,
    CheckRefusedError,
    FenceError,
    IntegrityError,
    InterruptedRunError,
    InvalidTransitionError,
    LifecycleError,
    LostRaceError,
    RemoteServiceError,
)
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.rotation_policy import due
from lifecycle.operations.audit_step import audit_step
from lifecycle.operations.deliver_value import propagate, redeliver
from lifecycle.operations.end_previous import disable, grace, revoke
from lifecycle.operations.mint_candidate import mint
from lifecycle.operations.prepare_candidate import confirm_staged, prepare
from lifecycle.operations.promote_candidate import promote, verify
from lifecycle.operations.reconcile_credential import begin, reconcile
from lifecycle.operations.roll_back import discard, roll_back
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome, Standing, Waiting, outcome_of
from lifecycle.operations.rotation_objections import check_clock, objections, opens_at
from lifecycle.operations.rotation_session import Session, open_session
from lifecycle.operations.set_candidate import set_value
from lifecycle.operations.withdraw_consumers import withdraw

Start = Callable[[Session], RotationOutcome | None]
Answer = TypeVar("Answer")


def rotate(context: RotationContext, *, force: bool = False, wait: bool = False) -> RotationOutcome:
    """Rotate one credential if it is due, or finish the rotation that is open.

    Args:
        context: what to work with.
        force: rotate also when it is not due.
        wait: wait for grace and acknowledgements instead of leaving them to a later run.
    """

    def start(session: Session) -> RotationOutcome | None:
        idle = session.head.record is None or session.head.record.state is State.CLOSED
        return _begin_if_due(session, force=force) if idle else None

    return run(context, start, wait=wait)


def resume(context: RotationContext, *, wait: bool = False) -> RotationOutcome:
    """Finish what is open, and repair what a killed or paused run left; begin nothing."""

    def start(session: Session) -> RotationOutcome | None:
        if session.record.state is not State.CLOSED:
            return None if session.record.open else _sum_up(session)
        return _repair(session) or (None if session.record.open else _sum_up(session))

    return run(context, start, wait=wait)


def run(context: RotationContext, start: Start, *, wait: bool, by_hand: bool = False) -> RotationOutcome:
    """Take the lease, begin with `start`, then advance until it ends, waits or fails; outside failures are outcomes.

    Args:
        context: what to work with.
        start: what this run is for.
        wait: wait for grace and acknowledgements instead of leaving them to a later run.
        by_hand: a person settles the record; no value is handed out, so the spec needs no approval for it.

    Raises:
        InvalidTransitionError: a bug.
    """
    if context.unapproved is not None and not by_hand:  # also what is open hands out values
        return outcome_of(
            context,
            context.journal.head(context.credential).record,
            standing=Standing.REFUSED,
            error=context.unapproved,
        )
    try:
        with open_session(context) as session:
            early = _guarded(session, lambda: start(session))
            if isinstance(early, RotationOutcome):
                return early
            return _to_the_end(session, wait=wait)
    except (BusyError, FenceError, LostRaceError) as error:
        return outcome_of(context, None, standing=Standing.BUSY, error=error)
    except IntegrityError as error:
        return outcome_of(context, None, standing=Standing.REFUSED, error=error)
    except InvalidTransitionError:
        raise
    except LifecycleError as error:
        return outcome_of(context, None, standing=Standing.FAILED, error=error)


def advance(session: Session) -> Waiting | None:
    """Do the work of one state and record what came of it. None = call again; the record tells when it has ended."""
    record = session.record
    now = session.context.clock()
    if record.not_before is not None and now < record.not_before:
        return Waiting(until=record.not_before, why=record.reason or "it is too early")
    answer = step(session)
    if isinstance(answer, Waiting):
        return answer
    session.apply(answer)
    audit_step(session, record, answer)
    return None


def step(session: Session) -> on.Event | Waiting:  # noqa: PLR0911, PLR0912 - one arm per state, checked by assert_never
    """The outside calls of the state in which the record stands, and what they mean."""
    state = session.record.state
    match state:
        case State.INTENT:
            return prepare(session)
        case State.MINTING:
            return mint(session)
        case State.STAGED:
            return confirm_staged(session)
        case State.SETTING:
            return set_value(session)
        case State.VERIFYING:
            return verify(session)
        case State.PROMOTING:
            return promote(session)
        case State.PROPAGATING:
            return propagate(session)
        case State.GRACE:
            return grace(session)
        case State.DISABLING:
            return disable(session)
        case State.REVOKING:
            return revoke(session)
        case State.ROLLING_BACK:
            return roll_back(session)
        case State.DISCARDING:
            return discard(session)
        case State.REDELIVERING:
            return redeliver(session)
        case State.WITHDRAWING:
            return withdraw(session)
        case State.IDLE | State.PLANNED | State.LOCKED | State.CLOSED | State.QUARANTINED:
            raise InvalidTransitionError(f"nothing to do in {state}", remedy="this is a bug; please report it")
        case _:
            assert_never(state)


def _begin_if_due(session: Session, *, force: bool) -> RotationOutcome | None:
    """Reconcile; then begin when due. None = an operation is open now."""
    repaired = _repair(session)
    if repaired is not None or session.record.open:
        return repaired
    context = session.context
    verdict = due(session.head.record, context.policy, context.limits, context.clock())
    if not (verdict.now or force):
        return outcome_of(context, session.head.record, standing=Standing.NOT_DUE, until=verdict.at, text=verdict.why)
    blocked = _blocked_by_others(session) or _held_up(session)
    if blocked is not None:
        return blocked
    try:
        check_clock(context)
        begun = begin(session)
    except LifecycleError as error:
        if isinstance(error, FenceError | LostRaceError | IntegrityError):
            raise
        asked = error.retry_after if isinstance(error, RemoteServiceError) else None
        until = context.clock() + asked if asked is not None else None
        return outcome_of(context, session.head.record, standing=Standing.REFUSED, error=error, until=until)
    session.virtually(on.Planned())
    session.virtually(on.Locked())
    session.apply(begun)
    return None


def _held_up(session: Session) -> RotationOutcome | None:
    """What spec, journal and change window say against beginning now."""
    context, record = session.context, session.head.record
    against = objections(context, record)
    if against:
        return outcome_of(context, record, standing=Standing.REFUSED, error=against[0])
    opens = opens_at(context, context.clock()) if record is not None and record.live is not None else None
    if opens is None:
        return None
    why = f"its change window opens then: {context.policy.window}"
    return outcome_of(context, record, standing=Standing.PENDING, text=why, until=opens)


def _repair(session: Session) -> RotationOutcome | None:
    """Reconcile until nothing is left; an outcome when it ends the run, None otherwise."""
    while session.head.record is not None and session.record.state is State.CLOSED:
        answer = reconcile(session)
        if answer is None or isinstance(answer, Waiting):
            return None
        session.apply(answer)
        waiting = None
        while session.record.open and waiting is None:
            waiting = advance(session)
        if waiting is not None:
            return None  # the main loop waits or leaves it to the next run
    return _sum_up(session) if session.record.state is State.QUARANTINED else None


def _blocked_by_others(session: Session) -> RotationOutcome | None:
    """Class F: the tool's own admin credential comes last, when nothing else is open."""
    if not session.traits.self_admin:
        return None
    others = [item.credential for item in session.context.journal.open_operations()]
    others = [name for name in others if name != session.context.credential]
    if not others:
        return None
    return outcome_of(
        session.context,
        session.head.record,
        standing=Standing.PENDING,
        text=f"it administers itself and waits for {', '.join(others)} to end",
        until=session.context.clock() + session.context.limits.poll,
    )


def _to_the_end(session: Session, *, wait: bool) -> RotationOutcome:
    context = session.context
    patience_ends = context.clock() + context.limits.patience
    while session.record.open:
        answer = _guarded(session, lambda: advance(session))
        if isinstance(answer, RotationOutcome):
            return answer
        if isinstance(answer, Waiting):
            now = context.clock()
            context.observe(context.credential, session.record.state, f"waiting: {answer.why}")
            if not wait and answer.until > patience_ends:
                return outcome_of(
                    context, session.record, standing=Standing.PENDING, until=answer.until, text=answer.why
                )
            fresh = session.fresh  # waiting makes no call to provider, store or consumer
            session.pause(max(answer.until - now, timedelta(seconds=1)))
            session.fresh = fresh
    return _sum_up(session)


def _guarded(session: Session, work: Callable[[], Answer]) -> Answer | RotationOutcome:
    """Record a failure of the surroundings with its back-off; what we are told to stop for, and bugs, pass through."""
    try:
        return work()
    except (FenceError, LostRaceError, IntegrityError, InterruptedRunError, InvalidTransitionError):
        raise
    except CheckRefusedError as error:
        return outcome_of(session.context, session.head.record, standing=Standing.REFUSED, error=error)
    except LifecycleError as error:
        context = session.context
        if session.record.open:
            delay = context.limits.spread(session.record.faults + 1, context.credential)
            if isinstance(error, RemoteServiceError) and error.retry_after is not None:
                delay = max(delay, error.retry_after)
            before = session.record
            failed = on.SurroundingsFailed(
                limit=context.limits.faults,
                reason=error.message,
                remedy=error.remedy,
                not_before=context.clock() + delay,
            )
            session.apply(failed)
            session.fresh = False
            audit_step(session, before, failed)
        if session.record.state is State.QUARANTINED:
            return _sum_up(session)
        return outcome_of(context, session.head.record, standing=Standing.FAILED, error=error)


def _sum_up(session: Session) -> RotationOutcome:
    record = session.head.record
    return outcome_of(session.context, record, standing=_standing(record))


def _standing(record: RotationRecord | None) -> Standing:
    if record is None:
        return Standing.NOT_DUE
    if record.state is State.QUARANTINED:
        return Standing.QUARANTINED
    if record.state is not State.CLOSED:
        return Standing.PENDING
    good = record.outcome in (Outcome.DONE, Outcome.RETIRED, Outcome.ADOPTED, Outcome.ABANDONED, Outcome.EXPOSED)
    return Standing.DONE if good else Standing.FAILED

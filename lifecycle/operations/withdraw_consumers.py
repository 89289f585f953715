"""WITHDRAWING: every consumer gives its copy back before the value is revoked."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.errors import FenceError, LifecycleError
from lifecycle.operations.rotation_context import Waiting
from lifecycle.operations.rotation_session import Session

_GIVE_BACK = "take the copy from the consumer by hand, then `lifecycle rotate release`"


def withdraw(session: Session) -> on.Event | Waiting:
    """WITHDRAWING: take every copy; a stuck consumer does not stop the others, but it stops the revocation."""
    context, stuck = session.context, []
    for binding in context.consumers:
        try:
            session.before_change()
            binding.destination.withdraw(binding.name, session.record.operation, session.lease.fence)
        except FenceError:
            raise
        except LifecycleError as error:
            stuck.append(f"{binding.name}: {error.message}")
    if not stuck:
        return on.Withdrawn(soft_off=session.traits.soft_off)
    now, why = context.clock(), "; ".join(stuck)
    if session.record.ceiling_at is not None and now >= session.record.ceiling_at:
        return on.Quarantined(reason=f"not given back within the ceiling: {why}", remedy=_GIVE_BACK)
    return Waiting(until=now + context.limits.poll, why=why)

"""WITHDRAWING: every consumer gives its copy back before the value is revoked."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.errors import FenceError, LifecycleError
from lifecycle.operations.rotation_context import Waiting
from lifecycle.operations.rotation_session import Session


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
    return Waiting(until=context.clock() + context.limits.poll, why="; ".join(stuck))

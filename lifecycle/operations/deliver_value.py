"""PROPAGATING and REDELIVERING: every declared consumer is handed the value and says itself that it holds it."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.credential import Acknowledgement, CredentialClass, NotKnown
from lifecycle.domain.errors import FenceError, LifecycleError
from lifecycle.domain.rotation import ConsumerProgress, ValueMark
from lifecycle.domain.secret import Fingerprint, SecretValue
from lifecycle.operations.rotation_context import ConsumerBinding, Waiting
from lifecycle.operations.rotation_session import Session

NOT_ACKNOWLEDGED = "restart or repair the consumer, then `lifecycle rotate release`"


def propagate(session: Session) -> on.Event | Waiting:
    """PROPAGATING: deliver the promoted value; a consumer that fails on it sends all back where possible."""
    value, record = session.candidate_value(), session.record
    if value is None or record.new is None:
        return on.Quarantined(reason="the promoted value is no longer in the store", remedy=NOT_ACKNOWLEDGED)
    answer = hand_over(session, value, record.new.fingerprint)
    if isinstance(answer, on.ConsumerFailed):
        return sent_back(session, answer)
    return answer


def redeliver(session: Session) -> on.Event | Waiting:
    """REDELIVERING: nothing is open, but a consumer holds another value than the current one."""
    live = session.record.live
    found = find_value(session, live)
    if found is None or live is None:
        return on.Quarantined(reason="the current value is no longer in the store", remedy=NOT_ACKNOWLEDGED)
    answer = hand_over(session, found, live.fingerprint)
    if isinstance(answer, on.ConsumerFailed):
        return on.Quarantined(reason=f"{answer.consumer}: {answer.reason}", remedy=NOT_ACKNOWLEDGED)
    return answer


def find_value(session: Session, mark: ValueMark | None) -> SecretValue | None:
    """The current value, if it is the one that is meant."""
    state = session.store_state()
    found = None if state.current is None else session.read(state.current.version)
    if found is None or mark is None or session.context.fingerprint(found.value) != mark.fingerprint:
        return None
    return found.value


def sent_back(session: Session, failed: on.ConsumerFailed) -> on.Event:
    """Back to the old value where it still lives: classes A and B with an old credential."""
    record = session.record
    if record.old is not None and record.credential_class in (CredentialClass.A, CredentialClass.B):
        return failed
    return on.Quarantined(reason=f"{failed.consumer}: {failed.reason}", remedy=NOT_ACKNOWLEDGED)


def hand_over(session: Session, value: SecretValue, fingerprint: Fingerprint) -> on.Event | Waiting:
    """One consumer at a time, one record per delivery and per acknowledgement; a stuck one does not stop the others."""
    stuck: list[str] = []
    for binding in session.context.consumers:
        answer = _one(session, binding, value, fingerprint)
        if isinstance(answer, str):
            stuck.append(f"{binding.name}: {answer}")
        elif answer is not None:
            return answer
    if not stuck:
        return on.AllAcknowledged(minimum=session.context.policy.minimum, ceiling=session.context.policy.ceiling)
    now, why = session.context.clock(), "; ".join(stuck)
    if session.record.ceiling_at is not None and now >= session.record.ceiling_at:
        return on.Quarantined(reason=f"not acknowledged within the ceiling: {why}", remedy=NOT_ACKNOWLEDGED)
    return Waiting(until=now + session.context.limits.poll, why=why)


def _one(
    session: Session, binding: ConsumerBinding, value: SecretValue, fingerprint: Fingerprint
) -> on.Event | str | None:
    """An event to record, why it is stuck, or None when this consumer is ready."""
    progress = _progress(session, binding)
    if progress.acknowledged == fingerprint:
        return None
    try:
        if progress.delivered != fingerprint:
            _deliver(session, binding, value, fingerprint)
            return on.Delivered(consumer=binding.name, fingerprint=fingerprint)
        said = binding.destination.acknowledged(binding.name)
    except FenceError:
        raise
    except LifecycleError as error:
        return error.message
    return _said(binding, said, fingerprint)


def _said(
    binding: ConsumerBinding, said: Acknowledgement | NotKnown, fingerprint: Fingerprint
) -> on.Acknowledged | on.ConsumerFailed | str:
    """Only an acknowledgement of this very fingerprint counts."""
    if said is NotKnown.UNOBSERVABLE and binding.unobservable:
        return on.Acknowledged(consumer=binding.name, fingerprint=fingerprint)
    if not isinstance(said, Acknowledgement):
        return str(said)
    if said.fingerprint != fingerprint:
        return "still holds another value"
    if said.failing:
        return on.ConsumerFailed(consumer=binding.name, reason=said.failing)
    return on.Acknowledged(consumer=binding.name, fingerprint=fingerprint)


def _deliver(session: Session, binding: ConsumerBinding, value: SecretValue, fingerprint: Fingerprint) -> None:
    session.before_change()
    operation, fence = session.record.operation, session.lease.fence
    binding.destination.deliver(binding.name, value, fingerprint, operation, fence)


def _progress(session: Session, binding: ConsumerBinding) -> ConsumerProgress:
    known = (item for item in session.record.consumers if item.name == binding.name)
    return next(known, ConsumerProgress(name=binding.name))

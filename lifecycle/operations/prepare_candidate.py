"""INTENT and STAGED: the store is ready, the candidate lies in it, read back."""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AmbiguousEffectError, LostRaceError
from lifecycle.domain.rotation import ValueMark
from lifecycle.domain.secret import CandidateId, SecretValue, VersionId
from lifecycle.operations.rotation_session import Session

STORE_FAILING = "repair the secret store, then `lifecycle rotate release`"
_CLIENT_MADE = (CredentialClass.A, CredentialClass.C)


def prepare(session: Session) -> on.Event:
    """INTENT: write the marker version if nothing is current yet; A and C also stage the value here."""
    revision = session.record.expected
    if not session.fresh and session.record.old is not None and session.store_state().revision != revision:
        return on.Rejected(reason="the secret was changed after this rotation began; nothing was made yet")
    if session.record.old is None:
        marked = _marker(session)
        if isinstance(marked, on.Quarantined | on.Rejected):
            return marked
        revision = marked
    if session.record.credential_class in _CLIENT_MADE:
        return _stage_own(session, revision)
    return on.Prepared(revision=revision)


def _marker(session: Session) -> VersionId | on.Quarantined | on.Rejected:
    """The first version of a secret becomes current by itself, so it must be an empty one, read back (amendment 13)."""
    for _ in range(session.context.limits.attempts):
        state = session.store_state()
        if state.current is not None:
            return on.Rejected(reason="somebody else wrote a first value; `lifecycle rotate adopt` takes it over")
        if state.marker:
            return state.revision
        try:
            session.before_change()
            session.context.store.prepare(session.context.ref)
        except AmbiguousEffectError:
            session.fresh = False
    state = session.store_state()
    if state.marker:
        return state.revision
    return on.Quarantined(reason="the store does not take the marker of a first issuance", remedy=STORE_FAILING)


def _stage_own(session: Session, revision: VersionId) -> on.Event:
    """A and C: what this operation has staged already is adopted, never replaced by another value."""
    for _ in range(session.context.limits.attempts):
        for item in [] if session.fresh else session.staged():
            found = session.read(item.version)
            if found is not None:
                return on.StagedValue(candidate=item.candidate, new=session.mark(found.value), revision=revision)
        value = session.setting.generate(session.record.slot)
        if stage(session, next_candidate(session), value):
            return on.StagedValue(candidate=next_candidate(session), new=session.mark(value), revision=revision)
        session.fresh = False
    return on.Quarantined(reason="the store does not take the new value", remedy=STORE_FAILING)


def next_candidate(session: Session) -> CandidateId:
    """Unlike any that another process or attempt of this operation may still stage."""
    return CandidateId(f"{session.lease.fence}-{session.record.attempt}")


def stage(session: Session, candidate: CandidateId, value: SecretValue) -> bool:
    """Stage create-only; whether it lies there is found out by reading, never assumed."""
    record, context = session.record, session.context
    try:
        context.store.stage(context.ref, record.operation, candidate, value, fence=session.lease.fence)
    except (AmbiguousEffectError, LostRaceError):
        return _lies_there(session, candidate, session.mark(value))
    return True


def _lies_there(session: Session, candidate: CandidateId, mark: ValueMark) -> bool:
    for item in session.staged():
        if item.candidate == candidate:
            found = session.read(item.version)
            return found is not None and session.mark(found.value) == mark
    return False


def confirm_staged(session: Session) -> on.Event:
    """STAGED: read the value back and compare it with the recorded fingerprint before anything depends on it."""
    record = session.record
    value = session.candidate_value()
    if value is not None and record.new is not None and session.mark(value) == record.new:
        return on.StageConfirmed()
    reason = "the staged value is gone from the store, or is not what was staged"
    if record.credential_class in (CredentialClass.A, CredentialClass.B) and record.new is not None:
        return on.Condemned(id=record.new.id, candidate=record.candidate, reason=reason)
    return on.Quarantined(reason=reason, remedy="find out who writes to the secret, then `lifecycle rotate abandon`")

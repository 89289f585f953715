"""MINTING: the server makes the value and shows it once (classes B, D, E).

The record is durable before the call. Between the response and the pending version in the store there is no other
outside call: in that moment the value exists nowhere else.
"""

from __future__ import annotations

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.credential import CredentialClass, CredentialId, Minted, NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    LifecycleError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.rotation_ownership import candidates_of, describe, unexplained
from lifecycle.domain.secret import SecretValue, VersionStage
from lifecycle.operations.prepare_candidate import next_candidate, stage
from lifecycle.operations.rotation_session import Session

REAUTHORISE = "authorise again at the provider, store the new value, then `lifecycle rotate adopt`"
_NAME_ONE = "find out whose they are, delete what is not needed at the provider, then `lifecycle rotate release`"


def mint(session: Session) -> on.Event:
    """One step of MINTING, by the rules of the class."""
    if session.record.credential_class is CredentialClass.B:
        return _mint_one(session) if session.fresh else _look_for_lost(session)
    if session.record.credential_class is CredentialClass.D:
        return _regenerate(session)
    return _refresh(session)


# -- class B


def _mint_one(session: Session) -> on.Event:
    minted = _call(session, previous=None)
    if isinstance(minted, on.Rejected):
        return minted
    if minted is None:
        return _look_for_lost(session)
    candidate = next_candidate(session)
    if _kept(session, minted):
        return on.StagedValue(candidate=candidate, new=session.mark(minted.value))
    return on.Condemned(
        id=minted.credential.id, candidate=candidate, reason="the store did not take the new value; it is deleted again"
    )


def _kept(session: Session, minted: Minted) -> bool:
    """Whether the fresh value is safe in the store. Any failure means no: condemning is safe, assuming is not."""
    try:
        return stage(session, next_candidate(session), minted.value)
    except LifecycleError:
        return False


def _call(session: Session, previous: SecretValue | None) -> Minted | on.Rejected | None:
    """Mint once: the result, an explicit refusal, or None for a lost answer."""
    session.audit("credential.mint", Result.INTENT, attempt=session.record.attempt)
    session.before_change()
    session.fresh = False
    try:
        return session.minting.mint(session.context.principal, session.record.marker, previous)
    except AmbiguousEffectError:
        return None
    except (AuthenticationError, UnreachableError):
        raise
    except RemoteServiceError as error:
        if error.retryable and not isinstance(error, SlotOccupiedError):
            raise
        return on.Rejected(reason=error.message)


def _look_for_lost(session: Session) -> on.Event:
    """Resume, or an ambiguous answer: resolve by reading, after the settle time and with two listings (6.5)."""
    session.settle()
    session.listing()
    record, traits, owner = session.record, session.traits, session.context.identity
    listing = session.listing()
    strange = unexplained(record, listing, traits, owner)
    mine = candidates_of(record, listing, traits, owner)
    for item in session.staged():
        found = session.read(item.version)
        if found is not None and session.context.issuer.identify(found.value) in (*mine, *strange):
            if len(mine) + len(strange) == 1:
                return on.StagedValue(candidate=item.candidate, new=session.mark(found.value))
    if strange or len(mine) > 1:
        return _several(session, (*mine, *strange))
    if mine:
        return _value_gone(session, mine[0])
    return on.AttemptSpent(  # explicit refusals such as throttling made nothing, and have their own limit
        limit=session.context.limits.attempts + record.faults,
        reason="the provider did not make a credential",
        remedy=_NAME_ONE,
    )


def _several(session: Session, ids: tuple[CredentialId, ...]) -> on.Event:
    listing = session.listing()
    told = "; ".join(describe(item) for item in listing.credentials if item.id in ids)
    return on.Quarantined(reason=f"it cannot be told which new credential is ours: {told}", remedy=_NAME_ONE)


def _value_gone(session: Session, lost: CredentialId) -> on.Event:
    """Ours by evidence, its value in no store: read it back where the provider shows it, else delete it unused."""
    if session.traits.readback:
        live = session.minting.read_back(session.context.principal)
        if isinstance(live, Minted) and live.credential.id == lost and _kept(session, live):
            return on.StagedValue(candidate=next_candidate(session), new=session.mark(live.value))
    if session.traits.last_used:
        used = session.context.issuer.last_used(session.context.principal, lost)
        if not isinstance(used, NotReported):
            return on.Quarantined(
                reason=f"{lost} was made by this operation, is in no store, and was used at {used}", remedy=_NAME_ONE
            )
    return on.Condemned(id=lost, candidate=None, reason="its value was lost with the answer; it is deleted")


# -- class D


def _regenerate(session: Session) -> on.Event:
    """The old value dies with the call; the admin identity can always make the next one."""
    if not session.fresh:
        session.settle()
        for item in reversed(session.staged()):
            found = session.read(item.version)
            if found is not None:
                return on.StagedValue(candidate=item.candidate, new=session.mark(found.value))
        live = session.minting.read_back(session.context.principal) if session.traits.readback else NotReported.UNKNOWN
        if isinstance(live, Minted) and _is_another(session, live) and _kept(session, live):
            return on.StagedValue(candidate=next_candidate(session), new=session.mark(live.value))
        return _again(session)
    minted = _call(session, previous=None)
    if isinstance(minted, on.Rejected):
        return minted
    if minted is not None and _kept(session, minted):
        return on.StagedValue(candidate=next_candidate(session), new=session.mark(minted.value))
    return _again(session)


def _is_another(session: Session, live: Minted) -> bool:
    old = session.record.old
    return old is None or session.context.fingerprint(live.value) != old.fingerprint


def _again(session: Session) -> on.Event:
    return on.AttemptSpent(
        limit=session.context.limits.attempts,
        reason="the regenerated value was lost; the admin identity regenerates again",
        remedy="regenerate at the provider, store the value, then `lifecycle rotate adopt`",
    )


# -- class E


def _refresh(session: Session) -> on.Event:
    """Present the token once; once more only where the server is declared to tolerate it, and has time to answer."""
    if not session.fresh:
        session.settle()
        for item in reversed(session.staged()):
            found = session.read(item.version)
            if found is not None:
                return on.StagedValue(candidate=item.candidate, new=session.mark(found.value))
        return _retry_or_give_up(session)
    token = session.read(VersionStage.CURRENT)
    if token is None or (session.record.attempt > 1 and not _in_window(session)):
        return on.Quarantined(
            reason="no token may be presented: there is none, or its overlap ended", remedy=REAUTHORISE
        )
    return _present(session, token.value)


def _present(session: Session, token: SecretValue) -> on.Event:
    minted = _call(session, previous=token)
    if isinstance(minted, on.Rejected):
        return on.Quarantined(reason=minted.reason, remedy=REAUTHORISE)
    if minted is None:
        session.settle()
        return _retry_or_give_up(session)
    for _ in range(session.context.limits.attempts):
        if _kept(session, minted):
            return on.StagedValue(candidate=next_candidate(session), new=session.mark(minted.value))
    return on.Quarantined(reason="the store did not take the new refresh token", remedy=REAUTHORISE)


def _retry_or_give_up(session: Session) -> on.Event:
    """The retry has its own record before it (amendment 11)."""
    if session.record.attempt == 1 and _in_window(session):
        return on.AttemptSpent(limit=2, reason="the answer was lost; one retry is declared safe", remedy=REAUTHORISE)
    return on.Quarantined(reason="a refresh token was presented and its answer lost", remedy=REAUTHORISE)


def _in_window(session: Session) -> bool:
    """Whether the overlap, counted from before the first request, outlasts one more call."""
    begun = session.record.intent_at
    if not session.traits.overlap or begun is None:
        return False
    return session.context.clock() + session.traits.request_timeout < begun + session.traits.overlap

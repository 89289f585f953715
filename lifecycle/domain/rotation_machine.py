"""The rotation state machine: a record and an event give the next record, or InvalidTransitionError.

Pure. A step that `rotation_table` does not list cannot be taken.

1. The driver writes the record of a state before it makes the state's calls.
2. Every record carries what the next process needs; nothing else survives a crash.
3. Ids that were condemned stay condemned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Digest
from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.errors import InvalidTransitionError
from lifecycle.domain.rotation import VIRTUAL, ConsumerProgress, Outcome, RotationRecord, State
from lifecycle.domain.rotation_table import TRANSITIONS

_STEPS = frozenset((source, name) for source, name, _ in TRANSITIONS)
# The events by what they are about; mypy proves that the groups leave none out.
_Opening = on.Planned | on.Locked | on.Begun | on.RetireBegun | on.TakenOver | on.RedeliveryNeeded
_Candidate = (
    on.Prepared
    | on.StagedValue
    | on.StageConfirmed
    | on.SetAccepted
    | on.Rejected
    | on.AttemptSpent
    | on.SurroundingsFailed
    | on.Condemned
    | on.Discarded
    | on.Verified
    | on.Promoted
)
_Handover = on.Delivered | on.Acknowledged | on.AllAcknowledged | on.ConsumerFailed | on.Restored | on.SetBack
_Ending = on.Sealed | on.Disabled | on.Revoked | on.Withdrawn | on.Quarantined | on.Released | on.Settled
_KEPT_IDS = 256  # condemned and made ids that a record carries; older ones are in the history, confirmed gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every new record takes from its writer: the time, the fence, the digest it follows."""

    at: datetime
    fence: int
    previous: Digest


def next_record(record: RotationRecord, event: on.Event, stamp: Stamp) -> RotationRecord:
    """The record that follows.

    Raises:
        InvalidTransitionError: the table does not list this step.
    """
    name = type(event).__name__
    if (record.state, name) not in _STEPS:
        raise _invalid(record, name, "it is not in the table")
    change = _change(record, event, stamp.at)
    target = change.get("state", record.state)
    if (record.state, name, target) not in TRANSITIONS:
        raise _invalid(record, name, f"it would lead to {target}")
    if target is not record.state:
        fresh = {"attempt": 1, "faults": 0, "not_before": None, "reason": "", "remedy": ""}
        change = fresh | change
    if target in VIRTUAL:
        return record.model_copy(update={"state": target})
    common = {
        "sequence": record.sequence + 1,
        "previous": stamp.previous,
        "at": stamp.at,
        "fence": stamp.fence,
    }
    return RotationRecord.model_validate(dict(record) | change | common)


def _invalid(record: RotationRecord, event: str, why: str) -> InvalidTransitionError:
    return InvalidTransitionError(
        f"{record.credential}: {event} in {record.state} is no step of a rotation: {why}",
        remedy="this is a bug; please report it with `lifecycle rotate status`",
    )


def _change(record: RotationRecord, event: on.Event, at: datetime) -> dict[str, Any]:
    """What the event changes in the record: three groups, each with one arm per event; together they are all."""
    if isinstance(event, _Opening):
        return _opened(record, event, at)
    if isinstance(event, _Candidate):
        return _tried(record, event, at)
    if isinstance(event, _Handover):
        return _handed_over(record, event, at)
    return _ended(record, event, at)


def _opened(record: RotationRecord, event: _Opening, at: datetime) -> dict[str, Any]:
    match event:
        case on.Planned():
            return {"state": State.PLANNED}
        case on.Locked():
            return {"state": State.LOCKED}
        case on.Begun():
            return _begun(record, event, at)
        case on.RetireBegun():
            return _cleared(record, at) | {
                "state": State.WITHDRAWING,
                "operation": event.operation,
                "old": event.current,
                "pinned": event.revision,
                "expected": event.revision,
                "ceiling_at": at + event.ceiling,
            }
        case on.TakenOver():
            return {"state": record.state}
        case on.RedeliveryNeeded():
            return {"state": State.REDELIVERING, "consumers": (), "ceiling_at": at + event.ceiling}
        case _:
            assert_never(event)


def _tried(record: RotationRecord, event: _Candidate, at: datetime) -> dict[str, Any]:  # noqa: PLR0911 - one arm per event, checked by assert_never
    match event:
        case on.Prepared():
            return {"state": State.MINTING, "pinned": event.revision, "expected": event.revision}
        case on.StagedValue():
            return _staged(record, event)
        case on.StageConfirmed():
            setting = record.credential_class in (CredentialClass.A, CredentialClass.C)
            return {"state": State.SETTING, "sent": True} if setting else {"state": State.VERIFYING, "sent": True}
        case on.SetAccepted():
            return {"state": State.VERIFYING}
        case on.Rejected():
            return _rejected(record, event)
        case on.AttemptSpent():
            return _attempt(record, event)
        case on.SurroundingsFailed():
            return _fault(record, event)
        case on.Condemned():
            return _condemned(record, event)
        case on.Discarded():
            return _discarded(record, event)
        case on.Verified():
            return {"state": State.PROMOTING, "expected": record.pinned}
        case on.Promoted():
            return {
                "state": State.PROPAGATING,
                "promoted": True,
                "promoted_at": at,
                "expected": event.revision,
                "ceiling_at": at + event.ceiling,
                "consumers": (),
            }
        case _:
            assert_never(event)


def _handed_over(record: RotationRecord, event: _Handover, at: datetime) -> dict[str, Any]:
    match event:
        case on.Delivered():
            return {"consumers": _with(record, event.consumer, delivered=event.fingerprint)}
        case on.Acknowledged():
            return {"consumers": _with(record, event.consumer, acknowledged=event.fingerprint)}
        case on.AllAcknowledged():
            return _propagated(record, event, at)
        case on.ConsumerFailed():
            return {"state": State.ROLLING_BACK, "reason": f"{event.consumer}: {event.reason}"}
        case on.Restored():
            return {
                "restored": True,
                "expected": event.revision,
                "ceiling_at": at + event.ceiling,
                "consumers": (),
                "attempt": 1,
            }
        case on.SetBack():
            return _closed(record, Outcome.ROLLED_BACK, record.reason)
        case _:
            assert_never(event)


def _ended(record: RotationRecord, event: _Ending, at: datetime) -> dict[str, Any]:  # noqa: PLR0911 - one arm per event, checked by assert_never
    match event:
        case on.Sealed():
            return _ending(record, soft_off=event.soft_off) | {"expected": event.revision}
        case on.Disabled():
            return {"state": State.REVOKING, "hold_until": at + event.quiet}
        case on.Revoked():
            return _revoked(record, event)
        case on.Withdrawn():
            return _ending(record, soft_off=event.soft_off)
        case on.Quarantined():
            return _quarantined(record, event.reason, event.remedy)
        case on.Released():
            ceiling = at + event.ceiling
            return {"state": record.interrupted, "interrupted": None, "ceiling_at": ceiling, "reason": event.reason}
        case on.Settled():
            return _settled(record, event, at)
        case _:
            assert_never(event)


def _cleared(record: RotationRecord, at: datetime) -> dict[str, Any]:
    """A new operation: nothing of the last one but what stays true for ever."""
    return {
        "number": record.number + 1,
        "intent_at": at,
        "outcome": Outcome.NONE,
        "marker": "",
        "pre_image": (),
        "candidate": None,
        "new": None,
        "slot": "",
        "sent": False,
        "promoted": False,
        "restored": False,
        "doomed": None,
        "after": None,
        "retired": (),
        "consumers": (),
        "promoted_at": None,
        "ceiling_at": None,
        "hold_until": None,
        "interrupted": None,
    }


def _begun(record: RotationRecord, event: on.Begun, at: datetime) -> dict[str, Any]:
    return _cleared(record, at) | {
        "state": State.INTENT,
        "operation": event.operation,
        "credential_class": event.credential_class,
        "marker": event.marker,
        "pre_image": event.pre_image,
        "old": event.old,
        "pinned": event.revision,
        "expected": event.revision,
        "slot": event.slot,
    }


def _staged(record: RotationRecord, event: on.StagedValue) -> dict[str, Any]:
    if record.credential_class in (CredentialClass.A, CredentialClass.B) and event.new.id in record.condemned:
        raise _invalid(record, "StagedValue", "its credential is condemned")
    pinned = record.pinned if event.revision is None else event.revision
    return {
        "state": State.STAGED,
        "pinned": pinned,
        "expected": pinned,
        "candidate": event.candidate,
        "new": event.new,
        "made": _appended(record.made, event.new.id),
    }


def _rejected(record: RotationRecord, event: on.Rejected) -> dict[str, Any]:
    if record.state in (State.INTENT, State.MINTING):
        return _closed(record, Outcome.FAILED, event.reason)
    return {"state": State.ROLLING_BACK, "reason": event.reason}


def _attempt(record: RotationRecord, event: on.AttemptSpent) -> dict[str, Any]:
    if record.attempt >= event.limit:
        return _quarantined(record, f"{event.reason}, after {record.attempt} attempts", event.remedy)
    return {"attempt": record.attempt + 1, "not_before": event.not_before, "reason": event.reason}


def _fault(record: RotationRecord, event: on.SurroundingsFailed) -> dict[str, Any]:
    if record.faults + 1 >= event.limit:
        return _quarantined(record, f"{event.reason}, {record.faults + 1} times", event.remedy)
    return {"faults": record.faults + 1, "not_before": event.not_before, "reason": event.reason}


def _condemned(record: RotationRecord, event: on.Condemned) -> dict[str, Any]:
    minting = record.state is State.MINTING
    change: dict[str, Any] = {
        "state": State.DISCARDING,
        "doomed": event.id,
        "condemned": _appended(record.condemned, event.id),
        "after": State.MINTING if minting else State.CLOSED,
        "attempt": record.attempt if minting else 1,
        "reason": event.reason,
    }
    return change if record.state is State.CLOSED else change | {"candidate": event.candidate}


def _discarded(record: RotationRecord, event: on.Discarded) -> dict[str, Any]:
    gone = {"doomed": None, "after": None, "candidate": None}
    if record.after is State.MINTING:
        if record.attempt >= event.limit:
            return _quarantined(
                record, f"{record.attempt} values were made and lost", "repair the secret store, then release"
            ) | {"interrupted": State.MINTING, **gone}
        return {"state": State.MINTING, "attempt": record.attempt + 1, "new": None, "reason": record.reason, **gone}
    if record.outcome is not Outcome.NONE:  # a stray, found when nothing was open
        return {"state": State.CLOSED, "reason": record.reason, "doomed": None, "after": None}
    failed = Outcome.ROLLED_BACK if record.promoted or record.sent else Outcome.FAILED
    return _closed(record, failed, record.reason) | gone


def _propagated(record: RotationRecord, event: on.AllAcknowledged, at: datetime) -> dict[str, Any]:
    if record.state is State.REDELIVERING:
        return {"state": State.CLOSED, "ceiling_at": None}
    if record.old is None or record.credential_class in (CredentialClass.C, CredentialClass.D, CredentialClass.E):
        return _closed(record, Outcome.DONE, "")
    return {"state": State.GRACE, "hold_until": at + event.minimum, "ceiling_at": at + event.minimum + event.ceiling}


def _ending(record: RotationRecord, *, soft_off: bool) -> dict[str, Any]:
    if record.old is None:
        raise _invalid(record, "Sealed", "there is no old credential")
    return {
        "state": State.DISABLING if soft_off else State.REVOKING,
        "retired": (record.old.id,),
        "condemned": _appended(record.condemned, record.old.id),
        "ceiling_at": None,
    }


def _revoked(record: RotationRecord, event: on.Revoked) -> dict[str, Any]:
    left = tuple(item for item in record.retired if item != event.id)
    if left:
        return {"retired": left, "attempt": 1}
    outcome = Outcome.DONE if record.promoted else Outcome.RETIRED
    return _closed(record, outcome, "") | {"retired": ()}


def _closed(record: RotationRecord, outcome: Outcome, reason: str) -> dict[str, Any]:
    done = outcome in (Outcome.DONE, Outcome.RETIRED)
    since = record.promoted_at if outcome is Outcome.DONE else record.live_since
    return {
        "state": State.CLOSED,
        "outcome": outcome,
        "reason": reason,
        "failures": 0 if done else record.failures + 1,
        "live_since": None if outcome is Outcome.RETIRED else since,
    }


def _quarantined(record: RotationRecord, reason: str, remedy: str) -> dict[str, Any]:
    return {"state": State.QUARANTINED, "interrupted": record.state, "reason": reason, "remedy": remedy}


def _settled(record: RotationRecord, event: on.Settled, at: datetime) -> dict[str, Any]:
    condemned = tuple(item for item in record.condemned if event.current is None or item != event.current.id)
    return _cleared(record, at) | {
        "state": State.CLOSED,
        "operation": event.operation,
        "outcome": event.outcome,
        "old": record.old,
        "new": event.current,
        "pinned": event.revision,
        "expected": event.revision,
        "condemned": condemned,
        "made": record.made if event.current is None else _appended(record.made, event.current.id),
        "live_since": event.live_since,
        "failures": 0,
        "reason": event.reason,
    }


def _appended(ids: tuple[CredentialId, ...], added: CredentialId) -> tuple[CredentialId, ...]:
    return ids if added in ids else (*ids, added)[-_KEPT_IDS:]


def _with(record: RotationRecord, consumer: str, **change: Any) -> tuple[ConsumerProgress, ...]:
    known = next((item for item in record.consumers if item.name == consumer), ConsumerProgress(name=consumer))
    rest = tuple(item for item in record.consumers if item.name != consumer)
    return (*rest, known.model_copy(update=change))

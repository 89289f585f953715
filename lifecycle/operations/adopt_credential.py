"""Take over what exists: the stored value is proved to be the provider's and to work; nothing outside is changed."""

from __future__ import annotations

from datetime import datetime

from lifecycle.domain import rotation_events as on
from lifecycle.domain.audit import Result
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import CheckRefusedError
from lifecycle.domain.rotation import Outcome, ValueMark
from lifecycle.domain.secret import OperationId, VersionStage
from lifecycle.domain.verification import VerificationStatus
from lifecycle.operations.rotate_credential import run
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome
from lifecycle.operations.rotation_session import Session


def adopt(context: RotationContext, *, reason: str = "adopted") -> RotationOutcome:
    """Make the value that is current the one that this tool answers for. Also ends a quarantine that asks for it."""

    def start(session: Session) -> None:
        if session.record.open:
            raise CheckRefusedError(
                f"{context.credential}: a rotation is open ({session.record.state})",
                remedy="finish it with `lifecycle rotate resume` first",
            )
        mark, since = _prove(session)
        session.audit("credential.adopt", Result.INTENT, reason=reason)
        session.apply(
            on.Settled(
                outcome=Outcome.ADOPTED,
                operation=OperationId(context.new_id()),
                current=mark,
                revision=session.store_state().revision,
                live_since=since,
                reason=reason,
            )
        )

    return run(context, start, wait=False, by_hand=True)


def _prove(session: Session) -> tuple[ValueMark, datetime | None]:
    context = session.context
    found = session.read(VersionStage.CURRENT)
    if found is None:
        raise CheckRefusedError(
            f"{context.credential}: there is no value at {context.ref} to adopt",
            remedy="store the value that is in use there, or let the first `lifecycle rotate apply` issue one",
        )
    mark = session.mark(found.value)
    listed = session.listing().find(mark.id)
    if listed is None and session.traits.credential_class is not CredentialClass.E:
        raise CheckRefusedError(
            f"{context.credential}: the stored value is {mark.id}, which {context.principal} does not have",
            remedy="store the value of a credential that the provider lists",
        )
    if session.try_value(found.value) is not VerificationStatus.VALID:
        raise CheckRefusedError(
            f"{context.credential}: the stored value could not be shown to work: {session.noted[-1]}",
            remedy="store a value that works, or repair what the reason names",
        )
    return mark, listed.created if listed else found.summary.created

"""Signs the head of the audit log, keeps the signature, and later checks a log against every kept head.

A chain alone shows that lines fit each other; whoever can write the file can write another chain. What is signed by
somebody else, and kept where the writer cannot delete, shows that the log still begins with what it was then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle.domain.audit import GENESIS, AuditEvent
from lifecycle.domain.audit_head import (
    AuditHead,
    HeadSigner,
    HeadStatement,
    HeadStore,
    HeadVerifier,
    SignedHead,
    TrailCheck,
)
from lifecycle.domain.errors import ConfigurationError, IntegrityError

_REMEDY = "keep the log as it is, compare it with a backup, and find out who could write to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningContext:
    """What signing works with.

    Attributes:
        stores: where the head is kept: the first beside the log, the others write-once.
        keep_for: how long write-once stores keep it.
    """

    environment: str
    signer: HeadSigner
    verifier: HeadVerifier
    stores: Sequence[HeadStore]
    keep_for: timedelta


def sign_head(
    context: SigningContext, chain: Sequence[AuditHead], events: Sequence[AuditEvent], now: datetime
) -> tuple[HeadStatement, str]:
    """Sign the newest line of a log that verifies; returns what was signed, and by whom.

    Raises:
        ConfigurationError: the log is empty, or the signer writes it himself.
        IntegrityError: nobody could verify the signature, or an earlier signed head is no longer in the log.
    """
    if not chain:
        raise ConfigurationError("the audit log is empty", remedy="sign it when there is something in it")
    check_trail(chain, context.stores, context.verifier, environment=context.environment)
    head = chain[-1]
    statement = HeadStatement(environment=context.environment, sequence=head.sequence, digest=head.digest, at=now)
    data = statement.data()
    signature = context.signer.sign(data)
    name = context.verifier.signer(data, signature, now)
    if name in {event.actor for event in events}:
        raise ConfigurationError(
            f"{name} also writes the audit log, so that signature would prove nothing",
            remedy="sign with the key of somebody who runs no rotation and no apply",
        )
    kept = SignedHead(
        name=f"{head.sequence:010d}-{context.signer.method}", data=data, signature=signature, where="here"
    )
    for store in reversed(context.stores):  # the write-once copy first: what is beside the log can be written again
        store.put(kept, until=now + context.keep_for)
    return statement, name


def check_trail(
    chain: Sequence[AuditHead],
    stores: Sequence[HeadStore],
    verifier: HeadVerifier,
    *,
    environment: str,
    expect_head: str = "",
) -> TrailCheck:
    """Check a log whose chain holds against every signed head of every store, and against one that was noted.

    Raises:
        IntegrityError: a head is not in the log (lines were cut off or rewritten), or its signature does not verify.
    """
    if expect_head and expect_head not in {line.digest for line in chain}:
        raise IntegrityError(
            f"the audit log does not hold {expect_head}: it was rewritten or cut since that was noted", remedy=_REMEDY
        )
    signers, last, count = set(), 0, 0
    for head in (head for store in stores for head in store.heads()):
        statement, signer = _read(head, verifier, environment)
        _check_ancestor(chain, statement, head, signer)
        signers.add(signer)
        last, count = max(last, statement.sequence), count + 1
    newest = chain[-1] if chain else AuditHead(sequence=0, digest=GENESIS)
    return TrailCheck(head=newest, signed=count, last_signed=last, signers=tuple(sorted(signers)))


def _read(head: SignedHead, verifier: HeadVerifier, environment: str) -> tuple[HeadStatement, str]:
    try:
        statement = HeadStatement.model_validate_json(head.data)
    except ValueError:
        raise IntegrityError(f"the signed head {head.name} {head.where} is damaged", remedy=_REMEDY) from None
    if statement.environment != environment:
        raise IntegrityError(
            f"the signed head {head.name} {head.where} is of environment {statement.environment}", remedy=_REMEDY
        )
    return statement, verifier.signer(head.data, head.signature, statement.at)


def _check_ancestor(chain: Sequence[AuditHead], statement: HeadStatement, head: SignedHead, signer: str) -> None:
    told = f"{signer} signed line {statement.sequence} on {statement.at:%Y-%m-%d %H:%M} UTC ({head.where})"
    if statement.sequence > len(chain):
        raise IntegrityError(f"the audit log was cut: {told}, but the log has {len(chain)} lines", remedy=_REMEDY)
    if chain[statement.sequence - 1].digest != statement.digest:
        raise IntegrityError(f"the audit log was rewritten: {told}, and that line is another now", remedy=_REMEDY)

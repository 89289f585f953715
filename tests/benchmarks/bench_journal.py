"""G13: the real journal against the least that is durable: appending a line and `fdatasync`.

Both write bytes of the same length to the same file system. A disk with a write-back cache flatters both alike.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from lifecycle.domain.audit import GENESIS, Digest, canonical
from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.rotation import RotationRecord, State, ValueMark
from lifecycle.domain.secret import Fingerprint, OperationId
from lifecycle.journals.sqlite import SqliteJournal
from tests.benchmarks.measuring import Effort, NotMeasured, Result, compare, seconds

_AT = datetime(2030, 1, 1, tzinfo=UTC)


def run(effort: Effort, scratch: Path) -> list[Result]:
    """Unbatched; there is no batched way to write, so that half of the goal does not apply."""
    size = effort.pick(300, 100)
    length = len(canonical(record("x", GENESIS, 1, fence=1).model_dump(mode="json")))
    numbers = count()
    sides = {
        "ours": lambda: journal_seconds(scratch / f"journal-{next(numbers)}.sqlite", size),
        "append+fdatasync": lambda: append_seconds(scratch / f"plain-{next(numbers)}", size, length),
    }
    results = compare(
        "G13", f"append records={size} of {length} B", sides=sides, rounds=effort.pick(11, 5), at_least=True,
        limits={"append+fdatasync": 0.8},
    )  # fmt: skip
    why = "groups of 32: every record is durable before the effect that it announces, so none waits for others"
    return [*results, NotMeasured(name="G13", why=why)]


def journal_seconds(path: Path, size: int) -> float:
    """A chain of records through the real journal; opening and leasing are not counted."""
    book = SqliteJournal(path, clock=lambda: _AT)
    try:
        lease = book.acquire("bench", "host:1", timedelta(hours=1))

        def write() -> None:
            head = GENESIS
            for sequence in range(1, size + 1):
                head = book.append(lease, record("bench", head, sequence, fence=lease.fence), head)

        return seconds(write)
    finally:
        book.close()


def append_seconds(path: Path, size: int, length: int) -> float:
    """As many lines of that length, each durable before the next."""
    line = b"x" * (length - 1) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:

        def write() -> None:
            for _ in range(size):
                os.write(descriptor, line)
                os.fdatasync(descriptor)

        return seconds(write)
    finally:
        os.close(descriptor)


def record(credential: str, head: Digest, sequence: int, *, fence: int) -> RotationRecord:
    """A record that follows."""
    return RotationRecord(
        credential=credential,
        credential_class=CredentialClass.B,
        sequence=sequence,
        previous=head,
        at=_AT,
        operation=OperationId("op1"),
        fence=fence,
        state=State.INTENT,
        old=ValueMark(id=CredentialId("AKIA1"), fingerprint=Fingerprint("k1:ab")),
    )

"""Keeps verification from locking accounts: a refused value is not tried again within its interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import utc_now
from lifecycle.domain.attempts import Attempt
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue, StoredValue
from lifecycle.domain.verification import Egress, VerificationResult, VerificationStatus

if TYPE_CHECKING:
    from lifecycle.journals.attempt_book import AttemptBook


@dataclass(kw_only=True)
class BudgetedVerifier:
    """A verifier that asks the book before it asks the service.

    1. `read` remembers which version of the value it read. 2. `verify` repeats a fresh refusal of that version instead
    of asking again. 3. Another secret for an AWS key id waits until AWS has forgotten the last one.

    Attributes:
        verifier: asks the service.
        credential: name of the credential.
        read_stored: reads its value from the store.
        book: of the environment.
        clock, sleep: the time.
    """

    verifier: ConnectorVerifier
    credential: str
    read_stored: Callable[[], StoredValue]
    book: AttemptBook
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep
    _version: str = field(default="", init=False)

    def read(self) -> SecretValue:
        """The value, for `verify`."""
        stored = self.read_stored()
        self._version = str(stored.summary.version)
        return stored.value

    def verify(self, target: Any, value: SecretValue, *, deadline: timedelta, via: Egress | None) -> VerificationResult:
        """As the verifier does, within the budget."""
        refused = self._refused_before()
        if refused is not None:
            return refused
        self._space_out(value, deadline)
        result = self.verifier.verify(target, value, deadline=deadline, via=via)
        if result.status is VerificationStatus.INVALID:
            self._note(self.credential, result)
        return result

    def _refused_before(self) -> VerificationResult | None:
        last = self.book.last(self.credential)
        until = last.refused_until(self._version) if last else None
        if last is None or last.reason is None or until is None or until <= self.clock():
            return None
        return VerificationResult(
            status=VerificationStatus.INVALID,
            reason=last.reason,
            detail=f"refused at {last.at:%H:%M:%S}Z; the same value is not tried again before {until:%H:%M:%S}Z",
            remedy="rotate it: lifecycle rotate apply NAME; or verify again then",
            checked_at=last.at,
        )

    def _space_out(self, value: SecretValue, deadline: timedelta) -> None:
        if "access_key_id" not in value:
            return
        key = f"aws:{value['access_key_id'].get_secret_value()}"
        last = self.book.last(key)
        wait = last.wait(self._version, self.clock()) if last else timedelta()
        if wait:
            self.sleep(min(wait, deadline).total_seconds())
        if last is None or last.version != self._version or self.clock() - last.at > timedelta(seconds=1):
            self._note(key, None)

    def _note(self, key: str, result: VerificationResult | None) -> None:
        try:
            attempt = Attempt(at=self.clock(), version=self._version, reason=result.reason if result else None)
            self.book.note(key, attempt)
        except LifecycleError:
            return  # what was found is worth more than the book; the history tells that the folder is not writable


_: type[ConnectorVerifier] = BudgetedVerifier

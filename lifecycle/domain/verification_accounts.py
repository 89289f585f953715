"""Which probes may log in with an account: one at a time until it was accepted, none once it was refused. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lifecycle.domain.verification import VerificationResult, VerificationStatus


@dataclass(slots=True, kw_only=True)
class _Account:
    accepted: bool = False
    refused_at: str = ""
    trying: int | None = None
    parked: deque[int] = field(default_factory=deque)


class Accounts:
    """The accounts of one run; for one thread."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def refused(self, account: str) -> str:
        """The probe at which it was refused; empty when it was not."""
        return self._accounts[account].refused_at if account in self._accounts else ""

    def parked(self, account: str, probe: int) -> bool:
        """Whether the probe must wait, because another tries; else it is the one that tries."""
        if not account:
            return False
        state = self._accounts.setdefault(account, _Account())
        if state.accepted or state.trying in (None, probe):
            state.trying = probe
            return False
        state.parked.append(probe)
        return True

    def settle(self, account: str, name: str, probe: int, result: VerificationResult) -> list[int]:
        """Take note of a result; returns the probes that may go now, last first."""
        state = self._accounts.get(account)
        if state is None or state.trying != probe:
            return []
        state.trying = None
        if state.accepted:
            return []
        if result.status is VerificationStatus.INVALID:
            state.refused_at = name
        elif result.status is VerificationStatus.VALID or result.proved:
            state.accepted = True
        elif state.parked:
            return [state.parked.popleft()]  # nothing was judged: the next one tries, alone again
        released = list(state.parked)[::-1]
        state.parked.clear()
        return released

"""What all connectors share: one probe's bookkeeping, the fallback by status, and what to do for each reason.

The rules (facts: vendor codes): only an explicit rejection of the credential is invalid; body code before text before
status; 429 is throttled and 5xx never invalid, whatever the body says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.clients.transport import transport_reason
from lifecycle.domain.ports import Clock
from lifecycle.domain.verification import Egress, Reason, VerificationResult, outcome
from lifecycle.foundation.deadline import Deadline

_BY_STATUS = {
    404: Reason.NOT_CONFIGURED,
    422: Reason.NOT_CONFIGURED,
    429: Reason.THROTTLED,
    500: Reason.SERVICE_FAULT,
    502: Reason.SERVICE_FAULT,
    503: Reason.SERVICE_FAULT,
    504: Reason.TIMEOUT_READ,
}
_REMEDIES = {
    Reason.EXPIRED: "rotate it now: lifecycle rotate apply NAME",
    Reason.REVOKED: "rotate it now: lifecycle rotate apply NAME",
    Reason.WRONG_VALUE: "compare with the provider's list (lifecycle rotate status NAME), then rotate it",
    Reason.WRONG_TENANT: "correct the tenant, account or user in the spec",
    Reason.LOCKED: "have the account unlocked, then verify again",
    Reason.NO_PERMISSION: "grant what is listed as not proved, or take it out of the probe",
    Reason.NETWORK_POLICY: "add this network position to the target's policy",
    Reason.PROXY_REFUSED: "add the host to the allowlist, or repair the proxy",
    Reason.NAME_NOT_RESOLVED: "check the host name and the resolver of this network position",
    Reason.TLS_EXPIRED: "renew the target's certificate",
    Reason.TLS_UNKNOWN_ISSUER: "trust the issuer's certificate, or look for an inspecting proxy",
    Reason.TLS_NAME_MISMATCH: "use the name that the certificate is for",
    Reason.TLS_NOT_SPOKEN: "correct the port, or the scheme of the address",
    Reason.CONNECTION_REFUSED: "check address and port; the service may be down",
    Reason.TIMEOUT_CONNECT: "check route and firewall",
    Reason.TIMEOUT_READ: "try again; look at the service's health",
    Reason.TIMEOUT_TOTAL: "try again, or give the connector a longer deadline",
    Reason.THROTTLED: "try again later",
    Reason.SERVICE_FAULT: "try again; look at the service's health",
    Reason.CONDITIONAL_ACCESS: "exempt this service account from the access policy, by name",
    Reason.VERSION_NOT_SUPPORTED: "update lifecycle, or pin the version that the service has",
    Reason.APPROVAL_PENDING: "have the pending request approved",
    Reason.NOT_CONFIGURED: "correct the connector's settings, or what they refer to",
    Reason.CLOCK_SKEW: "set this machine's clock",
    Reason.WRONG_REGION: "correct the region",
    Reason.AMBIGUOUS: "verify again from another network position; nothing was decided",
}


def reason_of_status(status: int) -> Reason:
    """What a status says when no body code does."""
    return _BY_STATUS.get(status, Reason.AMBIGUOUS)


def capped(reason: Reason, status: int) -> Reason:
    """A reason from a body, overruled by a status that never judges a credential; some services throttle with 503."""
    if status == 429 or reason is Reason.THROTTLED:
        return Reason.THROTTLED
    return reason_of_status(status) if status >= 500 else reason


@dataclass(slots=True, kw_only=True)
class Probe:
    """One verification under way.

    Attributes:
        asked: everything that was to be shown, in order.
        clock: for `checked_at`.
        deadline: when it must have ended.
        proxy: the proxy to go through; empty = none.
        proved: what was shown so far.
    """

    asked: tuple[str, ...]
    clock: Clock
    deadline: Deadline
    proxy: str
    proved: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @classmethod
    def begin(cls, asked: Iterable[str], *, clock: Clock, deadline: timedelta, via: Egress | None) -> Probe:
        """Start the watch."""
        proxy = via.proxy_url if via is not None else ""
        return cls(asked=tuple(asked), clock=clock, deadline=Deadline.after(deadline), proxy=proxy)

    def show(self, *items: str) -> None:
        """Note what was shown."""
        self.proved.extend(item for item in items if item not in self.proved)

    def result(self, reason: Reason, detail: str = "", *, retry_after: timedelta | None = None) -> VerificationResult:
        """End the probe with a reason. `detail` is a vendor code, a status, a request id: never a value or a text."""
        return VerificationResult(
            status=outcome(reason),
            reason=reason,
            detail=detail,
            proved=tuple(self.proved),
            not_proved=tuple(item for item in self.asked if item not in self.proved),
            remedy=_REMEDIES.get(reason, ""),
            latency=timedelta(seconds=time.monotonic() - self._started),
            checked_at=self.clock(),
            retry_after=retry_after,
        )

    def works(self) -> VerificationResult:
        """End it well: everything asked for was shown."""
        return self.result(Reason.WORKS)

    def failed_exchange(self, error: BaseException) -> VerificationResult:
        """End it with an exchange that brought no answer."""
        if self.deadline.passed:
            return self.result(Reason.TIMEOUT_TOTAL, type(error).__name__)
        if isinstance(error, FileNotFoundError):
            return self.result(Reason.NOT_CONFIGURED, "a file named in the settings does not exist, e.g. ca_file")
        return self.result(transport_reason(error), type(error).__name__)


def worst(reasons: Sequence[tuple[Reason, str]]) -> tuple[Reason, str]:
    """The one of several failures that is told: a rejection of the credential before anything else, then the first."""
    rejected = [item for item in reasons if outcome(item[0]).value == "invalid"]
    return (rejected or list(reasons))[0]

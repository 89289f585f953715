"""The three-valued answer to "does this credential work?" and its closed list of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class VerificationStatus(StrEnum):
    """`INVALID` only after an explicit rejection; everything we could not find out is `INDETERMINATE`."""

    VALID = "valid"
    INVALID = "invalid"
    INDETERMINATE = "indeterminate"


class Reason(StrEnum):
    """Why. Only `EXPIRED`, `REVOKED` and `WRONG_VALUE` can make a result invalid."""

    WORKS = "works"
    EXPIRED = "expired"
    REVOKED = "revoked"
    WRONG_VALUE = "wrong value"
    WRONG_TENANT = "wrong tenant or account"
    LOCKED = "locked"
    NO_PERMISSION = "no permission"
    NETWORK_POLICY = "blocked by network policy"
    PROXY_REFUSED = "proxy refused"
    NAME_NOT_RESOLVED = "name not resolved"
    TLS_EXPIRED = "TLS: certificate expired"
    TLS_UNKNOWN_ISSUER = "TLS: unknown issuer"
    TLS_NAME_MISMATCH = "TLS: name mismatch"
    TLS_NOT_SPOKEN = "TLS: not spoken on that port"
    CONNECTION_REFUSED = "connection refused"
    TIMEOUT_CONNECT = "time-out: connect"
    TIMEOUT_READ = "time-out: read"
    TIMEOUT_TOTAL = "time-out: total"
    THROTTLED = "throttled"
    SERVICE_FAULT = "service fault"
    CONDITIONAL_ACCESS = "conditional access or MFA"
    VERSION_NOT_SUPPORTED = "version not supported"
    APPROVAL_PENDING = "approval pending"
    NOT_CONFIGURED = "not configured"
    CLOCK_SKEW = "clock skew"
    WRONG_REGION = "wrong region"
    AMBIGUOUS = "ambiguous"


INVALIDATING = frozenset({Reason.EXPIRED, Reason.REVOKED, Reason.WRONG_VALUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The network position a probe goes through: an http proxy URL without credentials, and the allowlist's name."""

    allowlist: str
    proxy_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """Outcome of one probe.

    Attributes:
        status: valid, invalid or indeterminate.
        reason: one of the closed list.
        detail: vendor code and request id, redacted; never a value.
        proved: what was shown, e.g. `login`, `s3:GetObject`.
        not_proved: what was asked for and could not be shown.
        remedy: what to do; empty when valid.
        latency: wall time of the probe.
        checked_at: aware UTC time.
        retry_after: when throttled, how long the service asked us to wait.
    """

    status: VerificationStatus
    reason: Reason
    detail: str = ""
    proved: tuple[str, ...] = ()
    not_proved: tuple[str, ...] = ()
    remedy: str = ""
    latency: timedelta = timedelta()
    checked_at: datetime | None = None
    retry_after: timedelta | None = None

    def __post_init__(self) -> None:
        """Hold promise 6: invalid needs an explicit rejection, valid needs `WORKS`."""
        invalidating = self.reason in INVALIDATING
        if (self.status is VerificationStatus.INVALID) != invalidating:
            raise ValueError(f"status {self.status} does not go with reason {self.reason}")
        if (self.status is VerificationStatus.VALID) != (self.reason is Reason.WORKS):
            raise ValueError(f"status {self.status} does not go with reason {self.reason}")


def outcome(reason: Reason) -> VerificationStatus:
    """The status that follows from a reason."""
    if reason is Reason.WORKS:
        return VerificationStatus.VALID
    return VerificationStatus.INVALID if reason in INVALIDATING else VerificationStatus.INDETERMINATE

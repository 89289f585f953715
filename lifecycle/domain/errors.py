"""The error tree, ordered by whose fault it is.

Every message says what happened to which object; every `remedy` says what to do next. Each class carries the one
exit code of design section 5 that it stands for, so that the command line needs no table of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from lifecycle.domain.exit_codes import ExitCode as ExitCode  # noqa: PLC0414 - exported from here too
from lifecycle.domain.exit_codes import most_urgent as most_urgent  # noqa: PLC0414 - exported from here too


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where in a document something stands: file path, line and column, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a document, with its place, key path and what would be right."""

    place: Place
    key_path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.place}: {self.key_path}: " if self.key_path else f"{self.place}: "
        return f"{where}{self.message} ({self.remedy})" if self.remedy else f"{where}{self.message}"


class LifecycleError(Exception):
    """Root of every error this package raises on purpose.

    Args:
        message: what happened to which object, without any secret.
        remedy: the next command or setting, without any secret.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ConfigurationError(LifecycleError):
    """The user's input or installation is wrong; nothing was started.

    Args:
        message: summary.
        remedy: what to change.
        problems: every place that is wrong, so that one run shows them all.
    """

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, message: str, *, remedy: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.problems = problems


class AuthenticationError(LifecycleError):
    """A service answered and refused who we are."""

    exit_code = ExitCode.CONNECT


class UnreachableError(LifecycleError):
    """A service could not be reached: name, network, TLS or refused connection. Nothing was sent."""

    exit_code = ExitCode.CONNECT


class RemoteServiceError(LifecycleError):
    """A service failed or answered something it should not.

    Args:
        message: what happened.
        remedy: what to do.
        retryable: whether the same call may be sent again without harm.
        retry_after: how long the service asked us to wait.
    """

    exit_code = ExitCode.REMOTE

    def __init__(
        self, message: str, *, remedy: str, retryable: bool = False, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retryable = retryable
        self.retry_after = retry_after


class AmbiguousEffectError(RemoteServiceError):
    """A call may or may not have landed: time-out, reset or 5xx after sending. Resolve it by reading."""


class NotFoundError(RemoteServiceError):
    """The object is not there. For a deletion this is success."""


class LostRaceError(RemoteServiceError):
    """A compare-and-set was lost: somebody else acted. Stop and read again."""


class SlotOccupiedError(RemoteServiceError):
    """The provider has no free slot for another credential, or the slot holds something that is not ours."""


class CheckRefusedError(LifecycleError):
    """A check said no."""

    exit_code = ExitCode.REFUSED


class UnsafePlanError(CheckRefusedError):
    """A plan is stale, edited, for another target, or would do harm; names what moved."""


class PolicyError(CheckRefusedError):
    """The policy gate did not pass, or could not be evaluated (which is the same)."""


class ApprovalMissingError(CheckRefusedError):
    """Not enough valid approvals for exactly this effect."""


class IntegrityError(CheckRefusedError):
    """A record, chain or digest does not verify: something was altered, truncated or restored."""


class LeakFoundError(CheckRefusedError):
    """A secret value was found where none may be."""


class InvalidTransitionError(LifecycleError):
    """The rotation state machine was asked for a step that its table does not have: a bug, never an input error."""


class FenceError(LifecycleError):
    """This process lost its lease; another one carries on with the operation."""

    exit_code = ExitCode.REMOTE


class QuarantinedError(LifecycleError):
    """An operation needs a person; every candidate value is kept and the remedy lists exact commands."""

    exit_code = ExitCode.QUARANTINED


class BusyError(LifecycleError):
    """Another run holds what this one needs; the message names the holder."""

    exit_code = ExitCode.REMOTE


class InterruptedRunError(LifecycleError):
    """The user interrupted the run; the next run says what was open and finishes it."""

    exit_code = ExitCode.INTERRUPTED

"""What a failed Terraform command means, by whose fault it is.

Decided from diagnostics, not from exit codes alone: exit code 1 is all that Terraform says. The patterns are texts of
Terraform 1.11, OpenTofu 1.11 and the AWS SDK for Go v2; what matches none is the remote side's fault once something
was being changed or an API answered, else the configuration's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lifecycle.domain.errors import (
    AuthenticationError,
    BusyError,
    CheckRefusedError,
    ConfigurationError,
    InterruptedRunError,
    LifecycleError,
    RemoteServiceError,
    UnreachableError,
    UnsafePlanError,
)
from lifecycle.terraform_cli.created_log import Created
from lifecycle.terraform_cli.events import Diagnostic
from lifecycle.terraform_cli.locks import HeldLock, LockInfo, lock_in_text

_SHOWN = 3  # diagnostics quoted in a message
_DETAIL = 300  # characters of a diagnostic's detail that are shown
_ADDRESSES = 10
_EXISTS = re.compile(r"AlreadyExists|already\s+exists|ResourceExistsException|ResourceInUseException", re.IGNORECASE)
_NO_IMPORT = re.compile(r"Cannot import non-existent|import target does not exist", re.IGNORECASE)
_IDS = re.compile(r"(RequestID|HostID): [^,\s]*,?")


class StateLockedError(BusyError):
    """Another run holds the state lock, or a dead one left it.

    Args:
        message: who holds it.
        remedy: what to do.
        lock: the lock.
    """

    def __init__(self, message: str, *, remedy: str, lock: LockInfo) -> None:
        super().__init__(message, remedy=remedy)
        self.lock = lock


class ApplyStoppedError(RemoteServiceError):
    """An apply stopped half-way.

    Args:
        message: what is done and what is not.
        remedy: the command that continues.
        done: addresses that were changed, in order.
        open_: addresses that were planned and are not done.
    """

    def __init__(self, message: str, *, remedy: str, done: tuple[str, ...], open_: tuple[str, ...]) -> None:
        super().__init__(message, remedy=remedy, retryable=True)
        self.done = done
        self.open = open_


class UnadoptableError(CheckRefusedError):
    """A plan was to import what is not there.

    Args:
        message: which objects.
        remedy: what to do.
        addresses: of the objects.
    """

    def __init__(self, message: str, *, remedy: str, addresses: tuple[str, ...]) -> None:
        super().__init__(message, remedy=remedy)
        self.addresses = addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A command that ended with an error.

    Attributes:
        what: e.g. `terraform plan of environment prod`.
        command: the subcommand.
        diagnostics: its errors.
        text: what it wrote to stderr, for commands without JSON.
        resume: the command that continues after the cause is mended.
        done: addresses that an apply has changed.
        started: addresses it has begun to change.
        planned: addresses it was to change.
        state: where the state is, e.g. `s3://bucket/key`, and as whom; named when it cannot be reached.
        signal: the signal that ended it from outside, e.g. 9 from the kernel when memory ran out; 0 when none did.
    """

    what: str
    command: str
    diagnostics: Sequence[Diagnostic]
    text: str = field(default="", repr=False)
    resume: str = "lifecycle apply"
    done: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    state: str = ""
    signal: int = 0

    def summary(self) -> str:
        """The first errors, shortened."""
        shown = [f"it was killed by signal {self.signal}"] if self.signal else []
        shown += [_short(d) for d in self.diagnostics[:_SHOWN]] or [" ".join(self.text.split())[:_DETAIL]]
        shown = [text for text in shown if text]
        more = len(self.diagnostics) - _SHOWN
        return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")

    def everything(self) -> str:
        """All text there is to judge by."""
        return "\n".join([*(f"{d.summary}\n{d.detail}" for d in self.diagnostics), self.text])


def _short(diagnostic: Diagnostic) -> str:
    where = f"{diagnostic.file}:{diagnostic.line}: " if diagnostic.file else ""
    address = f"{diagnostic.address}: " if diagnostic.address else ""
    detail = " ".join(_IDS.sub("", diagnostic.detail).split())
    return f"{where}{address}{diagnostic.summary}" + (f": {detail[:_DETAIL]}" if detail else "")


def error_of(failure: Failure) -> LifecycleError:
    """The error of ours that a failed command stands for."""
    text = failure.everything()
    if failure.command == "apply" and failure.started:
        return _stopped_halfway(failure)
    if "state lock" in text and (lock := lock_in_text(text)) is not None:
        return state_locked(failure.what, lock)
    for rule in _RULES:
        if any(pattern.search(text) for pattern in rule.patterns):
            where = f" (state in {failure.state})" if failure.state and rule.make in _ABOUT_SERVICES else ""
            return rule.make(f"{failure.what}{where}: {failure.summary()}", rule.remedy.format(resume=failure.resume))
    return _unclassified(failure, text)


def state_locked(what: str, lock: LockInfo) -> StateLockedError:
    """The error for a lock that is not ours to release."""
    return StateLockedError(
        f"{what}: the state is locked: {lock}, lock id {lock.id}",
        remedy=f"Wait for that run to end. If it is surely dead, release the lock: lifecycle unlock {lock.id}",
        lock=lock,
    )


def held_by(locked: StateLockedError, held: HeldLock) -> StateLockedError:
    """The same error, saying also why the lock was not released automatically."""
    message = f"{locked.message}; not released, as {held.reason}"
    return StateLockedError(message, remedy=locked.remedy, lock=locked.lock)


def stopped(failure: Failure, *, timed_out: bool, killed: bool) -> LifecycleError:
    """The error for a command that we stopped ourselves: at its deadline, or on request."""
    message = failure.what + (" was stopped at its deadline" if timed_out else " was interrupted")
    if failure.started:
        left = _left(failure)
        message += f" with {len(failure.done)} of {len(failure.planned)} changes done; not done: {_list(left)}"
    aftermath = (
        "It had to be killed: its state lock may be left, and the next run sees to it."
        if killed
        else "It stopped in order: what it did is in the state, and its lock is released."
    )
    if not timed_out:
        return InterruptedRunError(message, remedy=f"Run again: {failure.resume}. {aftermath}")
    remedy = (
        f"Find out what it waited for (a slow service, a pending approval), then run: {failure.resume}. {aftermath}"
    )
    return RemoteServiceError(message, remedy=remedy, retryable=True)


def _left(failure: Failure) -> tuple[str, ...]:
    finished = set(failure.done)
    return tuple(address for address in failure.planned if address not in finished)


def unadoptable(failure: Failure, left: Mapping[str, Created]) -> UnadoptableError | None:
    """The error for what killed runs left and Terraform finds no object or no declaration of; None for any other."""
    texts = [f"{d.detail} " for d in failure.diagnostics if _NO_IMPORT.search(d.summary)]
    gone = tuple(a for a in left if any(f'"{a}"' in text or f" {a} " in text for text in texts))
    if not gone:
        return None
    names = ", ".join(f"{address} ({left[address].id})" for address in gone)
    return UnadoptableError(
        f"{failure.what}: what a killed run had made is gone, or not declared any more: {names}",
        remedy=f"It is off the record now. If it still exists, delete it by hand. Run again: {failure.resume}",
        addresses=gone,
    )


def _stopped_halfway(failure: Failure) -> ApplyStoppedError:
    left = _left(failure)
    remedy = f"Mend the cause, then continue with: {failure.resume}. What is done is in the state and stays."
    if there := [d.address for d in failure.diagnostics if d.address and _EXISTS.search(f"{d.summary} {d.detail}")]:
        remedy = (
            f"{_list(there)}: exists already, and not in the state; a killed run may have made it. Import or delete it "
            f"(in a sandbox: lifecycle sandbox down). {remedy}"
        )
    return ApplyStoppedError(
        f"{failure.what} stopped: {failure.summary()}. Done: {_list(failure.done)}. Not done: {_list(left)}",
        remedy=remedy,
        done=failure.done,
        open_=left,
    )


def _list(addresses: Iterable[str]) -> str:
    names = list(addresses)
    more = len(names) - _ADDRESSES
    return (", ".join(names[:_ADDRESSES]) or "nothing") + (f" and {more} more" if more > 0 else "")


def _unclassified(failure: Failure, text: str) -> LifecycleError:
    message = f"{failure.what} failed: {failure.summary()}"
    if failure.signal or failure.command == "apply" or _API.search(text):
        return RemoteServiceError(message, remedy=f"Mend the cause, then run: {failure.resume}", retryable=True)
    return ConfigurationError(message, remedy="Correct the spec (or module) that the message names, then run again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    patterns: tuple[re.Pattern[str], ...]
    make: Callable[[str, str], LifecycleError]
    remedy: str


def _unsafe(message: str, remedy: str) -> LifecycleError:
    return UnsafePlanError(message, remedy=remedy)


def _configuration(message: str, remedy: str) -> LifecycleError:
    return ConfigurationError(message, remedy=remedy)


def _authentication(message: str, remedy: str) -> LifecycleError:
    return AuthenticationError(message, remedy=remedy)


def _unreachable(message: str, remedy: str) -> LifecycleError:
    return UnreachableError(message, remedy=remedy)


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    # Terraform wraps long texts, so a space in a pattern stands for any white space.
    return tuple(re.compile(text.replace(" ", r"\s+"), re.IGNORECASE) for text in texts)


_ABOUT_SERVICES = (_authentication, _unreachable)
_API = re.compile(
    r"StatusCode: [45]\d\d|api error|operation error|Client\.Timeout|timeout while waiting", re.IGNORECASE
)

# Order matters: the first rule that matches decides.
_RULES = (
    _Rule(
        patterns=_patterns(
            "Saved plan is stale", "Saved plan does not match", "Can't change variable when applying a saved plan",
            "plan file .* different (backend|workspace)",
            "Failed to load .* as a plan file",
        ),
        make=_unsafe,
        remedy="Plan again, review it, and apply the new plan.",
    ),
    _Rule(
        patterns=_patterns("AWS account ID not allowed"),
        make=_unsafe,
        remedy="Log in to the account of the environment, or correct aws.account_id in the spec, then run: {resume}",
    ),
    _Rule(
        patterns=_patterns("was set during the plan phase", "No value for required variable"),
        make=_configuration,
        remedy="Give every variable of the environment, the ephemeral ones again for apply.",
    ),
    _Rule(
        patterns=_patterns("Unsupported Terraform Core version", "Unsupported OpenTofu Core version"),
        make=_configuration,
        remedy="Install Terraform or OpenTofu 1.11 or newer.",
    ),
    _Rule(
        patterns=_patterns(
            "Inconsistent dependency lock file", "checksums (previously )?recorded in the dependency lock file",
            "match any of the checksums", "Provider dependency changes detected", "dependency lock file .* read-?only",
        ),
        make=_configuration,
        remedy="The lock file does not fit the providers. Check why, then write it anew: lifecycle plan --update-lock.",
    ),
    _Rule(
        patterns=_patterns(
            "Failed to query available provider packages", "Could not retrieve the list of available versions",
            "Failed to install provider", "Failed to resolve provider packages", "Incompatible provider version",
            "Provider .* not available", "Required plugins are not installed", "does not have a provider named",
        ),
        make=_configuration,
        remedy="Run where the provider registry can be reached, or name a mirror in LIFECYCLE_PROVIDER_MIRROR.",
    ),
    _Rule(
        patterns=_patterns("S3 bucket .* does not exist", "NoSuchBucket", "ContainerNotFound"),
        make=_unreachable,
        remedy="Create the place of the state first: lifecycle bootstrap, or correct `backend` in the spec.",
    ),
    _Rule(
        patterns=_patterns(
            "No valid credential sources", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch",
            "InvalidAccessKeyId", "UnrecognizedClientException", "AccessDenied", "StatusCode: 40[13]",
            "Cannot assume IAM Role", "HTTP remote state endpoint requires auth", "NoCredentialProviders",
            "NoAuthorizationHeader",
        ),
        make=_authentication,
        remedy="Log in to the account with an identity that may read and lock the state, then run: {resume}",
    ),
    _Rule(
        patterns=_patterns(
            "connection refused", "no such host", "dial tcp", "i/o timeout", "TLS handshake",
            "certificate (is|has|signed)",
            "network is unreachable", "connection reset by peer", "request send failed",
        ),
        make=_unreachable,
        remedy="Check the endpoint, proxy and network, then run: {resume}",
    ),
)  # fmt: skip

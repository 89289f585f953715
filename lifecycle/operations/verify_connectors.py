"""Verify connectors: many at once, each within a deadline that really ends it, none holding up another.

1. Probes run on up to 200 threads, usually 50.
2. A probe that outlives its deadline is given up: its result is `time-out: total`, its thread is left behind (a thread
   cannot be killed) and replaced, so that the others go on.
3. A target that keeps failing is left alone by its breaker.
4. Of connectors that log in with one credential the first goes alone: once it is refused, none of the others tries, as
   repeated refusals lock accounts; once it is accepted, all go at once.
5. An interrupt ends the run at once: what is known is returned, the rest counts as not asked.
6. Results come back in the order of the probes, whatever finished first; each is also reported at once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from lifecycle.domain.errors import ExitCode, LifecycleError, NotFoundError, most_urgent
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus, outcome
from lifecycle.domain.verification_accounts import Accounts

MAX_THREADS = 200
USUAL_THREADS = 50
_UNREACHED = frozenset(
    {
        Reason.CONNECTION_REFUSED,
        Reason.NAME_NOT_RESOLVED,
        Reason.SERVICE_FAULT,
        Reason.TIMEOUT_CONNECT,
        Reason.TIMEOUT_READ,
        Reason.TIMEOUT_TOTAL,
    }
)


# Of these, what says that no service was met at all: exit code 3 rather than 4 when nothing else is wrong.
_NEVER_MET = frozenset(
    {
        Reason.CONNECTION_REFUSED,
        Reason.NAME_NOT_RESOLVED,
        Reason.PROXY_REFUSED,
        Reason.TIMEOUT_CONNECT,
        Reason.TLS_EXPIRED,
        Reason.TLS_NAME_MISMATCH,
        Reason.TLS_UNKNOWN_ISSUER,
    }
)


class TargetBreaker(Protocol):
    """Decides whether a target may be asked."""

    def admits(self) -> bool:
        """Whether a call may go now. Who is admitted must `record` its outcome."""
        ...

    def record(self, *, reached: bool) -> None:
        """Report whether the target answered."""
        ...

    def wait(self) -> timedelta:
        """How long until a trial call may go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorProbe:
    """One connector to verify.

    Attributes:
        name: its name in the spec.
        target: what its verifier takes.
        verifier: of its kind.
        value: reads the credential's current value, on the probe's own thread; no credential: an empty value.
        deadline: for all of it, reading the value included.
        via: the network position.
        host: what the breaker is kept for; connectors of one target share it.
        endpoint: where it leads, for people.
        identity: as whom it logs in, for people, e.g. `credential feature-reader-key`; never a value.
        account: what refusals lock: those with the same one try one by one until it is accepted; empty = none.
    """

    name: str
    target: Any = field(repr=False)
    verifier: ConnectorVerifier = field(repr=False)
    value: Callable[[], SecretValue] = field(repr=False)
    deadline: timedelta
    via: Egress | None = None
    host: str = ""
    endpoint: str = ""
    identity: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorResult:
    """The outcome of one connector.

    Attributes:
        name: its name in the spec.
        result: what was found.
        endpoint: which endpoint was asked.
        identity: as whom.
        code: what it stands for, where the result alone does not say it: the store that holds the value was not met.
        asked: whether it was; not when the run was interrupted before.
    """

    name: str
    result: VerificationResult
    endpoint: str = ""
    identity: str = ""
    code: ExitCode | None = None
    asked: bool = True


Progress = Callable[[ConnectorResult], None]


def _silent(_result: ConnectorResult) -> None:
    """The progress callback of those who watch nothing."""


def verify_connectors(
    probes: Sequence[ConnectorProbe],
    *,
    clock: Clock,
    breaker: Callable[[str], TargetBreaker],
    progress: Progress = _silent,
    threads: int = USUAL_THREADS,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[ConnectorResult, ...]:
    """Verify all; never raises for what a target does.

    Args:
        probes: in the order of the spec.
        clock: for `checked_at` of results that no verifier made.
        breaker: the breaker of a host; the same object for the same host.
        progress: called on the caller's thread as each result comes in.
        threads: how many run at once, at most 200.
        monotonic: seconds that never go back.
    """
    run = _Run(probes, clock=clock, breaker=breaker, monotonic=monotonic)
    return run.all(progress, limit=max(1, min(threads, MAX_THREADS)))


def exit_code(results: Sequence[ConnectorResult]) -> ExitCode:
    """What a run of verification stands for: an invalid credential before an indeterminate one, before unreachable."""
    return most_urgent([_code(item) for item in results])


def _code(item: ConnectorResult) -> ExitCode:
    result = item.result
    if item.code is not None:
        return item.code
    if result.status is VerificationStatus.VALID:
        return ExitCode.DONE
    if result.status is VerificationStatus.INVALID:
        return ExitCode.REFUSED
    return ExitCode.CONNECT if result.reason in _NEVER_MET else ExitCode.REMOTE


class _Run:
    """One run: starts probes while fewer than the limit are alive, gives up those whose time is over."""

    def __init__(
        self,
        probes: Sequence[ConnectorProbe],
        *,
        clock: Clock,
        breaker: Callable[[str], TargetBreaker],
        monotonic: Callable[[], float],
    ) -> None:
        self._probes = probes
        self._clock = clock
        self._breaker = breaker
        self._monotonic = monotonic
        self._done: queue.SimpleQueue[tuple[int, VerificationResult]] = queue.SimpleQueue()
        self._ends: dict[int, float] = {}
        self._results: dict[int, VerificationResult] = {}
        self._codes: dict[int, ExitCode] = {}
        self._waiting = list(range(len(probes)))[::-1]
        self._accounts = Accounts()
        self._left_behind = 0

    def all(self, progress: Progress, *, limit: int) -> tuple[ConnectorResult, ...]:
        try:
            while self._waiting or self._ends:
                while self._waiting and len(self._ends) < limit:
                    self._start(self._waiting.pop(), progress)
                self._collect(progress)
        except KeyboardInterrupt:
            pass  # what is under way is left behind; what is known is worth returning
        return tuple(self._told(index) for index in range(len(self._probes)))

    def _told(self, index: int) -> ConnectorResult:
        probe = self._probes[index]
        result = self._results.get(index)
        if result is None:
            result = self._own(Reason.AMBIGUOUS, "not asked: the run was interrupted")
        return ConnectorResult(
            name=probe.name,
            result=result,
            endpoint=probe.endpoint,
            identity=probe.identity,
            code=self._codes.get(index) if index in self._results else ExitCode.INTERRUPTED,
            asked=index in self._results,
        )

    def _start(self, index: int, progress: Progress) -> None:
        probe = self._probes[index]
        breaker = self._breaker(probe.host or probe.name)
        refused = self._accounts.refused(probe.account)
        if refused:
            told = f"not asked: {refused} was just refused with the same credential, and refusals lock accounts"
            self._finish(index, self._own(Reason.AMBIGUOUS, told), progress)
            return
        if self._accounts.parked(probe.account, index):
            return
        if not breaker.admits():
            again = f"{self._clock() + breaker.wait():%H:%M:%S}Z"
            told = f"not asked: the target failed repeatedly; asked again from {again}"
            self._finish(index, self._own(Reason.SERVICE_FAULT, told), progress)
            return
        self._ends[index] = self._monotonic() + probe.deadline.total_seconds()
        # Daemon: a thread that never comes back must not keep the process alive.
        threading.Thread(target=self._work, args=(index, probe), name=f"verify {probe.name}", daemon=True).start()

    def _work(self, index: int, probe: ConnectorProbe) -> None:
        try:
            result = probe.verifier.verify(probe.target, probe.value(), deadline=probe.deadline, via=probe.via)
        except NotFoundError as error:
            result = self._own(Reason.NOT_CONFIGURED, error.message, error.remedy)
        except LifecycleError as error:
            # Of the store: it refused us, or was not met. The credential was not asked about at all.
            if error.exit_code is ExitCode.CONNECT:
                self._codes[index] = error.exit_code
            result = self._own(Reason.AMBIGUOUS, error.message, error.remedy)
        except Exception as error:  # a bug: no verdict on the credential, and no text that may hold it
            result = self._own(Reason.AMBIGUOUS, f"the probe failed with {type(error).__name__}")
        self._done.put((index, result))

    def _collect(self, progress: Progress) -> None:
        """Take one result, or give up what is overdue."""
        if not self._ends:
            return
        patience = max(0.0, min(self._ends.values()) - self._monotonic())
        try:
            index, result = self._done.get(timeout=patience)
        except queue.Empty:
            self._give_up(progress)
            return
        if index in self._ends:  # else it was given up before, and its late answer no longer counts
            del self._ends[index]
            self._record(index, result)
            self._finish(index, result, progress)

    def _give_up(self, progress: Progress) -> None:
        now = self._monotonic()
        for index in [index for index, end in self._ends.items() if end <= now]:
            del self._ends[index]
            self._left_behind += 1
            told = (
                f"no answer within {self._probes[index].deadline}; probes left behind in this run: {self._left_behind}"
            )
            result = self._own(Reason.TIMEOUT_TOTAL, told)
            self._record(index, result)
            self._finish(index, result, progress)

    def _record(self, index: int, result: VerificationResult) -> None:
        probe = self._probes[index]
        self._breaker(probe.host or probe.name).record(reached=result.reason not in _UNREACHED)

    def _finish(self, index: int, result: VerificationResult, progress: Progress) -> None:
        self._results[index] = result
        self._waiting += self._accounts.settle(self._probes[index].account, self._probes[index].name, index, result)
        progress(self._told(index))

    def _own(
        self, reason: Reason, detail: str, remedy: str = "verify it alone: lifecycle verify NAME"
    ) -> VerificationResult:
        """A result that no verifier made."""
        return VerificationResult(
            status=outcome(reason), reason=reason, detail=detail, remedy=remedy, checked_at=self._clock()
        )

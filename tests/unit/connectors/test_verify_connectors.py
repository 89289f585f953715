import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle.domain.errors import AuthenticationError, ExitCode, NotFoundError, UnreachableError
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, outcome
from lifecycle.foundation.breaker import Breaker, Breakers
from lifecycle.operations.verify_connectors import ConnectorProbe, ConnectorResult, exit_code, verify_connectors

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _result(reason: Reason) -> VerificationResult:
    return VerificationResult(status=outcome(reason), reason=reason)


@dataclass
class Verifier:
    """Answers with a reason, or does what a test wants."""

    act: Callable[[], VerificationResult]
    seen: list[SecretValue] = field(default_factory=list)

    def verify(self, target: Any, value: SecretValue, *, deadline: timedelta, via: Egress | None) -> VerificationResult:
        self.seen.append(value)
        return self.act()


def _answering(reason: Reason) -> Verifier:
    return Verifier(lambda: _result(reason))


def _probe(
    name: str,
    verifier: Verifier,
    *,
    deadline: float = 20,
    host: str = "",
    value: Callable[[], SecretValue] | None = None,
) -> ConnectorProbe:
    return ConnectorProbe(
        name=name,
        target=None,
        verifier=verifier,
        value=value or (lambda: {"token": SecretText("x")}),
        deadline=timedelta(seconds=deadline),
        host=host,
    )


def _run(*probes: ConnectorProbe, threads: int = 50, breakers: Breakers | None = None) -> tuple[ConnectorResult, ...]:
    return verify_connectors(probes, clock=lambda: NOW, breaker=breakers or Breakers(), threads=threads)


def test_results_come_in_the_order_of_the_spec_and_progress_as_they_finish() -> None:
    second_done = threading.Event()

    def slow() -> VerificationResult:
        second_done.wait(20)
        return _result(Reason.WORKS)

    def quick() -> VerificationResult:
        return _result(Reason.WRONG_VALUE)

    told: list[str] = []

    def progress(item: ConnectorResult) -> None:
        told.append(item.name)
        second_done.set()

    results = verify_connectors(
        [_probe("first", Verifier(slow)), _probe("second", Verifier(quick))],
        clock=lambda: NOW,
        breaker=Breakers(),
        progress=progress,
    )
    assert told == ["second", "first"]
    assert [item.name for item in results] == ["first", "second"]


def test_hung_probe_is_given_up_and_the_others_go_on() -> None:
    release = threading.Event()

    def hang() -> VerificationResult:
        release.wait(60)
        return _result(Reason.WORKS)

    hung = [_probe(f"hung-{number}", Verifier(hang), deadline=0.2) for number in range(3)]
    fine = [_probe(f"fine-{number}", _answering(Reason.WORKS)) for number in range(5)]
    results = _run(*hung, *fine, threads=2)
    release.set()
    reasons = [item.result.reason for item in results]
    assert reasons == [Reason.TIMEOUT_TOTAL] * 3 + [Reason.WORKS] * 5


def test_never_more_threads_than_allowed() -> None:
    lock, alive, most = threading.Lock(), [0], [0]

    def count() -> VerificationResult:
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        threading.Event().wait(0.02)
        with lock:
            alive[0] -= 1
        return _result(Reason.WORKS)

    _run(*[_probe(f"p{number}", Verifier(count)) for number in range(20)], threads=3)
    assert most[0] <= 3


def test_failing_target_is_left_alone_and_others_are_asked() -> None:
    breakers = Breakers(lambda: Breaker(threshold=2))
    down, up = _answering(Reason.CONNECTION_REFUSED), _answering(Reason.WORKS)
    probes = [_probe(f"down-{number}", down, host="down") for number in range(4)]
    results = _run(*probes, _probe("up", up, host="up"), threads=1, breakers=breakers)
    assert len(down.seen) == 2
    assert [item.result.reason for item in results[2:]] == [Reason.SERVICE_FAULT, Reason.SERVICE_FAULT, Reason.WORKS]


def test_refusals_do_not_open_a_breaker() -> None:
    breakers = Breakers(lambda: Breaker(threshold=1))
    refusing = _answering(Reason.WRONG_VALUE)
    _run(*[_probe(f"p{number}", refusing, host="one") for number in range(3)], threads=1, breakers=breakers)
    assert len(refusing.seen) == 3


def test_a_bug_in_a_verifier_judges_nothing_and_shows_no_text() -> None:
    def fail() -> VerificationResult:
        raise KeyError("canary-value")

    (only,) = _run(_probe("p", Verifier(fail)))
    assert only.result.reason is Reason.AMBIGUOUS
    assert "canary-value" not in repr(only)


def test_value_that_is_not_there_or_not_readable_is_told() -> None:
    def absent() -> SecretValue:
        raise NotFoundError("default:x holds no value", remedy="issue it")

    def away() -> SecretValue:
        raise UnreachableError("the store is away", remedy="wait")

    verifier = _answering(Reason.WORKS)
    results = _run(_probe("absent", verifier, value=absent), _probe("away", verifier, value=away))
    assert [item.result.reason for item in results] == [Reason.NOT_CONFIGURED, Reason.AMBIGUOUS]
    assert results[0].result.detail == "default:x holds no value"
    assert results[1].result.remedy == "wait"
    assert verifier.seen == []


def test_exit_code_puts_invalid_before_indeterminate() -> None:
    def results(*reasons: Reason) -> list[ConnectorResult]:
        return [ConnectorResult(name="x", result=_result(reason)) for reason in reasons]

    assert exit_code(results()) is ExitCode.DONE
    assert exit_code(results(Reason.WORKS)) is ExitCode.DONE
    assert exit_code(results(Reason.WORKS, Reason.THROTTLED)) is ExitCode.REMOTE
    assert exit_code(results(Reason.THROTTLED, Reason.EXPIRED)) is ExitCode.REFUSED


def test_services_that_were_never_met_have_an_exit_code_of_their_own() -> None:
    def code(*reasons: Reason) -> ExitCode:
        return exit_code([ConnectorResult(name="x", result=_result(reason)) for reason in reasons])

    assert code(Reason.WORKS, Reason.CONNECTION_REFUSED) is ExitCode.CONNECT
    assert code(Reason.NAME_NOT_RESOLVED, Reason.THROTTLED) is ExitCode.REMOTE
    assert code(Reason.NAME_NOT_RESOLVED, Reason.WRONG_VALUE) is ExitCode.REFUSED


def test_a_store_that_refuses_us_is_no_remote_fault() -> None:
    def refused() -> SecretValue:
        raise AuthenticationError("the store refused the login", remedy="log in again")

    verifier = _answering(Reason.WORKS)
    results = _run(_probe("refused", verifier, value=refused), _probe("fine", verifier))
    assert results[0].result.status == "indeterminate"
    assert exit_code(results) is ExitCode.CONNECT


def test_interrupt_returns_what_is_known_and_names_the_rest() -> None:
    release = threading.Event()

    def hang() -> VerificationResult:
        release.wait(60)
        return _result(Reason.WORKS)

    def interrupt(_item: ConnectorResult) -> None:
        raise KeyboardInterrupt

    results = verify_connectors(
        [_probe("known", _answering(Reason.WORKS)), _probe("hung", Verifier(hang)), _probe("waiting", Verifier(hang))],
        clock=lambda: NOW,
        breaker=Breakers(),
        progress=interrupt,
        threads=2,
    )
    release.set()
    assert [(item.name, item.asked) for item in results] == [("known", True), ("hung", False), ("waiting", False)]
    assert results[0].result.reason is Reason.WORKS
    assert exit_code(results) is ExitCode.INTERRUPTED


def test_refused_credential_is_tried_at_one_connector_only() -> None:
    refusing = _answering(Reason.WRONG_VALUE)
    probes = [replace(_probe(f"p{number}", refusing), account="svc") for number in range(6)]
    results = _run(*probes, _probe("other", _answering(Reason.WORKS)), threads=4)
    assert len(refusing.seen) == 1
    assert [item.result.reason for item in results] == [Reason.WRONG_VALUE, *[Reason.AMBIGUOUS] * 5, Reason.WORKS]
    assert "p0 was just refused" in results[1].result.detail


def test_accepted_credential_lets_all_others_go_at_once() -> None:
    together = threading.Barrier(4)
    first = replace(_probe("first", _answering(Reason.WORKS)), account="svc")

    def meet() -> VerificationResult:
        together.wait(20)
        return _result(Reason.WORKS)

    others = [replace(_probe(f"p{number}", Verifier(meet)), account="svc") for number in range(4)]
    assert {item.result.reason for item in _run(first, *others)} == {Reason.WORKS}


def test_without_a_verdict_the_next_connector_tries_the_credential_alone() -> None:
    away, refusing = _answering(Reason.CONNECTION_REFUSED), _answering(Reason.WRONG_VALUE)
    probes = [_probe("away", away), _probe("refusing", refusing), _probe("spared", refusing)]
    results = _run(*[replace(probe, account="svc") for probe in probes])
    assert [item.result.reason for item in results] == [
        Reason.CONNECTION_REFUSED,
        Reason.WRONG_VALUE,
        Reason.AMBIGUOUS,
    ]


def test_open_breaker_tells_when_it_asks_again() -> None:
    breakers = Breakers(lambda: Breaker(threshold=1, cool_down=timedelta(seconds=30), monotonic=lambda: 0.0))
    probes = [_probe(f"down-{number}", _answering(Reason.CONNECTION_REFUSED), host="down") for number in range(2)]
    results = _run(*probes, threads=1, breakers=breakers)
    assert results[1].result.detail == "not asked: the target failed repeatedly; asked again from 00:00:30Z"

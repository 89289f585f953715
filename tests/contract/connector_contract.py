"""What every connector does: the five standard cases and more. A test module gives a `bench`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.domain.ports import ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.odd_servers import closed_port, page, raw_server

LONG = timedelta(seconds=20)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorBench:
    """A verifier with values.

    Attributes:
        make: builds the verifier for a base URL.
        url: of the real server.
        target: what it verifies.
        valid, invalid: values; of which the second is explicitly rejected.
        proves: what a valid result shows.
    """

    make: Callable[[str], ConnectorVerifier]
    url: str
    target: Any
    valid: SecretValue
    invalid: SecretValue
    proves: tuple[str, ...]

    def verify(
        self,
        value: SecretValue | None = None,
        *,
        url: str = "",
        deadline: timedelta = LONG,
        via: Egress | None = None,
        target: Any = None,
    ) -> VerificationResult:
        """Verify `value`, else the valid one."""
        chosen = self.valid if value is None else value
        return self.make(url or self.url).verify(target or self.target, chosen, deadline=deadline, via=via)


class ConnectorContract:
    """The suite."""

    overloaded = ("{}", "application/json")  # body and type of an answer with 429 or 503

    def test_valid(self, bench: ConnectorBench) -> None:
        result = bench.verify()
        assert result.status is VerificationStatus.VALID, result
        assert result.reason is Reason.WORKS
        assert result.proved == bench.proves
        assert result.not_proved == ()
        assert result.checked_at == NOW

    def test_invalid(self, bench: ConnectorBench) -> None:
        result = bench.verify(bench.invalid)
        assert result.status is VerificationStatus.INVALID, result
        assert result.reason is Reason.WRONG_VALUE
        assert result.remedy
        for text in bench.invalid.values():
            assert text.get_secret_value() not in repr(result)

    def test_second_call_gives_the_same(self, bench: ConnectorBench) -> None:
        first, second = bench.verify(), bench.verify()
        assert (first.status, first.proved) == (second.status, second.proved)

    def test_time_out(self, bench: ConnectorBench) -> None:
        with raw_server(None) as silent:
            result = bench.verify(url=silent, deadline=timedelta(milliseconds=600))
        assert result.status is VerificationStatus.INDETERMINATE
        assert result.reason in (Reason.TIMEOUT_READ, Reason.TIMEOUT_TOTAL), result

    @pytest.mark.parametrize(
        "answer",
        [page("200 OK"), page("200 OK", "[]", "application/json"), b"SSH-2.0-OpenSSH_9.2\r\n", b""],
        ids=["html", "empty list", "not http", "closed at once"],
    )
    def test_unexpected_answer(self, bench: ConnectorBench, answer: bytes) -> None:
        with raw_server(answer) as odd:
            result = bench.verify(url=odd)
        assert result.status is VerificationStatus.INDETERMINATE, result

    def test_refused_connection(self, bench: ConnectorBench) -> None:
        result = bench.verify(url=closed_port())
        assert result.status is VerificationStatus.INDETERMINATE
        assert result.reason is Reason.CONNECTION_REFUSED

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
    def test_block_page_of_a_middlebox_judges_nothing(self, bench: ConnectorBench, status: str) -> None:
        with raw_server(page(status)) as blocked:
            result = bench.verify(bench.invalid, url=blocked)
        assert result.status is VerificationStatus.INDETERMINATE, result

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("429 Too Many Requests", Reason.THROTTLED), ("503 Service Unavailable", Reason.SERVICE_FAULT)],
    )
    def test_overload_judges_nothing(self, bench: ConnectorBench, status: str, reason: Reason) -> None:
        with raw_server(page(status, *self.overloaded)) as busy:
            result = bench.verify(bench.invalid, url=busy)
        assert result.reason is reason, result

    def test_goes_through_the_consumers_proxy(self, bench: ConnectorBench) -> None:
        with raw_server(page("403 Forbidden")) as proxy:
            result = bench.verify(via=Egress(allowlist="egress", proxy_url=proxy))
        assert result.status is VerificationStatus.INDETERMINATE, result
        via_closed = bench.verify(via=Egress(allowlist="egress", proxy_url=closed_port()))
        assert via_closed.status is VerificationStatus.INDETERMINATE, via_closed

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lifecycle.bootstrap.attempt_budget import BudgetedVerifier
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretValue,
    StoredValue,
    VersionId,
    VersionSummary,
    secret_value,
)
from lifecycle.domain.verification import Egress, Reason, VerificationResult, outcome
from lifecycle.journals.attempt_book import AttemptBook

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET = "canary-of-the-value"


@dataclass
class Service:
    """Answers with one reason, and counts."""

    reason: Reason
    asked: int = 0

    def verify(self, target: Any, value: SecretValue, *, deadline: timedelta, via: Egress | None) -> VerificationResult:
        self.asked += 1
        return VerificationResult(status=outcome(self.reason), reason=self.reason)


@dataclass
class Desk:
    """A clock, a book and one credential."""

    path: Path
    service: Service
    now: datetime = START
    slept: list[float] = field(default_factory=list)

    def check(self, version: str, **fields: str) -> VerificationResult:
        stored = StoredValue(
            summary=VersionSummary(version=VersionId(version), operation=OperationId("o"), candidate=CandidateId("1")),
            value=secret_value({"password": SECRET, **fields}),
        )
        verifier = BudgetedVerifier(
            verifier=self.service,
            credential="svc",
            read_stored=lambda: stored,
            book=AttemptBook(self.path / "attempts.json"),
            clock=lambda: self.now,
            sleep=self.slept.append,
        )
        return verifier.verify(None, verifier.read(), deadline=timedelta(seconds=10), via=None)


def test_refused_value_is_not_tried_again_within_its_interval(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Service(Reason.WRONG_VALUE))
    assert desk.check("v1").reason is Reason.WRONG_VALUE
    desk.now += timedelta(seconds=179)
    again = desk.check("v1")
    assert (again.status, again.reason) == ("invalid", Reason.WRONG_VALUE)
    assert again.detail == "refused at 12:00:00Z; the same value is not tried again before 12:03:00Z"
    assert desk.service.asked == 1
    desk.now += timedelta(seconds=2)
    desk.check("v1")
    assert desk.service.asked == 2


def test_new_value_is_tried_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Service(Reason.EXPIRED))
    desk.check("v1")
    desk.check("v2")
    assert desk.service.asked == 2


def test_only_refusals_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Service(Reason.TIMEOUT_READ))
    desk.check("v1")
    desk.check("v1")
    assert desk.service.asked == 2


def test_two_secrets_of_one_key_id_keep_five_seconds_apart(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Service(Reason.WORKS))
    desk.check("v1", access_key_id="AKIA1")
    desk.check("v1", access_key_id="AKIA1")
    desk.now += timedelta(seconds=2)
    desk.check("v2", access_key_id="AKIA2")
    assert desk.slept == []
    desk.check("v2", access_key_id="AKIA1")
    assert desk.slept == [3.0]


def test_book_holds_no_value_and_survives_damage(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Service(Reason.WRONG_VALUE))
    desk.check("v1")
    book = tmp_path / "attempts.json"
    assert SECRET not in book.read_text()
    assert book.stat().st_mode & 0o777 == 0o600
    book.write_text("{half")
    desk.check("v1")
    assert desk.service.asked == 2

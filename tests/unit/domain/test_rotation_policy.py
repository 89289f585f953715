"""When a rotation is due, and which credentials are ours: both from records alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.rotation import Outcome, PreImageEntry, RotationRecord, State, ValueMark
from lifecycle.domain.rotation_ownership import (
    Owner,
    candidates_of,
    describe,
    foreign_slots,
    is_ours,
    spare_slot,
    strays,
    unexplained,
)
from lifecycle.domain.rotation_policy import Limits, RotationPolicy, due
from lifecycle.domain.secret import Fingerprint, OperationId

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY, LIMITS = RotationPolicy(period=30 * DAY), Limits()
OLD = ValueMark(id=CredentialId("old"), fingerprint=Fingerprint("k:old"))
OURS = Owner(scope="prod", credential="ingest", creator="arn:us")


def closed(**change: object) -> RotationRecord:
    plain: dict[str, object] = {
        "credential": "ingest",
        "credential_class": CredentialClass.B,
        "sequence": 9,
        "at": NOW - 10 * DAY,
        "state": State.CLOSED,
        "outcome": Outcome.DONE,
        "new": OLD,
        "live_since": NOW - 10 * DAY,
    }
    return RotationRecord.model_validate(plain | change)


def test_what_was_never_issued_is_due() -> None:
    assert due(None, POLICY, LIMITS, NOW).now


def test_due_is_counted_from_the_promotion_not_from_the_last_record() -> None:
    verdict = due(closed(at=NOW), POLICY, LIMITS, NOW)
    assert (verdict.now, verdict.at) == (False, NOW + 20 * DAY)
    assert due(closed(live_since=NOW - 30 * DAY), POLICY, LIMITS, NOW).now


@pytest.mark.parametrize(
    ("change", "is_due"),
    [
        ({"state": State.GRACE, "outcome": Outcome.NONE}, True),
        ({"state": State.QUARANTINED, "reason": "r", "remedy": "m", "interrupted": State.GRACE}, False),
        ({"outcome": Outcome.RETIRED, "live_since": None}, False),
        ({"outcome": Outcome.FAILED, "new": None, "live_since": None}, True),
    ],
)
def test_the_state_of_the_newest_record_decides(change: dict[str, object], is_due: bool) -> None:
    assert due(closed(**change), POLICY, LIMITS, NOW).now is is_due


def test_failures_back_off_and_the_back_off_is_bounded() -> None:
    failed = closed(outcome=Outcome.ROLLED_BACK, old=OLD, live_since=NOW - 40 * DAY, at=NOW, failures=1)
    assert not due(failed, POLICY, LIMITS, NOW).now
    assert due(failed, POLICY, LIMITS, NOW + LIMITS.first_delay).now
    delays = [LIMITS.delay(number) for number in range(60)]
    assert delays == sorted(delays) and delays[-1] == LIMITS.longest_delay and delays[1] > timedelta()


def item(name: str, **change: object) -> ProviderCredential:
    plain: dict[str, object] = {"id": CredentialId(name), "created": NOW}
    return ProviderCredential(**(plain | change))  # type: ignore[arg-type]  # checked by the tests themselves


def operation(**change: object) -> RotationRecord:
    plain: dict[str, object] = {
        "state": State.MINTING,
        "outcome": Outcome.NONE,
        "operation": "op1",
        "marker": OURS.marker(OperationId("op1")),
        "intent_at": NOW - timedelta(minutes=1),
        "pre_image": (PreImageEntry(id=CredentialId("old")),),
    }
    return closed(**(plain | change))


STAMPED = Traits(credential_class=CredentialClass.B, stamp=True)
CREATOR = Traits(credential_class=CredentialClass.B, creator=True)
BLIND = Traits(credential_class=CredentialClass.B)


@pytest.mark.parametrize(
    ("credential", "traits", "ours"),
    [
        (item("n", marker="lifecycle:prod/ingest:op0"), STAMPED, True),
        (item("n", marker="lifecycle:prod/ingest-2:op0"), STAMPED, False),
        (item("n", marker="lifecycle:test/ingest:op0"), STAMPED, False),
        (item("n", marker="made by hand"), STAMPED, False),
        (item("n", creator="arn:us"), CREATOR, True),
        (item("n", creator="arn:them"), CREATOR, False),
        (item("n", creator=""), CREATOR, False),
        (item("old", creator="arn:us"), CREATOR, False),
        (item("n", creator="arn:us", created=NOW - DAY), CREATOR, False),
        (item("n", creator="arn:us", created=None), CREATOR, True),
        (item("n"), BLIND, False),
        (item("n"), Traits(credential_class=CredentialClass.A), False),
    ],
)
def test_ownership_needs_evidence(credential: ProviderCredential, traits: Traits, ours: bool) -> None:
    assert is_ours(operation(), credential, traits, OURS) is ours


@pytest.mark.parametrize("field", ["made", "condemned"])
def test_what_the_journal_recorded_is_ours(field: str) -> None:
    assert is_ours(operation(**{field: ("n",)}), item("n"), BLIND, OURS)


def listing(*items: ProviderCredential) -> CompleteListing:
    return CompleteListing(principal="svc", credentials=items)


def test_a_candidate_carries_the_marker_of_this_operation() -> None:
    mine, before = (
        item("n1", marker=OURS.marker(OperationId("op1"))),
        item("n2", marker=OURS.marker(OperationId("op0"))),
    )
    assert candidates_of(operation(), listing(mine, before, item("x")), STAMPED, OURS) == ("n1",)
    assert candidates_of(operation(condemned=("n1",)), listing(mine), STAMPED, OURS) == ()
    assert strays(operation(), listing(mine, before, item("x")), STAMPED, OURS, CredentialId("n1")) == ("n2",)


def test_without_any_evidence_new_credentials_are_unexplained_not_ours() -> None:
    found = listing(item("old"), item("n"), item("older", created=NOW - DAY))
    assert unexplained(operation(), found, BLIND, OURS) == ("n",)
    assert unexplained(operation(), found, STAMPED, OURS) == ()
    assert unexplained(operation(), found, CREATOR, OURS) == ()
    assert candidates_of(operation(), found, BLIND, OURS) == ()


def test_listed_creators_explain_nothing_to_who_does_not_know_his_own_name() -> None:
    nameless = Owner(scope="prod", credential="ingest")
    assert unexplained(operation(), listing(item("n")), CREATOR, nameless) == ("n",)


def test_the_spare_slot_is_the_one_that_does_not_hold_current() -> None:
    traits = Traits(credential_class=CredentialClass.A, slots=2, slot_names=("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2"))
    found = listing(item("old", slot="RSA_PUBLIC_KEY"))
    assert spare_slot(found, CredentialId("old"), traits) == "RSA_PUBLIC_KEY_2"
    assert spare_slot(found, None, traits) == "RSA_PUBLIC_KEY_2"
    both = listing(item("old", slot="RSA_PUBLIC_KEY"), item("mine", slot="RSA_PUBLIC_KEY_2"))
    assert spare_slot(both, CredentialId("old"), traits) == "RSA_PUBLIC_KEY_2"
    assert spare_slot(listing(), None, Traits(credential_class=CredentialClass.A)) == "1"


def test_a_slot_is_foreign_when_the_journal_does_not_know_its_key() -> None:
    found = listing(item("old"), item("mine"), item("theirs"))
    assert [one.id for one in foreign_slots(operation(made=("mine",)), found, CredentialId("old"))] == ["theirs"]


def test_a_credential_is_described_for_the_person_who_must_decide() -> None:
    text = describe(item("AKIA1", creator="alice"), NotReported.NEVER)
    assert text == "AKIA1 (made 2030-01-01 00:00 by alice, last use: never used)"
    assert "age unknown" in describe(item("AKIA1", created=None))

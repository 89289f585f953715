"""The numbered failure points of the specification; 13 and 14 also stand in the contract and kill tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest

from lifecycle.domain.credential import CredentialClass, CredentialId
from lifecycle.domain.errors import RemoteServiceError
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.secret import SecretValue, VersionStage
from lifecycle.domain.verification import Reason, VerificationResult, VerificationStatus, outcome
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome, Standing
from lifecycle.testing.world import Fault
from tests.fakes.house import NAME, House
from tests.fakes.provider import id_of, value_of
from tests.recovery.cuts import survive
from tests.recovery.directed import Rules
from tests.recovery.scenarios import SCENARIOS, Scenario

B = SCENARIOS["B"]
STORE_WRITES = ["store.prepare", "store.stage", "store.promote", "store.seal", "store.discard"]


def rotated(house: House, process: str = "p1") -> RotationOutcome:
    return rotate(house.context(process), wait=True)


def record(house: House) -> RotationRecord:
    assert house.record is not None
    return house.record


def current(house: House) -> SecretValue:
    value = house.store.value(VersionStage.CURRENT)
    assert value is not None
    return value


def replacing(context: RotationContext, verify: Callable[[SecretValue], VerificationResult]) -> RotationContext:
    return dataclasses.replace(context, verify=verify)


class Throttling:
    """An issuer that answers 429 a few times before it mints."""

    def __init__(self, issuer: MintingIssuer, times: int, retry_after: timedelta | None) -> None:
        self._issuer, self._times, self._retry_after = issuer, times, retry_after

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> object:
        if self._times:
            self._times -= 1
            raise RemoteServiceError("throttled", remedy="wait", retryable=True, retry_after=self._retry_after)
        return self._issuer.mint(principal, marker, previous)

    def __getattr__(self, name: str) -> object:
        return getattr(self._issuer, name)


@pytest.mark.parametrize("retry_after", [None, timedelta(hours=2)])
def test_1_throttling_is_waited_out_and_mints_once(retry_after: timedelta | None) -> None:
    house = B.build()
    context = house.context("p1")
    throttled = dataclasses.replace(context, issuer=Throttling(context.issuer, 3, retry_after))  # type: ignore[arg-type]  # forwards the rest
    begun = house.world.now
    outcomes = [rotate(throttled, wait=True).standing for _ in range(4)]
    assert outcomes == [Standing.FAILED] * 3 + [Standing.DONE]
    assert house.world.now - begun >= 3 * (retry_after or timedelta())
    house.at_rest()
    assert house.world.violations == []


def test_1_a_storm_of_server_errors_ends_in_quarantine_with_nothing_lost() -> None:
    house = B.build()
    house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    outcomes = [rotated(house) for _ in range(15)]
    assert outcomes[-1].standing is Standing.QUARANTINED and outcomes[-1].remedy
    assert house.world.told, "a person was told"
    house.at_rest()
    assert house.world.violations == []


def test_2_an_owner_that_wakes_after_its_lease_writes_nothing() -> None:
    house = B.build()
    heads: list[str] = []

    def successor() -> None:
        house.lease_lapses()
        rotated(house, "p2")
        heads.append(house.journal.head(NAME).digest)

    house.world.conductor = Rules(pauses={("p1", "journal.append", 4): successor})
    late = rotated(house)
    assert late.standing is Standing.BUSY
    assert house.journal.head(NAME).digest == heads[0]
    assert house.world.violations == []


def test_3_a_store_that_reads_back_something_else_stops_before_promotion() -> None:
    house = B.build()

    def swap() -> None:
        ((version, (summary, _)),) = [item for item in house.store.values.items() if item[1][0].operation]
        house.store.values[version] = (summary, value_of("something-else"))

    house.world.conductor = Rules(pauses={("p1", "store.read", 2): swap})
    rotated(house)
    assert id_of(current(house)) == "v0"
    assert set(house.provider.held) == {"v0", "w0"}


@pytest.mark.parametrize("reason", [Reason.CONDITIONAL_ACCESS, Reason.NETWORK_POLICY, Reason.NO_PERMISSION])
def test_4_and_5_what_is_no_refusal_of_the_value_neither_promotes_nor_revokes(reason: Reason) -> None:
    house = B.build()

    def verify(value: SecretValue) -> VerificationResult:
        works = id_of(value) == "v0"
        return VerificationResult(
            status=VerificationStatus.VALID if works else outcome(reason), reason=Reason.WORKS if works else reason
        )

    ended = rotate(replacing(house.context("p1"), verify), wait=True)
    assert ended.standing is Standing.QUARANTINED and reason in ended.text
    assert id_of(current(house)) == "v0"
    assert record(house).new is not None and record(house).new.id in house.provider.held  # type: ignore[union-attr]


def test_6_a_full_provider_is_reported_with_owner_age_and_last_use() -> None:
    house = Scenario(kind=CredentialClass.B, traits={"slots": 2, "last_used": True, "creator": True}).build()
    house.provider.uses[CredentialId("w0")] = house.world.now
    ended = rotated(house)
    assert ended.standing is Standing.REFUSED and house.record is None
    assert all(word in ended.text for word in ("w0", "somebody-else", "made 2030", "last use"))


def test_6_our_own_retired_credential_is_finished_first() -> None:
    house = Scenario(kind=CredentialClass.B, traits={"slots": 3}).build()
    house.world.conductor = Rules(faults={("p1", "issuer.revoke", 1): Fault.KILLED_BEFORE})
    survive(rotate, house.context("p1"), wait=True)
    house.world.pass_time(timedelta(days=40))
    assert rotated(house, "p2").standing is Standing.DONE
    assert rotate(house.context("p3"), force=True, wait=True).standing is Standing.DONE
    house.at_rest()
    assert house.world.violations == []


def test_7_a_current_credential_deleted_by_somebody_is_replaced() -> None:
    house = Scenario(kind=CredentialClass.B).build()
    house.retiring = True  # I1 is already broken by that somebody
    del house.provider.held[CredentialId("v0")]
    assert rotated(house).standing is Standing.DONE
    assert id_of(current(house)) in house.provider.held


def test_7_a_candidate_deleted_by_somebody_is_not_promoted() -> None:
    house = B.build()

    def vanish() -> None:
        for name in [name for name in house.provider.held if name.startswith("k")]:
            del house.provider.held[name]

    house.world.conductor = Rules(pauses={("p1", "target.verify", 1): vanish})
    rotated(house)
    assert record(house).outcome is Outcome.ROLLED_BACK
    assert id_of(current(house)) == "v0"


@pytest.mark.parametrize("minutes", [-10, 10])
def test_7_clocks_that_differ_by_minutes_do_not_hide_a_lost_candidate(minutes: int) -> None:
    house = SCENARIOS["B-unstamped"].build()
    house.world.conductor = Rules(faults={("p1", "issuer.mint", 1): Fault.KILLED_AFTER})
    survive(rotate, house.context("p1"), wait=True)
    lost = next(item for item in house.provider.held.values() if item.id.startswith("k"))
    created = house.world.now + timedelta(minutes=minutes)
    house.provider.held[lost.id] = dataclasses.replace(lost, created=created)
    house.lease_lapses()
    assert rotated(house, "p2").standing is Standing.DONE
    assert lost.id not in house.provider.held


@pytest.mark.parametrize("name", ["A", "B", "B-first", "C", "D", "E"])
@pytest.mark.parametrize("write", STORE_WRITES)
def test_9_a_store_that_is_read_only_at_any_write_loses_nothing(name: str, write: str) -> None:
    house = SCENARIOS[name].build()
    house.world.conductor = Rules(always={("p1", write): Fault.REFUSED, ("p2", write): Fault.REFUSED})
    for process in ("p1", "p2"):
        rotated(house, process)
        house.lease_lapses()
    ended = rotated(house, "p3")
    house.at_rest()
    assert house.world.violations == []
    assert ended.standing in (Standing.DONE, Standing.QUARANTINED, Standing.NOT_DUE, Standing.FAILED)


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "E"])
def test_9_with_the_audit_log_blocked_nothing_is_made(name: str) -> None:
    house = SCENARIOS[name].build()
    house.world.conductor = Rules(always={("p1", "audit.append"): Fault.REFUSED})
    assert rotated(house).standing is Standing.FAILED
    assert not [call for call in house.world.calls if call.name in ("issuer.mint", "issuer.set")]


def test_10_a_consumer_that_restarts_into_the_old_value_is_delivered_again() -> None:
    house = SCENARIOS["C"].build()
    rotated(house)
    house.consumer.box = house.consumer.holds = house.consumer.original
    resume(house.context("p2"), wait=True)
    assert house.consumer.holds == current(house)
    assert record(house).outcome is Outcome.DONE


def test_11_a_retired_id_is_known_after_a_failed_revocation_and_a_restart() -> None:
    house = B.build()
    house.world.conductor = Rules(always={("p1", "issuer.revoke"): Fault.REFUSED})
    assert rotated(house).standing is Standing.FAILED
    assert record(house).retired == ("v0",)
    house.lease_lapses()
    assert rotated(house, "p2").standing is Standing.DONE
    assert "v0" not in house.provider.held


@pytest.mark.parametrize("append", range(2, 11))
def test_12_somebody_writes_the_old_value_between_any_two_states(append: int) -> None:
    house = B.build()
    old = value_of("v0")
    house.world.conductor = Rules(pauses={("p1", "journal.append", append): lambda: house.store.put_current(old)})
    rotated(house)
    house.lease_lapses()
    resume(house.context("p2"), wait=True)
    assert house.world.violations == []
    assert "v0" in house.provider.held, "what is current was not revoked"


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_13_a_journal_restored_from_any_older_moment_loses_nothing(name: str) -> None:
    length = len(_closed(name).journal.history(NAME))
    for kept in range(1, length):
        house = _closed(name)
        del house.journal.records[NAME][kept:]  # type: ignore[union-attr]  # the simulated one
        house.lease_lapses()
        ended = resume(house.context("p2"), wait=True)
        assert ended.standing in (Standing.DONE, Standing.QUARANTINED, Standing.FAILED), f"{kept} records kept"
        assert house.world.violations == [], f"{kept} records kept"
        assert house.provider.accepts(current(house))


def test_13_a_store_restored_from_a_backup_is_noticed_before_anything_is_changed() -> None:
    house = _closed("B")
    house.retiring = True  # I1 is broken by the restoring itself
    house.store.put_current(value_of("v0"))
    ended = resume(house.context("p2"))
    assert ended.standing is Standing.QUARANTINED and "not the value" in ended.text
    assert len(house.provider.held) == 2


def _closed(name: str) -> House:
    house = SCENARIOS[name].build()
    rotated(house)
    return house


@pytest.mark.parametrize("name", ["A", "B", "B-soft", "C", "D"])
def test_retirement_cut_at_any_call_is_finished_by_the_next_run(name: str) -> None:
    calm = _closed(name)
    calm.retiring = True
    before = len(calm.world.calls)
    assert retire(calm.context("retire")).outcome is Outcome.RETIRED
    names = [call.name for call in calm.world.calls[before:]]
    for fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.ANSWER_LOST, Fault.REFUSED):
        for number, call in enumerate(names):
            nth = names[: number + 1].count(call)
            house = _closed(name)
            house.retiring = True
            house.world.conductor = Rules(faults={("retire", call, nth): fault})
            survive(lambda context, **_: retire(context, wait=True), house.context("retire"))
            house.lease_lapses()
            ended = retire(house.context("p2"), wait=True)
            house.lease_lapses()
            ended = retire(house.context("p3"), wait=True)
            assert ended.outcome is Outcome.RETIRED, f"{fault} at {call} {nth}: {ended}"
            assert set(house.provider.held) <= {"w0"} and not house.store.values
            assert house.consumer.withdrawn
    assert record(calm).state is State.CLOSED

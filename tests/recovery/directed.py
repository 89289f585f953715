"""Situations that need more than one cut to arise: each sets one up, runs a driver in it, and returns what broke."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.domain.credential import CredentialId
from lifecycle.domain.errors import FenceError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_events import Quarantined
from lifecycle.domain.rotation_machine import Stamp, next_record
from lifecycle.domain.secret import CandidateId, OperationId
from lifecycle.testing.world import Call, Fault
from tests.fakes.destination import Mood
from tests.fakes.house import NAME, REF, House
from tests.fakes.provider import value_of
from tests.recovery.cuts import Driver, survive
from tests.recovery.interleaving import Turn, interleave
from tests.recovery.scenarios import SCENARIOS, Scenario

Situation = Callable[[Driver], list[str]]


@dataclass(kw_only=True)
class Rules:
    """Conductor that looks faults up by process, call name and how often it was made; `pauses` let others act."""

    faults: dict[tuple[str, str, int], Fault] = field(default_factory=dict)
    always: dict[tuple[str, str], Fault] = field(default_factory=dict)
    pauses: dict[tuple[str, str, int], Callable[[], object]] = field(default_factory=dict)
    pauses_after: dict[tuple[str, str, int], Callable[[], None]] = field(default_factory=dict)
    made: dict[tuple[str, str], int] = field(default_factory=dict)

    def before(self, call: Call) -> Fault:
        kind = (call.process, call.name)
        number = self.made[kind] = self.made.get(kind, 0) + 1
        act = self.pauses.get((*kind, number))
        if act is not None:
            act()
        return self.faults.get((*kind, number), self.always.get(kind, Fault.NONE))

    def after(self, call: Call) -> None:
        act = self.pauses_after.get((call.process, call.name, self.made[call.process, call.name]))
        if act is not None:
            act()


def _finish(house: House, driver: Driver) -> list[str]:
    house.lease_lapses()
    survive(driver.resume, house.context("calm"), wait=True)
    house.at_rest()
    return house.world.violations


def candidate_that_was_sent_is_kept(driver: Driver) -> list[str]:
    """C: paused before the set; the successor's set is refused, it sets back and closes; then the set goes out."""
    house = SCENARIOS["C"].build(driver.removed)

    def others() -> None:
        house.lease_lapses()
        survive(driver.rotate, house.context("p2"), wait=True)
        house.lease_lapses()
        survive(driver.resume, house.context("p3"), wait=True)

    house.world.conductor = Rules(
        pauses={("p1", "issuer.set", 1): others}, faults={("p2", "issuer.set", 1): Fault.REFUSED}
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    return house.world.violations


def pending_of_an_unknown_operation_is_left_alone(driver: Driver) -> list[str]:
    """Clean-up discards only what belongs to operations that are recorded closed."""
    house = SCENARIOS["C"].build(driver.removed)
    survive(driver.rotate, house.context("p1"), wait=True)
    house.store.stage(REF, OperationId("unknown"), CandidateId("9-9"), value_of("kept"), fence=9)
    survive(driver.resume, house.context("p2"), wait=True)
    if not house.store.pending:
        house.world.broken("a pending value of another operation was discarded")
    return _finish(house, driver)


def retry_does_not_arrive_after_the_overlap(driver: Driver) -> list[str]:
    """E: the overlap outlasts the settle time but not one more call; the retry would be slow."""
    house = Scenario(kind=SCENARIOS["E"].kind, traits={"overlap": timedelta(seconds=50)}).build(driver.removed)
    house.world.conductor = Rules(
        faults={("p1", "issuer.mint", 1): Fault.ANSWER_LOST, ("p1", "issuer.mint", 2): Fault.LATE}
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    return house.world.violations


def refresh_token_is_presented_twice_at_most(driver: Driver) -> list[str]:
    """E with overlap: every answer is lost."""
    house = SCENARIOS["E-overlap"].build(driver.removed)
    rules = Rules(always={("p1", "issuer.mint"): Fault.ANSWER_LOST})
    house.world.conductor = rules
    survive(driver.rotate, house.context("p1"), wait=True)
    if rules.made.get(("p1", "issuer.mint"), 0) > 2:
        house.world.broken("a refresh token was presented more than twice")
    return house.world.violations


def token_is_not_presented_after_the_overlap(driver: Driver) -> list[str]:
    """E with overlap: killed after the request, taken up when the window has closed."""
    house = SCENARIOS["E-overlap"].build(driver.removed)
    house.world.conductor = Rules(faults={("p1", "issuer.mint", 1): Fault.KILLED_AFTER})
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def current_is_never_taken_for_a_lost_candidate(driver: Driver) -> list[str]:
    """B without stamp: the listing before INTENT lags and misses the current key."""
    house = SCENARIOS["B-unstamped"].build(driver.removed)
    house.provider.add("v0", by="us")  # as if made a moment ago
    house.world.conductor = Rules(
        always={("p1", "issuer.list"): Fault.STALE}, faults={("p1", "issuer.mint", 1): Fault.KILLED_BEFORE}
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    house.lease_lapses()
    survive(driver.rotate, house.context("p2"), wait=True)
    if house.record is not None and house.record.state is State.QUARANTINED:
        house.world.broken("the current key was taken for a lost candidate")
    return house.world.violations


def unanswered_probe_neither_promotes_nor_rolls_back(driver: Driver) -> list[str]:
    """C: the target does not answer the first probe of the candidate."""
    house = SCENARIOS["C"].build(driver.removed)
    house.world.conductor = Rules(faults={("p1", "target.verify", 1): Fault.WRITE_LOST})
    survive(driver.rotate, house.context("p1"), wait=True)
    record = house.record
    if record is None or record.outcome is not Outcome.DONE:
        house.world.broken("an unanswered probe was taken for an answer")
    return house.world.violations


def refused_candidate_is_removed_and_current_untouched(driver: Driver) -> list[str]:
    """B: the new key is refused for good, before it was promoted."""
    house = SCENARIOS["B"].build(driver.removed)
    survive(driver.rotate, house.context("p0"), wait=True)
    house.world.pass_time(timedelta(days=31))
    house.world.conductor = Rules(always={("p1", "target.verify"): Fault.NOT_YET})
    house.provider.is_fresh = lambda credential_id: True  # type: ignore[method-assign]  # refused for ever
    survive(driver.rotate, house.context("p1"), wait=True)
    if house.record is None or house.record.outcome is not Outcome.ROLLED_BACK:
        house.world.broken("a refused candidate was not rolled back")
    return house.world.violations


def lost_mint_is_looked_for_after_the_settle_time(driver: Driver) -> list[str]:
    """B: the answer is lost and the provider's list lags."""
    house = SCENARIOS["B"].build(driver.removed)
    house.world.conductor = Rules(
        faults={("p1", "issuer.mint", 1): Fault.ANSWER_LOST}, always={("p1", "issuer.list"): Fault.STALE}
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def revocation_is_believed_only_when_read_back(driver: Driver) -> list[str]:
    """B: the deletion of the old key is lost."""
    house = SCENARIOS["B"].build(driver.removed)
    house.world.conductor = Rules(faults={("p1", "issuer.revoke", 1): Fault.WRITE_LOST})
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def rejected_value_cannot_be_promoted_while_it_dies(driver: Driver) -> list[str]:
    """B: rolled back after a consumer failed; somebody promotes `previous` while the rejected key dies."""
    house = SCENARIOS["B-consumer-fails"].build(driver.removed)
    house.world.conductor = Rules(pauses={("p1", "issuer.revoke", 1): house.somebody_promotes_previous})
    survive(driver.rotate, house.context("p1"), wait=True)
    return house.world.violations


def stale_delivery_is_refused(driver: Driver) -> list[str]:
    """B: paused before a delivery; the successor rolls that value back and deletes it."""
    house = SCENARIOS["B-consumer-fails"].build(driver.removed)

    def others() -> None:
        house.lease_lapses()
        survive(driver.rotate, house.context("p2"), wait=True)

    house.world.conductor = Rules(pauses={("p1", "destination.deliver", 1): others})
    survive(driver.rotate, house.context("p1"), wait=True)
    return house.world.violations


def only_the_new_fingerprint_counts(driver: Driver) -> list[str]:
    """B: the consumer keeps acknowledging the old value."""
    house = SCENARIOS["B"].build(driver.removed)
    house.consumer.mood = Mood.STUCK
    survive(driver.rotate, house.context("p1"), wait=True)
    if CredentialId("v0") not in house.provider.held:
        house.world.broken("I7: revoked on the acknowledgement of another value")
    return house.world.violations


def both_slots_taken_changes_nothing(driver: Driver) -> list[str]:
    """A: somebody else holds the spare slot before we begin, or takes it just before we set it."""
    taken = SCENARIOS["A"].build(driver.removed)
    taken.somebody_creates()
    survive(driver.rotate, taken.context("p1"), wait=True)
    if taken.record is not None:
        taken.world.broken("a rotation was begun with no free slot")
    raced = SCENARIOS["A"].build(driver.removed)

    def other() -> None:
        raced.somebody_creates()

    raced.world.conductor = Rules(pauses={("p1", "issuer.set", 1): other})
    survive(driver.rotate, raced.context("p1"), wait=True)
    return taken.world.violations + raced.world.violations


def lost_candidate_is_deleted_only_on_record(driver: Driver) -> list[str]:
    """B: both look for a lost mint; the successor makes one, the first takes that for the lost one and deletes it."""
    turns = [
        Turn(process=0, until=("issuer.list", 3)),
        Turn(process=1, until=("store.stage", 1), lapse=True),
        Turn(process=0, until=("issuer.revoke", 1)),
        Turn(process=1, until=("store.seal", 1)),
        Turn(process=0),
    ]
    faults = {("p1", "issuer.mint", 1): Fault.WRITE_LOST}
    return interleave(SCENARIOS["B"], turns, driver, faults)


def staging_whose_answer_was_lost_is_left_to_the_successor(driver: Driver) -> list[str]:
    """B: staged, the answer lost and the store silent; paused before deleting; the successor takes the value up."""
    house = SCENARIOS["B"].build(driver.removed)
    rules = Rules(faults={("p1", "store.stage", 1): Fault.ANSWER_LOST})

    def silent() -> None:
        rules.always["p1", "store.describe"] = rules.always["p1", "store.read"] = Fault.REFUSED

    def others() -> None:
        house.lease_lapses()
        survive(driver.rotate, house.context("p2"), wait=True)

    rules.pauses_after = {("p1", "store.stage", 1): silent}
    rules.pauses = {("p1", "issuer.revoke", 1): others}
    house.world.conductor = rules
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def what_was_there_before_the_lock_is_not_taken_for_ours(driver: Driver) -> list[str]:
    """B with no evidence: somebody makes a key just before we hold the lock; then our mint is lost on its way."""
    house = SCENARIOS["B-blind"].build(driver.removed)
    house.world.conductor = Rules(
        pauses={("p1", "lease.acquire", 1): house.somebody_creates},
        faults={("p1", "issuer.mint", 1): Fault.WRITE_LOST},
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    if house.record is None or house.record.outcome is not Outcome.DONE:
        house.world.broken("a key that was there before we began was taken for one that we may have made")
    return _finish(house, driver)


def value_that_was_set_is_not_staged_over(driver: Driver) -> list[str]:
    """C: paused before staging; the successor stages and sets its value; then the first one stages."""
    turns = [
        Turn(process=0, until=("store.stage", 1)),
        Turn(process=1, until=("target.verify", 1), lapse=True),
        Turn(process=0),
        Turn(process=1),
    ]
    return interleave(SCENARIOS["C"], turns, driver)


def value_under_way_is_still_a_candidate(driver: Driver) -> list[str]:
    """C: killed while its change is under way; that lands only when the successor has looked at the target."""
    house = SCENARIOS["C"].build(driver.removed)
    house.world.conductor = Rules(
        pauses={("p1", "issuer.set", 1): lambda: house.world.dead.add("p1")},
        faults={("p1", "issuer.set", 1): Fault.LATE},
    )
    survive(driver.rotate, house.context("p1"), wait=True)
    under_way, house.world.late = house.world.late, []
    house.lease_lapses()
    house.world.late = under_way
    survive(driver.rotate, house.context("p2"), wait=True)
    return _finish(house, driver)


def successor_records_itself_first(driver: Driver) -> list[str]:
    """Killed in MINTING: the first call after reading the head is the record of the takeover."""
    house = SCENARIOS["B"].build(driver.removed)
    house.world.conductor = Rules(faults={("p1", "issuer.mint", 1): Fault.KILLED_AFTER})
    survive(driver.rotate, house.context("p1"), wait=True)
    house.lease_lapses()
    survive(driver.resume, house.context("p2"), wait=True)
    calls = [call.name for call in house.world.calls if call.process == "p2"]
    if calls[:3] != ["lease.acquire", "journal.head", "journal.append"]:
        house.world.broken("a successor acted before its takeover was on record")
    return _finish(house, driver)


def journal_refuses_a_lower_fence(driver: Driver) -> list[str]:
    """A woken process reads the newest head and writes with the fence of its lapsed lease."""
    house = SCENARIOS["B"].build(driver.removed)
    old = house.journal.acquire(NAME, "p1", timedelta(seconds=1))
    house.lease_lapses()
    survive(driver.rotate, house.context("p2"), wait=True)
    head = house.journal.head(NAME)
    assert head.record is not None
    stamp = Stamp(at=house.world.now, fence=old.fence, previous=head.digest)
    record = next_record(head.record, Quarantined(reason="stale", remedy="none"), stamp)
    with contextlib.suppress(FenceError):
        house.journal.append(old, record, head.digest)
        house.world.broken("the journal took a record with a lower fence")
    return house.world.violations


def woken_process_does_not_present_an_old_token(driver: Driver) -> list[str]:
    """E with overlap: paused before the request; the successor used the token; the overlap ends; the first wakes."""
    house = Scenario(kind=SCENARIOS["E"].kind, traits={"overlap": timedelta(hours=2)}).build(driver.removed)

    def others() -> None:
        house.lease_lapses()
        survive(driver.rotate, house.context("p2"), wait=True)
        house.world.pass_time(timedelta(hours=3))

    house.world.conductor = Rules(pauses_after={("p1", "audit.append", 1): others})
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def woken_process_does_not_set_an_old_value(driver: Driver) -> list[str]:
    """C: paused before the set; three operations later it wakes."""
    house = SCENARIOS["C"].build(driver.removed)

    def others() -> None:
        house.lease_lapses()
        for number in range(4):
            survive(driver.rotate, house.context(f"later{number}"), wait=True)
            house.world.pass_time(timedelta(days=31))

    house.world.conductor = Rules(pauses_after={("p1", "audit.append", 1): others})
    survive(driver.rotate, house.context("p1"), wait=True)
    return _finish(house, driver)


def failures_do_not_shorten_grace(driver: Driver) -> list[str]:
    """B: a consumer cannot be asked once during grace; the back-off is shorter than the minimum that is left."""
    house = SCENARIOS["B"].build(driver.removed)
    context = house.context("p1")
    quick = dataclasses.replace(context, limits=dataclasses.replace(context.limits, poll=timedelta(seconds=5)))
    rules = Rules()

    def unreachable() -> None:
        if house.record is not None and house.record.state is State.PROPAGATING:
            rules.always["p1", "destination.acknowledged"] = Fault.REFUSED

    rules.pauses_after = {("p1", "journal.append", number): unreachable for number in (8, 9)}
    house.world.conductor = rules
    for _ in range(30):
        survive(driver.rotate, quick, wait=True)
        if house.record is not None and house.record.faults:
            rules.always.clear()
    return _finish(house, driver)


def consumer_that_fell_back_keeps_the_old_value(driver: Driver) -> list[str]:
    """B: acknowledged, and then restarted from an image with the old value baked in; the old one must live on."""
    house = SCENARIOS["B"].build(driver.removed)
    while house.record is None or house.record.state is not State.GRACE:
        survive(driver.rotate, house.context("p1"))
        house.world.pass_time(timedelta(minutes=10))
    house.consumer.mood = Mood.STUCK
    house.consumer.box = house.consumer.holds = house.consumer.original
    survive(driver.rotate, house.context("p2"), wait=True)
    ended = house.journal.head(NAME).record
    if (ended is None or ended.state is not State.QUARANTINED) and not house.world.violations:
        house.world.broken("a consumer fell back to the old value, and no person was told")
    return house.world.violations


SITUATIONS: dict[str, Situation] = {
    work.__name__: work
    for work in (
        candidate_that_was_sent_is_kept,
        pending_of_an_unknown_operation_is_left_alone,
        retry_does_not_arrive_after_the_overlap,
        refresh_token_is_presented_twice_at_most,
        token_is_not_presented_after_the_overlap,
        current_is_never_taken_for_a_lost_candidate,
        unanswered_probe_neither_promotes_nor_rolls_back,
        refused_candidate_is_removed_and_current_untouched,
        lost_mint_is_looked_for_after_the_settle_time,
        revocation_is_believed_only_when_read_back,
        rejected_value_cannot_be_promoted_while_it_dies,
        stale_delivery_is_refused,
        only_the_new_fingerprint_counts,
        both_slots_taken_changes_nothing,
        lost_candidate_is_deleted_only_on_record,
        staging_whose_answer_was_lost_is_left_to_the_successor,
        what_was_there_before_the_lock_is_not_taken_for_ours,
        value_that_was_set_is_not_staged_over,
        value_under_way_is_still_a_candidate,
        successor_records_itself_first,
        journal_refuses_a_lower_fence,
        woken_process_does_not_present_an_old_token,
        woken_process_does_not_set_an_old_value,
        failures_do_not_shorten_grace,
        consumer_that_fell_back_keeps_the_old_value,
    )
}

"""Copies of the driver from which one rule was taken, by editing its source; the original files are never touched.

Each mutant names its edits (module, text that must occur exactly once, replacement), or rules of the surroundings that
the simulators drop, and where it shows: a situation of `directed`, or the cuts of a scenario.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lifecycle.testing.world import Fault
from tests.recovery import directed
from tests.recovery.cuts import Act, Cut, Driver, Resume, acts_of, calm_calls, cuts_of, run_cut
from tests.recovery.directed import SITUATIONS
from tests.recovery.interleaving import interleave, schedules
from tests.recovery.scenarios import SCENARIOS

_COPIED = (
    "domain.rotation_machine",
    "domain.rotation_ownership",
    "operations.rotation_context",
    "operations.rotation_session",
    "operations.prepare_candidate",
    "operations.mint_candidate",
    "operations.set_candidate",
    "operations.promote_candidate",
    "operations.deliver_value",
    "operations.end_previous",
    "operations.roll_back",
    "operations.withdraw_consumers",
    "operations.reconcile_credential",
    "operations.rotate_credential",
)
_serial = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One replacement in one module of the driver."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One rule less.

    Attributes:
        rule: what was taken away, in words.
        edits: how; removed: rules that the simulated surroundings drop.
        shows: scenarios to cut, or names of situations.
        acts, faults: which cuts of those scenarios are tried, in this order.
    """

    rule: str
    edits: tuple[Edit, ...] = ()
    removed: frozenset[str] = frozenset()
    shows: tuple[str, ...] = ()
    acts: tuple[Act, ...] = ()
    faults: tuple[Fault, ...] = ()


def load(mutant: Mutant) -> Driver:
    """Build the mutated copy of the driver under a private package name."""
    package = f"mutated_{next(_serial)}"
    left = list(mutant.edits)
    for name in (package, f"{package}.domain", f"{package}.operations"):
        sys.modules[name] = types.ModuleType(name)
    for name in _COPIED:
        source = Path(str(importlib.import_module(f"lifecycle.{name}").__file__)).read_text()
        for edit in [edit for edit in left if edit.module == name]:
            if source.count(edit.old) != 1:
                raise AssertionError(f"{name}: the text to replace occurs {source.count(edit.old)} times: {edit.old}")
            source = source.replace(edit.old, edit.new)
            left.remove(edit)
        for copied in _COPIED:
            source = source.replace(f"from lifecycle.{copied} import", f"from {package}.{copied} import")
        module = types.ModuleType(f"{package}.{name}")
        sys.modules[module.__name__] = module
        exec(compile(source, f"{package}/{name}.py", "exec"), module.__dict__)  # our own source, edited
    if left:
        raise AssertionError(f"not among the copied modules: {left}")
    entry = sys.modules[f"{package}.operations.rotate_credential"]
    return Driver(rotate=entry.rotate, resume=entry.resume, removed=mutant.removed)


def hunt(mutant: Mutant) -> Iterator[tuple[str, list[str]]]:
    """Run where the mutant should show: (what was done, which invariants broke)."""
    driver = load(mutant)
    for name in mutant.shows:
        if name in SITUATIONS:
            yield name, SITUATIONS[name](driver)
            continue
        if name.startswith("interleaved:"):
            scenario = SCENARIOS[name.removeprefix("interleaved:")]
            yield from ((str(turns), interleave(scenario, turns, driver)) for turns in schedules(40, 60, 3))
            continue
        scenario = SCENARIOS[name]
        calls = calm_calls(scenario, driver)
        yield f"{name}: calm", run_cut(scenario, Cut(call=-1), Resume.TWICE, driver=driver).violations
        for act in mutant.acts:
            for cut in acts_of(scenario, calls, act):
                yield f"{name}: {cut}", run_cut(scenario, cut, Resume.TWICE, driver=driver).violations
        for fault in mutant.faults:
            for cut in cuts_of(calls, fault):
                yield f"{name}: {cut}", run_cut(scenario, cut, Resume.TWICE, driver=driver).violations


def _edit(module: str, old: str, new: str) -> tuple[Edit, ...]:
    return (Edit(module=f"operations.{module}", old=old, new=new),)


def _name(work: directed.Situation) -> str:
    return work.__name__


# Asked again right before the old value is sealed, so that no earlier mistake about acknowledgements kills it alone.
_FALLEN_BACK_IGNORED = _edit("end_previous", "fallen_back(session) or ", "")

MUTANTS: dict[str, Mutant] = {
    "no-reconcile": Mutant(
        rule="[1] a closed operation is looked at again before anything else",
        edits=_edit(
            "reconcile_credential",
            "if record.state is not State.CLOSED or record.outcome is Outcome.RETIRED:",
            "if record.state:",
        ),
        shows=("B", "B-consumer-fails"),
        acts=(Act.PAUSE,),
    ),
    "foreign-current-ignored": Mutant(
        rule="[1] somebody else's current is never overwritten by reconciling",
        edits=_edit("reconcile_credential", "if seen.current != record.live:", "if False:"),
        shows=("B",),
        acts=(Act.PROMOTES, Act.PROMOTES_PREVIOUS),
    ),
    "delete-without-condemning": Mutant(
        rule="[2] a lost candidate is condemned on record before it is deleted",
        edits=_edit(
            "mint_candidate",
            'return on.Condemned(id=lost, candidate=None, reason="its value was lost with the answer; it is deleted")',
            "session.context.issuer.revoke(session.context.principal, lost)\n"
            '    return on.AttemptSpent(limit=3, reason="deleted", remedy="none")',
        ),
        shows=(_name(directed.lost_candidate_is_deleted_only_on_record),),
    ),
    "no-takeover-record": Mutant(
        rule="[3] the first thing a successor does is a record",
        edits=_edit("rotation_session", "session.apply(on.TakenOver())", "pass"),
        shows=(_name(directed.successor_records_itself_first),),
    ),
    "no-seal": Mutant(
        rule="[4] the old value is sealed before it is revoked",
        edits=_edit(
            "end_previous",
            "revision = context.store.seal(context.ref, expected=session.record.expected)",
            "revision = session.record.expected",
        ),
        shows=("B",),
        acts=(Act.PROMOTES_PREVIOUS,),
    ),
    "no-seal-on-rollback": Mutant(
        rule="[4] a rejected value is sealed by the rollback itself",
        removed=frozenset({"seal-rollback"}),
        shows=(_name(directed.rejected_value_cannot_be_promoted_while_it_dies),),
    ),
    "expected-version-read-late": Mutant(
        rule="[5] promotion expects the revision read under the lock",
        edits=_edit(
            "promote_candidate",
            "record.candidate, expected=record.expected)",
            "record.candidate, expected=session.store_state().revision)",
        ),
        shows=("B",),
        acts=(Act.PROMOTES,),
    ),
    "overwrite-unknown-slot": Mutant(
        rule="[6] a slot that holds a key which is not ours stops the rotation",
        edits=_edit(
            "reconcile_credential", "full = bool(foreign) and len(listed) >= max(traits.slots, 2)", "full = False"
        ),
        shows=(_name(directed.both_slots_taken_changes_nothing),),
    ),
    "unconditional-set": Mutant(
        rule="[6] a slot is set only if it holds what was seen",
        removed=frozenset({"conditional-set"}),
        shows=(_name(directed.both_slots_taken_changes_nothing),),
    ),
    "ceiling-only-alerts": Mutant(
        rule="[7] the ceiling ends in QUARANTINED",
        edits=_edit(
            "deliver_value",
            "if session.record.ceiling_at is not None and now >= session.record.ceiling_at:",
            "if False:",
        ),
        shows=("B-consumer-stuck",),
    ),
    "unfenced-delivery": Mutant(
        rule="[8] a destination refuses a lower fence",
        removed=frozenset({"fenced-deliver"}),
        shows=(_name(directed.stale_delivery_is_refused),),
    ),
    "discard-sent-candidate": Mutant(
        rule="[9] a candidate that was sent stays until the next operation closed",
        edits=_edit("reconcile_credential", "not (still_needed and record.sent)", "not still_needed or True"),
        shows=(_name(directed.candidate_that_was_sent_is_kept),),
    ),
    "discard-any-leftover": Mutant(
        rule="[9] only pending values of closed operations are discarded",
        edits=_edit("reconcile_credential", "if item.operation in closed and not (still", "if not (still"),
        shows=(_name(directed.pending_of_an_unknown_operation_is_left_alone),),
    ),
    "no-send-deadline-E": Mutant(
        rule="[10] a change is sent only while the own lease outlasts it",
        edits=_edit(
            "rotation_session",
            "if self.lease_until - self.context.monotonic() > needed:",
            "if needed:",
        ),
        shows=(_name(directed.woken_process_does_not_present_an_old_token),),
    ),
    "no-send-deadline-C": Mutant(
        rule="[10] a change is sent only while the own lease outlasts it",
        edits=_edit(
            "rotation_session",
            "if self.lease_until - self.context.monotonic() > needed:",
            "if needed:",
        ),
        shows=(_name(directed.woken_process_does_not_set_an_old_value),),
    ),
    "retry-near-window-end": Mutant(
        rule="[11] the retry must be answered inside the overlap",
        edits=_edit(
            "mint_candidate",
            "session.context.clock() + session.traits.request_timeout < begun",
            "session.context.clock() < begun",
        ),
        shows=(_name(directed.retry_does_not_arrive_after_the_overlap),),
    ),
    "retry-outside-window": Mutant(
        rule="no retry once the overlap is over",
        edits=_edit(
            "mint_candidate",
            "return session.context.clock() + session.traits.request_timeout < begun + session.traits.overlap",
            "return True",
        ),
        shows=(_name(directed.token_is_not_presented_after_the_overlap),),
    ),
    "refresh-retried-undeclared": Mutant(
        rule="no retry at a server that did not declare an overlap",
        edits=_edit(
            "mint_candidate",
            "if session.record.attempt == 1 and _in_window(session):",
            "if session.record.attempt == 1:",
        )
        + _edit(
            "mint_candidate",
            "if token is None or (session.record.attempt > 1 and not _in_window(session)):",
            "if token is None:",
        ),
        shows=("E",),
        faults=(Fault.ANSWER_LOST,),
    ),
    "refresh-retried-twice": Mutant(
        rule="exactly one retry",
        edits=_edit(
            "mint_candidate", "if session.record.attempt == 1 and _in_window(session):", "if _in_window(session):"
        )
        + _edit("mint_candidate", "return on.AttemptSpent(limit=2,", "return on.AttemptSpent(limit=9,"),
        shows=(_name(directed.refresh_token_is_presented_twice_at_most),),
    ),
    "preimage-from-one-listing": Mutant(
        rule="[12] the current credential is part of the pre-image",
        edits=_edit("reconcile_credential", "if current is not None:  # whatever", "if False:  # whatever"),
        shows=(_name(directed.current_is_never_taken_for_a_lost_candidate),),
    ),
    "marker-not-read-back": Mutant(
        rule="[13] the marker of a first issuance is read back",
        edits=_edit(
            "prepare_candidate",
            "        except AmbiguousEffectError:\n            session.fresh = False\n",
            "        except AmbiguousEffectError:\n            return state.revision\n",
        ),
        shows=("B-first",),
        faults=(Fault.WRITE_LOST,),
    ),
    "no-marker": Mutant(
        rule="[13] a first issuance writes the marker",
        edits=_edit("prepare_candidate", "if session.record.old is None:", "if False:"),
        shows=("B-first",),
    ),
    "promote-without-cas": Mutant(
        rule="promotion is a compare-and-set",
        removed=frozenset({"compare-and-set"}),
        shows=("B",),
        acts=(Act.PROMOTES,),
    ),
    "delete-all-others": Mutant(
        rule="only what is retired is deleted",
        edits=_edit(
            "end_previous",
            "    delete(session, doomed)\n    if session.listing()",
            "    for item in session.listing().credentials:\n"
            "        if record.new is None or item.id != record.new.id:\n"
            "            delete(session, item.id)\n"
            "    if session.listing()",
        ),
        shows=("B",),
    ),
    "delete-before-promote": Mutant(
        rule="the old one is deleted last",
        edits=_edit(
            "promote_candidate",
            "            return on.Verified()",
            "            if session.record.old is not None:\n"
            "                session.context.issuer.revoke(session.context.principal, session.record.old.id)\n"
            "            return on.Verified()",
        ),
        shows=("B",),
    ),
    "unknown-is-invalid": Mutant(
        rule="an unanswered probe is not a refusal",
        edits=_edit(
            "rotation_session",
            "        return result.status\n",
            "        good = result.status is VerificationStatus.VALID\n"
            "        return VerificationStatus.VALID if good else VerificationStatus.INVALID\n",
        ),
        shows=(_name(directed.unanswered_probe_neither_promotes_nor_rolls_back),),
    ),
    "no-verification": Mutant(
        rule="only what was shown to work is promoted",
        edits=_edit("promote_candidate", "    match session.try_value(value):", "    match VerificationStatus.VALID:"),
        shows=("B",),
    ),
    "revoke-without-acknowledgement": Mutant(
        rule="consumers acknowledge before the old one dies",
        edits=_edit("deliver_value", "    for binding in session.context.consumers:", "    for binding in ():")
        + _FALLEN_BACK_IGNORED,
        shows=("B",),
    ),
    "ceiling-revokes": Mutant(
        rule="the clock alone never revokes",
        edits=_edit(
            "deliver_value",
            'return on.Quarantined(reason=f"not acknowledged within the ceiling: {why}", remedy=NOT_ACKNOWLEDGED)',
            "return on.AllAcknowledged(minimum=session.context.policy.minimum, ceiling=session.context.policy.ceiling)",
        )
        + _FALLEN_BACK_IGNORED,
        shows=("B-consumer-stuck",),
    ),
    "any-acknowledgement": Mutant(
        rule="only an acknowledgement of the new fingerprint counts",
        edits=_edit("deliver_value", "    if said.fingerprint != fingerprint:", "    if False:") + _FALLEN_BACK_IGNORED,
        shows=(_name(directed.only_the_new_fingerprint_counts),),
    ),
    "fallen-back-ignored": Mutant(
        rule="who fell back to the old value after acknowledging keeps it alive",
        edits=_FALLEN_BACK_IGNORED,
        shows=(_name(directed.consumer_that_fell_back_keeps_the_old_value),),
    ),
    "one-lagging-listing": Mutant(
        rule="absent only after the settle time",
        edits=_edit("mint_candidate", "    session.settle()\n    session.listing()\n", "    session.listing()\n"),
        shows=(_name(directed.lost_mint_is_looked_for_after_the_settle_time),),
    ),
    "no-creator-identity": Mutant(
        rule="own = made by us, not merely new",
        edits=(
            Edit(
                module="domain.rotation_ownership",
                old="return created_by_us and _is_new(record, item)",
                new="return _is_new(record, item)",
            ),
        ),
        shows=("B-unstamped",),
        acts=(Act.CREATES,),
    ),
    "swap-when-not-promoted": Mutant(
        rule="a rollback swaps only what this operation promoted",
        edits=_edit("roll_back", "if record.promoted and not record.restored:", "if not record.restored:"),
        shows=(_name(directed.refused_candidate_is_removed_and_current_untouched),),
    ),
    "candidate-before-consumers": Mutant(
        rule="consumers are sent back before the rejected value is deleted",
        edits=_edit("roll_back", "        back = _consumers_back(session)", "        back = None"),
        shows=("B-consumer-fails",),
    ),
    "revocation-not-confirmed": Mutant(
        rule="gone is what the provider's list says",
        edits=_edit("end_previous", "    if session.listing().find(doomed) is None:", "    if doomed:"),
        shows=(_name(directed.revocation_is_believed_only_when_read_back),),
    ),
    "no-minimum": Mutant(
        rule="the old one lives for the minimum of grace",
        edits=_edit("end_previous", "record.hold_until is not None and now < record.hold_until", "False")
        + _edit("end_previous", "record.hold_until is not None and context.clock() < record.hold_until", "False"),
        shows=("B",),
    ),
    "back-off-replaces-minimum": Mutant(
        rule="a failure during grace does not shorten the minimum",
        edits=(
            Edit(
                module="domain.rotation_machine",
                old='return {"faults": record.faults + 1, ',
                new='return {"hold_until": event.not_before, "faults": record.faults + 1, ',
            ),
        ),
        shows=(_name(directed.failures_do_not_shorten_grace),),
    ),
    "last-use-ignored": Mutant(
        rule="what is still used is not revoked",
        edits=_edit("end_previous", "    if used:\n", "    if False:\n"),
        shows=("B-in-use",),
    ),
    "no-audit-before-mint": Mutant(
        rule="the audit log has the intent before anything is made",
        edits=_edit(
            "mint_candidate",
            'session.audit("credential.mint", Result.INTENT, attempt=session.record.attempt)',
            "pass",
        ),
        shows=("B",),
    ),
    "value-in-progress-text": Mutant(
        rule="no value leaves the store",
        edits=_edit(
            "promote_candidate",
            "    match session.try_value(value):",
            "    session.context.observe('', session.record.state, value['secret'].get_secret_value())\n"
            "    match session.try_value(value):",
        ),
        shows=("B",),
    ),
    "store-failure-forgets": Mutant(
        rule="a value that the store did not take is condemned, not forgotten",
        edits=_edit(
            "mint_candidate",
            "    return on.Condemned(\n        id=minted.credential.id,",
            '    return on.AttemptSpent(limit=9, reason="lost", remedy="none")\n'
            "    return on.Condemned(\n        id=minted.credential.id,",
        ),
        shows=("B-unstamped", "B"),
        faults=(Fault.WRITE_LOST,),
    ),
    "store-failure-deletes": Mutant(
        rule="[2] after a failed staging the journal decides first, then the provider is told to delete",
        edits=_edit(
            "mint_candidate",
            "    return on.Condemned(\n        id=minted.credential.id,",
            "    session.context.issuer.revoke(session.context.principal, minted.credential.id)\n"
            "    return on.Condemned(\n        id=minted.credential.id,",
        ),
        shows=(_name(directed.staging_whose_answer_was_lost_is_left_to_the_successor),),
    ),
    "no-intent": Mutant(
        rule="the intent is durable before anything is made",
        edits=_edit(
            "rotate_credential",
            "    session.apply(answer)\n    audit_step(session, record, answer)\n    return None",
            "    (session.virtually if isinstance(answer, on.Prepared) else session.apply)(answer)\n"
            "    audit_step(session, record, answer)\n"
            "    return None",
        ),
        shows=("B",),
        faults=(Fault.KILLED_AFTER,),
    ),
    "preimage-before-lock": Mutant(
        rule="what exists already is read under the lock",
        edits=_edit(
            "rotate_credential",
            "    try:\n        with open_session(context) as session:",
            "    begin.__dict__[context.owner] = context.issuer.list(context.principal)\n"
            "    try:\n"
            "        with open_session(context) as session:",
        )
        + _edit(
            "reconcile_credential",
            "for item in seen.listing.credentials}",
            "for item in begin.__dict__[context.owner].credentials}",
        ),
        shows=(_name(directed.what_was_there_before_the_lock_is_not_taken_for_ours),),
    ),
    "stage-overwrites": Mutant(
        rule="staging is create-only, under a name of its own for each process",
        edits=_edit(
            "prepare_candidate",
            'CandidateId(f"{session.lease.fence}-{session.record.attempt}")',
            'CandidateId(f"{session.record.attempt}")',
        ),
        removed=frozenset({"create-only"}),
        shows=(_name(directed.value_that_was_set_is_not_staged_over),),
    ),
    "new-candidate-on-resume": Mutant(
        rule="resume sends the same candidate again",
        edits=_edit(
            "set_candidate",
            "    value = session.candidate_value()\n    if value is None:",
            "    value = session.candidate_value()\n"
            "    if not session.fresh:\n"
            "        context, record = session.context, session.record\n"
            "        context.store.discard(context.ref, record.candidate)\n"
            "        value = session.setting.generate(record.slot)\n"
            "        place = (context.ref, record.operation, record.candidate)\n"
            "        context.store.stage(*place, value, fence=session.lease.fence)\n"
            "        session.fresh = True\n"
            "    if value is None:",
        ),
        shows=(_name(directed.value_under_way_is_still_a_candidate),),
    ),
    "fence-not-checked": Mutant(
        rule="[3] the journal refuses a lower fence",
        removed=frozenset({"fence-at-append"}),
        shows=(_name(directed.journal_refuses_a_lower_fence),),
    ),
    "head-not-checked": Mutant(
        rule="[3] the journal refuses a moved head",
        removed=frozenset({"head-at-append"}),
        shows=("interleaved:B",),
    ),
}

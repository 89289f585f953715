"""Every class, cut at every call in every way, resumed once, twice and by two at once: I1 to I8 hold."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.fakes.world import Fault
from tests.recovery.bounds import bounds
from tests.recovery.cuts import Act, Cut, Report, Resume, acts_of, calm_calls, cuts_of, run_cut
from tests.recovery.interleaving import interleave, schedules
from tests.recovery.scenarios import SCENARIOS

Prove = Callable[[str, str, list[Report]], None]
FAULTS = [fault for fault in Fault if fault not in (Fault.NONE, Fault.UNKNOWN)]
KILLS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_call_cut_any_way_is_resumed_without_loss(name: str, fault: Fault, prove: Prove) -> None:
    scenario = SCENARIOS[name]
    reports = [
        run_cut(scenario, cut, how)
        for number, cut in enumerate(cuts_of(calm_calls(scenario), fault))
        for how in (Resume.TWICE if number % 2 else Resume.ONCE,)
    ]
    prove(name, str(fault), reports)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_others_do_between_any_two_calls_is_survived(name: str, act: Act, prove: Prove) -> None:
    scenario = SCENARIOS[name]
    cuts = acts_of(scenario, calm_calls(scenario), act)
    prove(name, str(act), [run_cut(scenario, cut, Resume.TWICE) for cut in cuts])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_rotation_is_resumed_by_two_processes_at_once(name: str, prove: Prove) -> None:
    scenario, stride = SCENARIOS[name], bounds().pause_stride
    calls = calm_calls(scenario)
    reports = [
        run_cut(scenario, Cut(call=number, fault=fault), Resume.BY_TWO, pause_at=pause)
        for fault in KILLS
        for number, call in enumerate(calls)
        if call.write and call.name != "lease.renew"
        for pause in range(number % stride, 40, stride)
    ]
    prove(name, "killed, then resumed by two at once", reports)


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_faults_in_one_rotation_are_survived(name: str, prove: Prove) -> None:
    scenario, chance = SCENARIOS[name], random.Random(name)
    calls = calm_calls(scenario)
    cuts: list[Cut] = []
    for _ in range(bounds().doubles):
        fault, other = chance.sample([fault for fault in FAULTS if fault is not Fault.KILLED_BEFORE], 2)
        first = chance.choice(list(cuts_of(calls, fault)) or [Cut(call=0, fault=Fault.REFUSED)])
        cuts.append(Cut(call=first.call, fault=first.fault, second=(chance.randrange(len(calls)), other)))
    prove(name, "two faults", [run_cut(scenario, cut, chance.choice(list(Resume)), pause_at=3) for cut in cuts])


@pytest.mark.parametrize("name", ["A", "B", "B-first", "B-max3", "B-unstamped", "C", "C-self", "E", "E-overlap"])
def test_two_processes_interleaved_call_by_call_hold_every_invariant(name: str, prove: Prove) -> None:
    scenario = SCENARIOS[name]
    length = min(len(calm_calls(scenario)), 60)
    reports = []
    for turns in schedules(length, length, bounds().schedule_stride):
        found = interleave(scenario, turns)
        cut = Cut(call=turns[0].calls, act=Act.PAUSE)
        reports.append(Report(cut=cut, where=str(turns), ended="interleaved", violations=found))
    prove(name, "two processes, call by call", reports)

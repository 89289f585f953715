"""Every class, cut at every call in every way, resumed once, twice and by two at once: I1 to I8 hold."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lifecycle.testing.world import Call, Fault
from tests.recovery.bounds import SMALL, Bounds, bounds
from tests.recovery.cuts import Act, Cut, Report, Resume, acts_of, calm_calls, cuts_of, run_cut
from tests.recovery.interleaving import Turn, interleave, schedules
from tests.recovery.scenarios import SCENARIOS

Prove = Callable[[str, str, list[Report]], None]
FAULTS = [fault for fault in Fault if fault not in (Fault.NONE, Fault.UNKNOWN)]
KILLS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)
INTERLEAVED = ("A", "B", "B-first", "B-max3", "B-unstamped", "C", "C-self", "E", "E-overlap")
README = Path(__file__).parents[2] / "README.md"


def kills_of(calls: list[Call], limits: Bounds) -> list[tuple[Cut, int]]:
    """Kills at each write, and where the first of the two that resume is paused."""
    return [
        (Cut(call=number, fault=fault), pause)
        for fault in KILLS
        for number, call in enumerate(calls)
        if call.write and call.name != "lease.renew"
        for pause in range(number % limits.pause_stride, 40, limits.pause_stride)
    ]


def schedules_of(calls: list[Call], limits: Bounds) -> Iterator[list[Turn]]:
    """Two processes on a grid."""
    length = min(len(calls), 60)
    return schedules(length, length, limits.schedule_stride)


def crash_points(limits: Bounds) -> int:
    """How many runs this module makes; what its table adds up to."""
    total = 0
    for name, scenario in SCENARIOS.items():
        calls = calm_calls(scenario)
        total += sum(len(list(cuts_of(calls, fault))) for fault in FAULTS)
        total += sum(len(list(acts_of(scenario, calls, act))) for act in Act)
        total += len(kills_of(calls, limits)) + limits.doubles
        total += len(list(schedules_of(calls, limits))) if name in INTERLEAVED else 0
    return total


def test_the_readme_quotes_how_many_crash_points_there_are() -> None:
    quoted = re.search(r"\*([\d,]+) crash points, 0 lost, 0 orphaned, 0 revoked in use\*", README.read_text())
    assert quoted is not None
    assert quoted[1] == f"{crash_points(SMALL):,}"


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
    scenario = SCENARIOS[name]
    reports = [
        run_cut(scenario, cut, Resume.BY_TWO, pause_at=pause) for cut, pause in kills_of(calm_calls(scenario), bounds())
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


@pytest.mark.parametrize("name", INTERLEAVED)
def test_two_processes_interleaved_call_by_call_hold_every_invariant(name: str, prove: Prove) -> None:
    scenario = SCENARIOS[name]
    reports = []
    for turns in schedules_of(calm_calls(scenario), bounds()):
        found = interleave(scenario, turns)
        cut = Cut(call=turns[0].calls, act=Act.PAUSE)
        reports.append(Report(cut=cut, where=str(turns), ended="interleaved", violations=found))
    prove(name, "two processes, call by call", reports)

"""Whose turn it was: compared with what the run tells, with every instruction, and over cuts, seeks and branches."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from turns_support import ALL, LIMIT, OF_VMS, straight

from arm_hyp.events import ExceptionTaken
from arm_hyp.kvm_events import KvmEntry, KvmExit
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import ExceptionRow
from arm_hyp.timeline.process.journal_reads import Past
from arm_hyp.timeline.timeline import Timeline
from arm_hyp.timeline.turns import Lane

PLACES = st.integers(1, LIMIT - 50)
SLOW = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


def rows_of(timeline: Timeline) -> tuple[ExceptionRow, ...]:
    return Past(timeline).exceptions(ask.Exceptions(at_most=10_000)).rows


@pytest.mark.parametrize("name", OF_VMS)
def test_vcpus_and_times_are_those_of_the_exits_and_entries_that_are_told(name: str) -> None:
    timeline, events = straight(name)
    told = [
        (type(event).__name__, event.cpu, int(event.vm[2:]), event.vcpu, event.time_ns)
        for event in events
        if isinstance(event, KvmExit | KvmEntry)
    ]
    rows = [
        ("KvmExit" if row.what == "taken" else "KvmEntry", row.cpu, row.vm, row.vcpu, row.time_ns)
        for row in rows_of(timeline)
        if 2 in (row.from_el, row.to_el)
    ]
    assert len(told) > 20 and rows[: len(told)] == told


@pytest.mark.parametrize("name", ALL)
def test_rows_say_what_is_virtual_and_what_python_handles(name: str) -> None:
    timeline, events = straight(name)
    told = {(e.n, e.seq): (e.virtual, e.python) for e in events if isinstance(e, ExceptionTaken)}
    rows = {tuple(row.position): (row.virtual, row.python) for row in rows_of(timeline) if row.what == "taken"}
    assert told and rows == told


def test_some_interrupts_are_virtual() -> None:
    assert any(row.virtual for name in ("virq", "timers") for row in rows_of(straight(name).timeline))


@pytest.mark.parametrize("name", ALL)
def test_each_instruction_ran_on_the_cpu_at_the_level_with_the_vcpu_that_is_noted(name: str) -> None:
    timeline = Timeline(ALL[name])
    ran: list[Lane] = []
    while timeline.position.n < LIMIT:
        before, cores = timeline.position, timeline.runner.machine.cpus.cores
        was = {core.index: (core.retired, lane_of(timeline, core.index)) for core in cores}
        if timeline.step() == before:
            break
        ran += [was[core.index][1] for core in cores if core.retired > was[core.index][0]]
    turns, noted = straight(name).timeline.history.turns, list[Lane]()
    for start, end, number in zip(turns.starts, [*turns.starts, len(ran)][1:], turns.running, strict=True):
        noted += [turns.lanes[number]] * (end - start)
    assert len(ran) > 50 and noted[: len(ran)] == ran


def lane_of(timeline: Timeline, cpu: int) -> Lane:
    """Return what a CPU would run next, as the machine has it."""
    runner = timeline.runner
    vcpu = None if runner.hypervisor is None else runner.hypervisor.cpus[cpu].vcpu
    return Lane(cpu, runner.machine.cpus.cores[cpu].el, None if vcpu is None else (vcpu.vm.index, vcpu.index))


def lanes_of(timeline: Timeline) -> list[tuple[int, Lane]]:
    """Return which lanes run from where; not those in which nothing retires."""
    turns, end = timeline.history.turns, timeline.frontier.n
    pieces = [*zip(turns.starts, turns.running, [*turns.starts, end][1:], strict=True)]
    lanes = [(start, turns.lanes[number]) for start, number, stop in pieces if stop > start]
    return [one for before, one in zip([None, *lanes], lanes, strict=False) if before is None or before[1] != one[1]]


@pytest.mark.parametrize("name", ALL)
@SLOW
@given(moves=st.lists(st.tuples(st.sampled_from(("seek", "step", "back", "branch")), PLACES), max_size=8))
def test_cuts_seeks_and_branches_leave_no_mark(name: str, moves: list[tuple[str, int]]) -> None:
    timeline, number = Timeline(ALL[name]), 0
    for move, number in moves:
        if move == "branch":
            timeline.branch()
        elif move == "seek":
            timeline.seek(Position(number, number % 3))
        else:
            (timeline.step if move == "step" else timeline.step_back)(number % 4)
    timeline.seek(Position(LIMIT))
    whole = straight(name).timeline
    assert timeline.frontier == whole.frontier
    assert lanes_of(timeline) == lanes_of(whole) and rows_of(timeline) == rows_of(whole)

"""Exits counted from the journal, against those that a run tells, counted one by one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from turns_support import ALL, LIMIT, OF_VMS, straight

from arm_hyp.kvm_events import KvmEntry, KvmExit
from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import exit_counts
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.exit_answers import ExitCost
from arm_hyp.timeline.process.journal_reads import Past
from arm_hyp.timeline.statistics import ExitStatistics
from arm_hyp.timeline.timeline import Timeline

PLACES = st.builds(Position, st.integers(0, LIMIT + 50), st.integers(0, 4))
SLOW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", OF_VMS)
def test_samples_and_instructions_are_those_of_the_statistics_of_a_run(name: str) -> None:
    timeline, events = straight(name)
    statistics, time_ns, open_ns = ExitStatistics(), dict[int, int](), dict[tuple[str, int | None], int]()
    for event in events:
        if isinstance(event, KvmExit):
            statistics.exit(event)
            open_ns[event.vm, event.vcpu] = event.time_ns
        elif isinstance(event, KvmEntry):
            statistics.entry(event)
            vm = int(event.vm[2:])
            time_ns[vm] = time_ns.get(vm, 0) + event.time_ns - open_ns.pop((event.vm, event.vcpu), event.time_ns)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    rows = Past(timeline).exits(ask.Exits()).exits
    for row in rows:
        samples, total = found.get((f"vm{row.vm}", row.name), (0, 0))
        found[f"vm{row.vm}", row.name] = samples + row.ended, total + row.instructions
    told = {
        (vm, kind): (cost.instructions.samples, cost.instructions.total)
        for vm, costs in statistics.vms.items()
        for kind, cost in costs.items()
    }
    assert told and {key: value for key, value in found.items() if value[0]} == told
    assert {vm: sum(row.time_ns for row in rows if row.vm == vm) for vm in time_ns} == time_ns
    assert sum(row.count for row in rows) == sum(isinstance(event, KvmExit) for event in events)


@pytest.mark.parametrize("name", [*OF_VMS, "virq"])
@SLOW
@given(places=st.lists(PLACES, min_size=3, max_size=3))
def test_the_exits_of_two_stretches_are_those_of_both(name: str, places: list[Position]) -> None:
    first, second, third = sorted(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exit_counts, "BLOCK", 16)
        past = Past(straight(name).timeline)
        pieces = [ask.Exits(first, second), ask.Exits(second, third), ask.Exits(first, third)]
        one, other, both = (by_kind(past.exits(asked).exits) for asked in pieces)
    assert {key: numbers(one.get(key), other.get(key)) for key in one | other} == {
        key: numbers(both[key], None) for key in both
    }


def by_kind(rows: tuple[ExitCost, ...]) -> dict[object, ExitCost]:
    return {(row.vm, row.kind, row.ec): row for row in rows}


def numbers(*rows: ExitCost | None) -> list[int]:
    known = [(row.count, row.ended, row.instructions, row.time_ns) for row in rows if row is not None]
    return [*map(sum, zip(*known, strict=True))]


def test_a_hypervisor_that_is_guest_code_has_exits_too() -> None:
    timeline = straight("virq").timeline
    taken = [row for row in Past(timeline).exceptions(ask.Exceptions()).rows if row.to_el == 2 and row.from_el < 2]
    rows = Past(timeline).exits(ask.Exits()).exits
    assert taken and sum(row.count for row in rows) == len(taken)
    assert {row.vm for row in rows} == {None} and sum(row.instructions for row in rows) > 0


def test_counts_grow_with_the_run_and_go_back_with_it() -> None:
    timeline = Timeline(ALL["timers"])
    past, seen = Past(timeline), []
    for n in (300, LIMIT):
        timeline.seek(Position(n))
        seen.append(past.exits(ask.Exits(START, timeline.position)))
        assert seen[-1] == Past(timeline).exits(ask.Exits(START, timeline.position))
    timeline.seek(Position(300))
    assert past.exits(ask.Exits(START, timeline.position)) == seen[0] != seen[1]

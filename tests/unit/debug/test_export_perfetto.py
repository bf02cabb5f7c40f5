"""Perfetto traces: they keep the format's rules, whatever runs, and show what happened."""

from __future__ import annotations

import io
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from export_runs import CASES, Case, TimedSink, name_of, run
from hypothesis import given
from hypothesis import strategies as st
from perfetto_rules import Picture, Slice, read

from arm_hyp.debug.exports.perfetto import PerfettoSink
from arm_hyp.debug.exports.perfetto_file import PerfettoFile
from arm_hyp.debug.exports.threads import Levels, Slices
from arm_hyp.debug.exports.virtual_time import Clock
from arm_hyp.events import Event, EventSink, ExceptionReturned, ExceptionTaken, Waited
from arm_hyp.kvm_events import KvmEntry, KvmExit, VcpuRunning, VmEvent
from arm_hyp.runner.runner import Runner

SMP = Case("28-vm-smp", vcpus=2)


@cache
def recorded(case: Case) -> tuple[tuple[tuple[Event, int], ...], bytes]:
    """Run a guest with the sink connected. Return the events that it draws, with their times, and the file."""
    file, made = io.BytesIO(), list[tuple[TimedSink, PerfettoSink]]()

    def make(clock: Clock, runner: Runner) -> tuple[EventSink, ...]:
        made.append((TimedSink(clock), PerfettoSink(file, clock, lambda: runner.symbols, has_vms=case.is_vm)))
        return made[0]

    run(case, make)
    timed, sink = made[0]
    sink.close()
    return tuple((event, ns) for event, ns in timed.events if type(event) in sink.interests), file.getvalue()


def drawn(case: Case) -> Picture:
    return read(recorded(case)[1])


def events_of(case: Case) -> list[Event]:
    return [event for event, _ in recorded(case)[0]]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_file_keeps_the_rules_of_the_format(case: Case) -> None:
    assert drawn(case).slices


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_trace_may_begin_and_end_anywhere(case: Case) -> None:
    timed, _ = recorded(case)
    cuts = {*range(0, len(timed), max(1, len(timed) // 40)), 1, 2, 3}
    for start, end in [*((0, cut) for cut in cuts), *((cut, len(timed)) for cut in cuts)]:
        times, file = iter([ns for _, ns in timed[start:end]]), io.BytesIO()
        sink = PerfettoSink(file, lambda _, times=times: next(times), has_vms=case.is_vm)  # type: ignore[misc]
        for event, _ in timed[start:end]:
            sink.emit(event)
        sink.close()
        read(file.getvalue())


@pytest.mark.parametrize("case", [case for case in CASES if case.is_vm], ids=name_of)
def test_a_vm_is_a_process_and_a_vcpu_a_thread(case: Case) -> None:
    threads = drawn(case).threads
    vcpus = {
        (event.vm, event.vcpu) for event in events_of(case) if isinstance(event, VmEvent) and event.vcpu is not None
    }
    cpus = {f"cpu{event.cpu}": "machine" for event in events_of(case) if isinstance(event, VcpuRunning | Waited)}
    assert threads == {f"{vm}/vcpu{vcpu}": vm for vm, vcpu in vcpus} | cpus


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_vm], ids=name_of)
def test_without_vms_the_machine_is_a_process_and_a_cpu_a_thread(case: Case) -> None:
    assert set(drawn(case).threads.items()) <= {(f"cpu{index}", "machine") for index in range(case.cpus)}


@pytest.mark.parametrize("case", [case for case in CASES if case.is_vm], ids=name_of)
def test_each_exit_is_a_handler_in_el2_in_the_guest(case: Case) -> None:
    picture = drawn(case)
    handlers = [each for each in picture.slices if each.parent is not None and each.parent.name == "EL2"]
    handlers = [each for each in handlers if not each.is_instant]
    exits = [event for event in events_of(case) if isinstance(event, KvmExit)]
    assert [each.track for each in handlers] == [f"{event.vm}/vcpu{event.vcpu}" for event in exits]
    for handler in handlers:
        chain = _chain(handler)
        assert chain[:2] == [handler.name, "EL2"] and chain[-1] == "guest" and chain[-2] in ("EL0", "EL1")


def _chain(inner: Slice) -> list[str]:
    """Return the names of a slice and of all around it."""
    return [inner.name, *(_chain(inner.parent) if inner.parent is not None else [])]


@pytest.mark.parametrize("case", [case for case in CASES if case.is_vm], ids=name_of)
def test_a_flow_leads_from_the_trap_by_the_handler_to_the_eret(case: Case) -> None:
    picture = drawn(case)
    by_flow: dict[int, list[Slice]] = {}
    for each in picture.slices:
        for flow in each.flows:
            by_flow.setdefault(flow, []).append(each)
    exits = [event for event in events_of(case) if isinstance(event, KvmExit)]
    assert len(by_flow) == len(exits)
    for (trap, handler, *eret), exit in zip(by_flow.values(), exits, strict=True):
        assert (trap.name, trap.is_instant, trap.start_ns) == ("trap", True, exit.time_ns)
        assert not handler.is_instant and handler.start_ns == exit.time_ns
        assert [each.name for each in eret] in ([], ["ERET"])
        assert {each.track for each in (trap, handler, *eret)} == {f"{exit.vm}/vcpu{exit.vcpu}"}
    returns = [event for event in events_of(case) if isinstance(event, ExceptionReturned) and event.from_el == 2]
    first = len({(event.vm, event.vcpu) for event in events_of(case) if isinstance(event, KvmEntry)})
    assert sum(len(flow) == 3 for flow in by_flow.values()) == len(returns) - first


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_counters_have_the_numbers_of_exits_and_interrupts(case: Case) -> None:
    counted = {key: values[-1][1] for key, values in drawn(case).counters.items()}
    for values in drawn(case).counters.values():
        assert [value for _, value in values] == list(range(1, len(values) + 1))
    process = "vm0" if case.is_vm else "machine"
    expected = Counter[tuple[str, str]]()
    for event in events_of(case):
        if isinstance(event, KvmExit):
            expected[process, "exits"] += 1
        elif isinstance(event, ExceptionTaken) and not event.python:
            expected[process, "interrupts" if event.kind in ("irq", "fiq") else "exceptions"] += 1
    assert counted == dict(expected)


def test_a_vcpu_runs_on_one_cpu_at_a_time() -> None:
    picture = drawn(SMP)
    guests = picture.named("guest")
    assert {each.track for each in guests} == {"vm0/vcpu0", "vm0/vcpu1"}
    inside = [each for each in picture.slices if each.track == "cpu0" and not each.is_instant and each.name != "idle"]
    assert [(each.start_ns, each.end_ns) for each in inside] == [(each.start_ns, each.end_ns) for each in guests]
    assert {each.name for each in inside} == {"vm0/vcpu0", "vm0/vcpu1"}
    for before, after in pairwise(inside):
        assert before.end_ns is not None and before.end_ns <= after.start_ns


def test_a_vcpu_that_blocks_is_shown_until_it_is_ready() -> None:
    picture = drawn(SMP)
    for blocked in picture.named("blocked"):
        ready = [each for each in picture.named("ready", blocked.track) if each.start_ns == blocked.end_ns]
        assert blocked.notes["reason"] == "WFI" and len(ready) == 1 and blocked.depth == 0


def test_a_wait_of_a_cpu_lasts_until_its_interrupt() -> None:
    picture = drawn(Case("14-timer-gicv2"))
    waits = picture.named("WFI")
    interrupts = {each.start_ns for each in picture.slices if each.name == "EL1 IRQ"}
    assert waits and {each.end_ns for each in waits} <= interrupts
    assert all(each.end_ns is not None and each.end_ns - each.start_ns > 1000 for each in waits)


def test_a_trap_says_what_it_was() -> None:
    trap = next(each for each in drawn(SMP).named("trap") if each.notes["what"] == "hvc #0")
    assert trap.notes["text"].startswith("HVC #0x0") and trap.notes["position"] == "24.1"
    assert trap.notes["esr"] >> 26 == 0x16


def test_console_output_is_put_together_to_lines() -> None:
    assert [each.notes["text"] for each in drawn(Case("19-smp", cpus=2)).named("output")] == ["PASS\n"]
    vm = drawn(SMP).named("output")
    assert [each.notes["text"] for each in vm] == ["PASS\n"] and {each.track for each in vm} == {"pl011"}


# --- exception levels -------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.sampled_from(["take", "leave", "resume"]), st.integers(0, 2)), max_size=200)


@given(STEPS)
def test_the_innermost_slice_names_the_level_that_runs(steps: list[tuple[str, int]]) -> None:
    file = io.BytesIO()
    out = PerfettoFile(file)
    slices = Slices(out, out.thread(out.process("machine"), "cpu0"))
    levels = Levels(slices, floor=0)
    levels.at(0, 1)
    el, expected = 1, list[int]()
    for ns, (step, number) in enumerate(steps):
        if step == "take" and max(1, number) >= el:
            to = max(1, number)
            levels.take(ns, f"EL{to} IRQ", el, to, {})
            el = to
        elif step == "leave" and number <= el:
            levels.leave(ns, number)
            el = number
        elif step == "resume":
            slices.end(ns)
            levels.resume(ns)
        assert levels.el == el and slices.depth == levels.depth <= 40
        out.instant(slices.track, ns, "here", {})
        expected.append(el)
    slices.end(len(steps))
    here = [each.parent for each in read(file.getvalue()).named("here")]
    assert [each.name[:3] for each in here if each is not None] == [f"EL{el}" for el in expected]

"""Benchmarks of the core: HVC round trips, counted instructions, single steps.

Read `loops.py` beside this file first. A round trip is: HVC at EL1, exception entry, the Python callback at EL2, ERET,
and the branch back; two instructions retire.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import truediv
from statistics import median
from time import process_time

import pytest
from loops import ALU_LOOP, HVC_LOOP, LOAD_ADDRESS, code_of, machine_with
from pytest_benchmark.fixture import BenchmarkFixture
from unicorn import UC_ARCH_ARM64, UC_MODE_ARM, Uc, arm64_const, unicorn_const

from arm_hyp.cpu.core import Core
from arm_hyp.cpu.native import UNREACHABLE
from arm_hyp.events import Event, EventSink, ExceptionTaken, NullSink, RecordingSink
from arm_hyp.machine.machine import Machine

Report = Callable[..., None]

ROUND_TRIPS = 20_000
INSTRUCTIONS = 50_000_000
STEPS = 20_000


class CountingCallback:
    """The least that Python at EL2 can do."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, core: Core, event: ExceptionTaken | None) -> None:
        """Take an exit."""
        self.calls += 1


@pytest.mark.parametrize(("make_sink", "aim"), [(NullSink, 100_000), (RecordingSink, 50_000)])
def test_hvc_round_trips(
    benchmark: BenchmarkFixture, report: Report, make_sink: type[NullSink | RecordingSink], aim: int
) -> None:
    callback = CountingCallback()
    sink: EventSink = make_sink()
    machine = machine_with(HVC_LOOP, start_el=1, sink=sink)
    machine.core.python_el2 = callback
    kept: list[Event] = getattr(sink, "events", [])

    def trips() -> None:
        kept.clear()
        machine.run(machine.retired + 2 * ROUND_TRIPS)

    benchmark.pedantic(trips, rounds=7, warmup_rounds=1)
    assert callback.calls == 8 * ROUND_TRIPS
    best = benchmark.stats.stats.min
    report(f"HVC -> Python -> ERET round trips, {make_sink.__name__}", ROUND_TRIPS / best, "/s", aim)


def bare_core() -> Uc:
    """Return a Unicorn with nothing of ours, the same loop in its memory."""
    uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    uc.ctl_set_cpu_model(arm64_const.UC_CPU_ARM64_A72)
    uc.ctl_set_tlb_mode(unicorn_const.UC_TLB_CPU)
    uc.mem_map(LOAD_ADDRESS, 0x1000)
    uc.mem_write(LOAD_ADDRESS, code_of(ALU_LOOP))
    uc.emu_start(LOAD_ADDRESS, UNREACHABLE, count=1000)
    return uc


def test_counted_instructions(benchmark: BenchmarkFixture, report: Report) -> None:
    """The machine against a bare counted `emu_start`: they take turns; CPU time, median of the ratios."""
    machine, uc = machine_with(ALU_LOOP, start_el=1), bare_core()
    machine.run(1000)
    ours, bare = [], []

    def both() -> None:
        ours.append(_seconds(lambda: machine.run(machine.retired + INSTRUCTIONS)))
        bare.append(_seconds(lambda: uc.emu_start(LOAD_ADDRESS, UNREACHABLE, count=INSTRUCTIONS)))

    benchmark.pedantic(both, rounds=11, warmup_rounds=1)
    assert machine.retired == 1000 + 12 * INSTRUCTIONS
    report("counted instructions", INSTRUCTIONS / min(ours), "/s")
    report("counted instructions, bare emu_start", INSTRUCTIONS / min(bare), "/s")
    report("ratio of the two", median(map(truediv, bare, ours)), "", 0.95)


def _seconds(action: Callable[[], object]) -> float:
    start = process_time()
    action()
    return process_time() - start


def test_single_steps(benchmark: BenchmarkFixture, report: Report) -> None:
    machine = machine_with(ALU_LOOP, start_el=1)

    def steps() -> None:
        _step(machine, STEPS)

    benchmark.pedantic(steps, rounds=5, warmup_rounds=1)
    assert machine.retired == 6 * STEPS
    report("single steps", STEPS / benchmark.stats.stats.min, "/s")


def _step(machine: Machine, count: int) -> None:
    for _ in range(count):
        machine.core.run(machine.retired + 1)

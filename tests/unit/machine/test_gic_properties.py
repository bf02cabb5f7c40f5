"""Whatever software and devices do, what a GIC signals stays consistent with what its registers say."""

from __future__ import annotations

import pytest
from gic_support import ACTIVATE, BENCHES, DEACTIVATE, DISABLE, ENABLE, PEND, SPURIOUS, UNPEND, Bench, BenchV2, BenchV3
from hypothesis import given, settings
from hypothesis import strategies as st

INTIDS = (16, 27, 31, 32, 40, 41, 100, 287)
BIT_REGISTERS = (ENABLE, DISABLE, PEND, UNPEND, ACTIVATE, DEACTIVATE)

intids = st.sampled_from(INTIDS)
cpus = st.sampled_from((0, 1))
priorities = st.integers(0, 31).map(lambda level: level << 3)
operations = st.one_of(
    st.tuples(st.just("line"), intids, cpus, st.booleans()),
    st.tuples(st.just("bit"), intids, cpus, st.sampled_from(BIT_REGISTERS)),
    st.tuples(st.just("priority"), intids, cpus, priorities),
    st.tuples(st.just("edge"), intids, cpus, st.just(0)),
    st.tuples(st.just("mask"), intids, cpus, priorities),
    st.tuples(st.just("point"), intids, cpus, st.integers(0, 7)),
    st.tuples(st.just("acknowledge"), intids, cpus, st.just(0)),
    st.tuples(st.just("end"), intids, cpus, st.just(0)),
    st.tuples(st.just("deactivate"), intids, cpus, st.just(0)),
    st.tuples(st.just("split"), intids, cpus, st.just(0)),
)
Operation = tuple[str, int, int, int]


def apply(bench: Bench, operation: Operation) -> int:
    """Do one operation; return the INTID that it acknowledged, if any."""
    name, intid, cpu, value = operation
    if name == "acknowledge":
        return bench.acknowledge(cpu)
    line = bench.gic.ppi(cpu, intid) if intid < 32 else bench.gic.spi(intid)
    actions = {
        "line": lambda: line(bool(value)),
        "bit": lambda: bench.set(value, intid, cpu),
        "priority": lambda: bench.set_priority(intid, value, cpu),
        "edge": lambda: bench.set_edge(intid, cpu),
        "mask": lambda: bench.mask(value, cpu),
        "point": lambda: bench.binary_point(value, cpu),
        "end": lambda: bench.end(intid, cpu),
        "deactivate": lambda: bench.deactivate(intid, cpu),
        "split": lambda: bench.split(cpu),
    }
    actions[name]()
    return SPURIOUS


def priority(bench: BenchV2 | BenchV3, intid: int, cpu: int) -> int:
    device, base = bench.frame(intid, cpu)
    return device.read(base + 0x400 + intid, 1)


def candidates(bench: BenchV2 | BenchV3, cpu: int) -> list[tuple[int, int]]:
    """Return what the registers say may be signalled to a CPU: (priority, INTID), the most urgent first."""
    return sorted(
        (priority(bench, intid, cpu), intid)
        for intid in INTIDS
        if (intid < 32 or cpu == 0)
        and bench.bits(PEND, intid, cpu)
        and bench.bits(ENABLE, intid, cpu)
        and not bench.bits(ACTIVATE, intid, cpu)
    )


def mask(bench: BenchV2 | BenchV3, cpu: int) -> int:
    return bench.c(4, cpu) if isinstance(bench, BenchV2) else bench.icc("PMR", cpu)


def check(bench: BenchV2 | BenchV3) -> None:
    for cpu in (0, 1):
        ready = candidates(bench, cpu)
        assert bench.highest(cpu) == (ready[0][1] if ready else SPURIOUS)
        if (cpu, "irq") in bench.outputs.high:
            assert ready and ready[0][0] < mask(bench, cpu)
            assert ready[0][0] < bench.running(cpu), "never while something as urgent is running"
        elif bench.running(cpu) == 0xFF:
            assert not ready or ready[0][0] >= mask(bench, cpu), "nothing that could be signalled is held back"


@pytest.mark.parametrize("version", list(BENCHES))
@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=40))
def test_what_is_signalled_agrees_with_the_registers(version: str, run: list[Operation]) -> None:
    bench: BenchV2 | BenchV3 = BENCHES[version]()
    bench.open()
    for operation in run:
        was_high = (operation[2], "irq") in bench.outputs.high
        before = bench.running(operation[2])
        intid = apply(bench, operation)
        if operation[0] == "acknowledge":
            assert (intid != SPURIOUS) == was_high, "a high line means that there is something to acknowledge"
            assert not was_high or bench.running(operation[2]) < before
        check(bench)


@pytest.mark.parametrize("version", list(BENCHES))
@settings(max_examples=40, deadline=None)
@given(st.lists(operations, max_size=20), st.lists(operations, max_size=20))
def test_a_restored_gic_behaves_as_the_saved_one(version: str, before: list[Operation], after: list[Operation]) -> None:
    bench: BenchV2 | BenchV3 = BENCHES[version]()
    bench.open()
    for operation in before:
        apply(bench, operation)
    fresh: BenchV2 | BenchV3 = BENCHES[version]()
    fresh.gic.restore(bench.gic.snapshot())
    assert fresh.outputs.high == bench.outputs.high
    for operation in after:
        assert apply(fresh, operation) == apply(bench, operation)
        assert fresh.outputs.high == bench.outputs.high
    assert fresh.gic.snapshot() == bench.gic.snapshot()


@pytest.mark.parametrize("version", list(BENCHES))
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2, 4)), st.integers(0, 0x2_1100), st.integers(0, 0xFFFF_FFFF), st.booleans()),
        max_size=60,
    )
)
def test_no_access_to_any_frame_fails(version: str, accesses: list[tuple[int, int, int, bool]]) -> None:
    bench: BenchV2 | BenchV3 = BENCHES[version]()
    frames = [*bench.gicd, *bench.gicc] if isinstance(bench, BenchV2) else [bench.gicd, bench.gicr]
    for size, offset, value, is_write in accesses:
        for frame in frames:
            if is_write:
                frame.write(offset, size, value & (1 << 8 * size) - 1)
            assert 0 <= frame.read(offset, size) < 1 << 8 * size
    saved = bench.gic.snapshot()
    bench.gic.restore(saved)
    assert bench.gic.snapshot() == saved

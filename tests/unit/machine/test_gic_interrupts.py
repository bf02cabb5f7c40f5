"""The life of a physical interrupt: each scenario runs on GICv2 and on GICv3, with one expectation."""

from __future__ import annotations

import pytest
from gic_support import (
    ACTIVATE,
    BENCHES,
    DEACTIVATE,
    DISABLE,
    ENABLE,
    PEND,
    SPURIOUS,
    UNPEND,
    Bench,
    BenchV2,
    BenchV3,
)

IRQ0, IRQ1 = (0, "irq"), (1, "irq")


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> Bench:
    """A GIC with both groups enabled, nothing masked, and every SPI going to CPU 0."""
    made: BenchV2 | BenchV3 = BENCHES[request.param]()
    made.open()
    return made


def pend(bench: Bench, intid: int, priority: int) -> None:
    bench.set_edge(intid)
    bench.set_priority(intid, priority)
    bench.set(ENABLE, intid)
    bench.set(PEND, intid)


@pytest.mark.parametrize("intid", [27, 33, 287])
def test_a_level_sensitive_interrupt_is_pending_while_its_line_is_high(bench: Bench, intid: int) -> None:
    line = bench.gic.ppi(0, intid) if intid < 32 else bench.gic.spi(intid)
    bench.set(ENABLE, intid)
    line(True)
    assert bench.bits(PEND, intid) and bench.outputs.high == {IRQ0}
    bench.set(UNPEND, intid)
    assert bench.bits(PEND, intid), "only the line takes it back"
    line(False)
    assert not bench.bits(PEND, intid) and bench.outputs.high == set()
    assert bench.acknowledge() == SPURIOUS


def test_a_level_that_came_and_went_leaves_nothing(bench: Bench) -> None:
    line = bench.gic.spi(40)
    line(True)
    line(False)
    bench.set(ENABLE, 40)
    assert not bench.bits(PEND, 40) and bench.outputs.high == set()


@pytest.mark.parametrize("intid", [27, 40])
def test_a_level_still_high_at_the_end_is_taken_again(bench: Bench, intid: int) -> None:
    line = bench.gic.ppi(0, intid) if intid < 32 else bench.gic.spi(intid)
    bench.set(ENABLE, intid)
    line(True)
    assert bench.acknowledge() == intid
    assert bench.bits(PEND, intid) and bench.bits(ACTIVATE, intid), "pending and active"
    assert bench.outputs.high == set() and bench.acknowledge() == SPURIOUS
    bench.end(intid)
    assert bench.outputs.high == {IRQ0}
    assert bench.acknowledge() == intid
    line(False)
    bench.end(intid)
    assert bench.outputs.high == set() and bench.acknowledge() == SPURIOUS


@pytest.mark.parametrize("intid", [27, 40])
def test_an_edge_is_remembered_once(bench: Bench, intid: int) -> None:
    line = bench.gic.ppi(0, intid) if intid < 32 else bench.gic.spi(intid)
    bench.set_edge(intid)
    bench.set(ENABLE, intid)
    line(True)
    line(False)
    assert bench.acknowledge() == intid
    line(True)
    line(False)
    line(True)
    assert bench.bits(PEND, intid), "an edge while active pends it again"
    bench.end(intid)
    assert bench.acknowledge() == intid
    bench.end(intid)
    assert bench.acknowledge() == SPURIOUS, "the line is high, but there was no new edge"


def test_an_edge_pended_while_disabled_is_taken_when_enabled(bench: Bench) -> None:
    bench.set_edge(50)
    bench.gic.spi(50)(True)
    assert bench.outputs.high == set()
    bench.set(ENABLE, 50)
    assert bench.outputs.high == {IRQ0}
    bench.set(DISABLE, 50)
    assert bench.outputs.high == set() and bench.bits(PEND, 50)
    bench.set(UNPEND, 50)
    bench.set(ENABLE, 50)
    assert bench.outputs.high == set()


def test_software_can_pend_a_level_sensitive_interrupt_until_it_is_acknowledged(bench: Bench) -> None:
    bench.set(ENABLE, 34)
    bench.set(PEND, 34)
    assert bench.acknowledge() == 34
    assert not bench.bits(PEND, 34)
    bench.end(34)
    assert bench.acknowledge() == SPURIOUS


def test_software_can_set_and_clear_the_active_state(bench: Bench) -> None:
    pend(bench, 34, 0)
    bench.set(ACTIVATE, 34)
    assert bench.outputs.high == set() and bench.highest() == SPURIOUS
    bench.set(DEACTIVATE, 34)
    assert bench.outputs.high == {IRQ0} and bench.highest() == 34


def test_the_most_urgent_is_first_and_then_the_lowest_intid(bench: Bench) -> None:
    for intid, priority in ((40, 0x80), (41, 0x40), (42, 0x40), (27, 0x60)):
        pend(bench, intid, priority)
    order = []
    while (intid := bench.acknowledge()) != SPURIOUS:
        order.append(intid)
        bench.end(intid)
    assert order == [41, 42, 27, 40]


def test_a_more_urgent_interrupt_preempts(bench: Bench) -> None:
    pend(bench, 40, 0x80)
    assert bench.acknowledge() == 40 and bench.running() == 0x80
    pend(bench, 41, 0x80)
    assert bench.outputs.high == set(), "the same priority does not preempt"
    pend(bench, 42, 0x78)
    assert bench.outputs.high == {IRQ0}
    assert bench.acknowledge() == 42 and bench.running() == 0x78
    bench.end(42)
    assert bench.running() == 0x80 and bench.outputs.high == set()
    bench.end(40)
    assert bench.running() == 0xFF and bench.acknowledge() == 41


def test_the_binary_point_decides_what_preempts(bench: Bench) -> None:
    bench.binary_point(6)
    pend(bench, 40, 0x78)
    assert bench.acknowledge() == 40 and bench.running() == 0x40, "the group priority is <7:6>"
    pend(bench, 41, 0x40)
    assert bench.outputs.high == set()
    bench.binary_point(4)
    pend(bench, 42, 0x30)
    assert bench.acknowledge() == 42 and bench.running() == 0x30


def test_the_mask_lets_through_only_what_is_more_urgent(bench: Bench) -> None:
    pend(bench, 40, 0x80)
    bench.mask(0x80)
    assert bench.outputs.high == set() and bench.acknowledge() == SPURIOUS
    assert bench.highest() == 40, "the highest pending interrupt is known whatever the mask"
    bench.mask(0x88)
    assert bench.outputs.high == {IRQ0}


def test_a_priority_of_the_mask_value_ff_is_never_signalled(bench: Bench) -> None:
    pend(bench, 40, 0xFF)
    bench.mask(0xF0)
    assert bench.outputs.high == set() and bench.acknowledge() == SPURIOUS


def test_split_end_drops_the_priority_and_leaves_it_active(bench: Bench) -> None:
    bench.split()
    line = bench.gic.spi(40)
    bench.set(ENABLE, 40)
    line(True)
    assert bench.acknowledge() == 40
    bench.end(40)
    assert bench.running() == 0xFF and bench.bits(ACTIVATE, 40)
    assert bench.outputs.high == set(), "active: the level cannot be taken again"
    pend(bench, 41, 0xA0)
    assert bench.acknowledge() == 41, "a less urgent one can run"
    bench.end(41)
    bench.deactivate(41)
    bench.deactivate(40)
    assert not bench.bits(ACTIVATE, 40) and bench.outputs.high == {IRQ0}


def test_deactivation_is_ignored_unless_split(bench: Bench) -> None:
    pend(bench, 40, 0)
    bench.acknowledge()
    bench.deactivate(40)
    assert bench.bits(ACTIVATE, 40)


@pytest.mark.parametrize("intid", [288, 1019, 1020, 1022, 1023])
def test_ending_what_is_no_interrupt_does_nothing(bench: Bench, intid: int) -> None:
    pend(bench, 40, 0x40)
    bench.acknowledge()
    bench.end(intid)
    assert bench.running() == 0x40 and bench.bits(ACTIVATE, 40)
    bench.split()
    bench.deactivate(intid)
    assert bench.bits(ACTIVATE, 40)


def test_ending_when_nothing_is_active_does_nothing(bench: Bench) -> None:
    bench.set(ACTIVATE, 40)
    bench.end(40)
    assert bench.bits(ACTIVATE, 40) and bench.running() == 0xFF


def test_a_list_register_deactivates_through_its_own_way(bench: Bench) -> None:
    pend(bench, 40, 0)
    bench.acknowledge()
    bench.gic.deactivate(0, 40)
    assert not bench.bits(ACTIVATE, 40)
    for intid in (-1, 288, 1023):
        bench.gic.deactivate(0, intid)


def test_private_interrupts_belong_to_their_cpu(bench: Bench) -> None:
    for cpu in (0, 1):
        bench.set(ENABLE, 27, cpu)
    bench.gic.ppi(1, 27)(True)
    assert bench.outputs.high == {IRQ1}
    assert bench.bits(PEND, 27, 1) and not bench.bits(PEND, 27, 0)
    assert bench.acknowledge(0) == SPURIOUS and bench.acknowledge(1) == 27
    assert bench.running(0) == 0xFF and bench.running(1) != 0xFF


@pytest.mark.parametrize("intid", [-1, 0, 31, 288, 1023])
def test_only_spis_have_an_spi_line(bench: Bench, intid: int) -> None:
    with pytest.raises(ValueError, match="INTID"):
        bench.gic.spi(intid)


@pytest.mark.parametrize("intid", [-1, 0, 15, 32, 1023])
def test_only_ppis_have_a_ppi_line(bench: Bench, intid: int) -> None:
    with pytest.raises(ValueError, match="INTID"):
        bench.gic.ppi(0, intid)


def test_lines_are_driven_only_when_they_change(bench: Bench) -> None:
    pend(bench, 40, 0x40)
    before = bench.outputs.calls
    pend(bench, 41, 0x20)
    assert bench.outputs.calls == before and bench.outputs.high == {IRQ0}


def test_a_restored_gic_drives_its_lines_and_goes_on(bench: Bench) -> None:
    pend(bench, 40, 0x80)
    bench.acknowledge()
    pend(bench, 41, 0x40)
    saved = bench.gic.snapshot()
    fresh = type(bench)()
    fresh.gic.restore(saved)
    assert fresh.outputs.high == {IRQ0} and fresh.gic.snapshot() == saved
    assert fresh.acknowledge() == 41 and fresh.running() == 0x40
    calls = fresh.outputs.calls
    fresh.gic.restore(fresh.gic.snapshot())
    assert fresh.outputs.calls == calls + 4, "a restore drives every line, changed or not"
    fresh.end(41)
    fresh.end(40)
    assert fresh.running() == 0xFF
    bench.gic.restore(type(bench)().gic.snapshot())
    assert bench.outputs.high == set() and bench.running() == 0xFF

"""GICv3, register by register. Reset values are those of QEMU 7.2's `virt,gic-version=3`, but for what is said."""

from __future__ import annotations

import pytest
from gic_support import ALL, SGI_BASE, SPURIOUS, BenchV3, View

from arm_hyp.arch.sysregs import by_name
from arm_hyp.machine.gic.gicv3 import Gicv3

GICD_ID = (0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1)
GICR_ID = (0x44, 0, 0, 0, 0x93, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1)
"""Offsets 0xffd0 to 0xfffc, read from QEMU 7.2."""
IRQ, FIQ = (0, "irq"), (0, "fiq")
IROUTER32 = 0x6100


@pytest.fixture
def bench() -> BenchV3:
    return BenchV3(cpus=3)


@pytest.fixture
def ready(bench: BenchV3) -> BenchV3:
    bench.open()
    return bench


# --- GICD --------------------------------------------------------------------------------------------------------


def test_gicd_reset_values(bench: BenchV3) -> None:
    assert bench.d(0x000) == 0x50, "DS and ARE"
    assert bench.d(0x008) == 0x43B
    assert tuple(bench.d(0xFFD0 + 4 * n) for n in range(12)) == GICD_ID
    assert [bench.d(offset) for offset in (0x084, 0x104, 0x204, 0x304, 0x420, 0xC08, IROUTER32)] == [0] * 7


def test_gicd_typer_says_what_there_is(bench: BenchV3) -> None:
    """QEMU says ITLinesNumber 7, LPIS 1 and IDbits 15; here are 288 INTIDs, which is 8, and no LPIs, so 10 bits do."""
    typer = bench.d(4)
    assert typer & 0x1F == 8 and typer >> 19 & 0x1F == 9
    assert typer >> 17 & 1 == 0, "LPIS"
    assert typer >> 10 & 1 == 0, "SecurityExtn"
    assert typer >> 24 & 3 == 3, "No1N, A3V"


def test_gicd_ctlr_has_the_group_enables_and_two_fixed_bits(bench: BenchV3) -> None:
    bench.set_d(0, ALL)
    assert bench.d(0) == 0x53
    bench.set_d(0, 0)
    assert bench.d(0) == 0x50


@pytest.mark.parametrize(
    "offset",
    [
        0x00C,
        0x010,
        0x040,
        0x080,
        0x100,
        0x180,
        0x200,
        0x300,
        0x400,
        0x41C,
        0x820,
        0xC00,
        0xC04,
        0xD04,
        0xE08,
        0xF00,
        0xF10,
        0xF20,
        0x0A4,
        0x520,
        0x60F8,
        0x6900,
        0xFFCC,
    ],
)
def test_what_affinity_routing_or_one_security_state_removes_is_raz_wi(bench: BenchV3, offset: int) -> None:
    before = bench.gic.snapshot()
    bench.set_d(offset, ALL)
    assert bench.d(offset) == 0 and bench.gic.snapshot() == before


@pytest.mark.parametrize("offset", [0x004, 0x008, 0xFFD0, 0xFFE8, 0xFFFC])
def test_read_only_registers_of_gicd(bench: BenchV3, offset: int) -> None:
    before = bench.d(offset)
    bench.set_d(offset, before ^ ALL)
    assert bench.d(offset) == before


@pytest.mark.parametrize("set_offset", [0x100, 0x200, 0x300])
@pytest.mark.parametrize("word", [1, 8])
def test_bit_registers_set_and_clear_spis(bench: BenchV3, set_offset: int, word: int) -> None:
    bench.set_d(set_offset + 4 * word, ALL)
    bench.set_d(set_offset + 0x80 + 4 * word, 0x5555_5555)
    assert bench.d(set_offset + 4 * word) == bench.d(set_offset + 0x80 + 4 * word) == 0xAAAA_AAAA


def test_groups_priorities_and_configuration_of_spis(bench: BenchV3) -> None:
    bench.set_d(0x0A0, 0x1234_5678)
    assert bench.d(0x0A0) == 0x1234_5678
    bench.set_d(0x51C, ALL)
    assert bench.d(0x51C) == 0xF8F8_F8F8, "5 bits of priority"
    bench.gicd.write(0x51D, 1, 0x57)
    assert bench.gicd.read(0x51D, 1) == 0x50 and bench.d(0x51C) == 0xF8F8_50F8
    bench.set_d(0xC44, ALL)
    assert bench.d(0xC44) == 0xAAAA_AAAA


@pytest.mark.parametrize(("offset", "size"), [(0x104, 1), (0x104, 2), (0x422, 4), (0x421, 2), (IROUTER32, 1)])
def test_other_sizes_and_unaligned_accesses_are_raz_wi(bench: BenchV3, offset: int, size: int) -> None:
    for word in (0x104, 0x420, IROUTER32):
        bench.set_d(word, ALL)
    before = bench.gic.snapshot()
    assert bench.gicd.read(offset, size) == 0
    bench.gicd.write(offset, size, 0)
    assert bench.gic.snapshot() == before


def test_irouter_keeps_the_affinity_and_moves_the_interrupt(ready: BenchV3) -> None:
    ready.set_d(IROUTER32, ALL)
    ready.set_d(IROUTER32 + 4, ALL)
    assert ready.d(IROUTER32) == 0x00FF_FFFF and ready.d(IROUTER32 + 4) == 0xFF, "IRM is RES0: 1 of N is not supported"
    ready.set(0x100, 32)
    ready.gic.spi(32)(True)
    assert ready.outputs.high == set(), "no CPU has this affinity"
    ready.set_d(IROUTER32, 2)
    assert ready.outputs.high == set()
    ready.set_d(IROUTER32 + 4, 0)
    assert ready.outputs.high == {(2, "irq")}


def test_the_last_spi_has_a_route(bench: BenchV3) -> None:
    bench.set_d(0x6000 + 8 * 287, 1)
    assert bench.d(0x6000 + 8 * 287) == 1
    bench.set_d(0x6000 + 8 * 288, 1)
    assert bench.d(0x6000 + 8 * 288) == 0


# --- GICR --------------------------------------------------------------------------------------------------------


def test_redistributors_say_whose_they_are(bench: BenchV3) -> None:
    assert [bench.r(0x08, cpu) for cpu in range(3)] == [0x000, 0x100, 0x210], "Processor_Number<23:8>, Last<4>"
    assert [bench.r(0x0C, cpu) for cpu in range(3)] == [0, 1, 2], "affinity"
    assert [bench.r(offset) for offset in (0x00, 0x04, 0x10)] == [0, 0x43B, 0]
    assert tuple(bench.r(0xFFD0 + 4 * n, cpu=1) for n in range(12)) == GICR_ID


def test_affinities_can_be_given() -> None:
    bench = BenchV3(1)
    gic = Gicv3(bench.outputs.lines, [View()], [0x0102_0304])
    assert gic.redistributors().read(0x0C, 4) == 0x0102_0304


def test_waker_starts_asleep_and_children_follow(bench: BenchV3) -> None:
    assert bench.r(0x14) == 6
    bench.set_r(0x14, 0)
    assert bench.r(0x14) == 0 and bench.r(0x14, cpu=1) == 6
    bench.set_r(0x14, ALL)
    assert bench.r(0x14) == 6


@pytest.mark.parametrize("offset", [0x00, 0x04, 0x08, 0x0C, 0x10, 0x40, 0x70, 0x78, 0xFFE8, SGI_BASE, SGI_BASE + 0x84])
def test_read_only_and_reserved_registers_of_gicr(bench: BenchV3, offset: int) -> None:
    before, state = bench.r(offset), bench.gic.snapshot()
    bench.set_r(offset, before ^ ALL)
    assert bench.r(offset) == before and bench.gic.snapshot() == state


@pytest.mark.parametrize("offset", [0x104, 0x420, 0xC08, 0xD00, 0xE00, 0xFFE8])
def test_reserved_registers_of_the_sgi_frame(bench: BenchV3, offset: int) -> None:
    state = bench.gic.snapshot()
    bench.set_r(SGI_BASE + offset, ALL)
    assert bench.r(SGI_BASE + offset) == 0 and bench.gic.snapshot() == state


@pytest.mark.parametrize("set_offset", [0x100, 0x200, 0x300])
def test_private_bit_registers_are_each_cpus_own(bench: BenchV3, set_offset: int) -> None:
    bench.set_r(SGI_BASE + set_offset, ALL, cpu=1)
    bench.set_r(SGI_BASE + set_offset + 0x80, 0x5555_5555, cpu=1)
    assert bench.r(SGI_BASE + set_offset, cpu=1) == 0xAAAA_AAAA and bench.r(SGI_BASE + set_offset) == 0


def test_private_groups_priorities_and_configuration(bench: BenchV3) -> None:
    assert bench.r(SGI_BASE + 0x80) == 0 and bench.r(SGI_BASE + 0xC00) == 0xAAAA_AAAA
    for offset, kept in ((0x80, ALL), (0x400, 0xF8F8_F8F8), (0x41C, 0xF8F8_F8F8), (0xC04, 0xAAAA_AAAA)):
        bench.set_r(SGI_BASE + offset, ALL)
        assert bench.r(SGI_BASE + offset) == kept
    bench.set_r(SGI_BASE + 0xC00, 0)
    assert bench.r(SGI_BASE + 0xC00) == 0xAAAA_AAAA, "SGIs are edge-triggered"


def test_behind_the_last_redistributor_is_nothing(bench: BenchV3) -> None:
    state = bench.gic.snapshot()
    bench.set_r(0x14, 0, cpu=3)
    assert bench.r(0x08, cpu=3) == 0 and bench.gic.snapshot() == state


# --- ICC ---------------------------------------------------------------------------------------------------------


def test_icc_reset_values(bench: BenchV3) -> None:
    values = {"CTLR": 0x8C00, "PMR": 0, "BPR0": 2, "BPR1": 3, "RPR": 0xFF, "IGRPEN0": 0, "IGRPEN1": 0}
    values |= {"IAR0": 1023, "IAR1": 1023, "HPPIR0": 1023, "HPPIR1": 1023, "AP0R0": 0, "AP1R0": 0}
    assert {name: bench.icc(name) for name in values} == values


@pytest.mark.parametrize(
    ("name", "kept", "least"),
    [
        ("CTLR", 0x8C03, 0x8C00),
        ("PMR", 0xF8, 0),
        ("BPR0", 7, 2),
        ("BPR1", 7, 3),
        ("IGRPEN0", 1, 0),
        ("IGRPEN1", 1, 0),
        ("AP0R0", ALL, 0),
        ("AP1R0", ALL, 0),
    ],
)
def test_what_the_icc_registers_keep(bench: BenchV3, name: str, kept: int, least: int) -> None:
    bench.set_icc(name, (1 << 64) - 1)
    assert bench.icc(name) == kept
    assert bench.icc(name, cpu=1) == least, "each CPU has its own"
    bench.set_icc(name, 0)
    assert bench.icc(name) == least


@pytest.mark.parametrize("name", ["IAR0", "IAR1", "HPPIR0", "HPPIR1", "RPR"])
def test_read_only_icc_registers_have_no_write(bench: BenchV3, name: str) -> None:
    assert bench.port(name).write is None


@pytest.mark.parametrize("name", ["EOIR0", "EOIR1", "DIR", "SGI0R", "SGI1R", "ASGI1R"])
def test_write_only_icc_registers_have_no_read(bench: BenchV3, name: str) -> None:
    assert bench.port(name).read is None


def test_registers_for_more_priority_bits_do_not_exist(bench: BenchV3) -> None:
    assert not any(by_name(f"ICC_AP{group}R{n}_EL1").encoding in bench.ports[0] for group in (0, 1) for n in (1, 2, 3))


def test_system_register_enables_are_fixed(bench: BenchV3) -> None:
    found = {name: value for name, value in bench.views[2].controls.items() if name.startswith("icc_sre")}
    assert found == {"icc_sre_el1": 7, "icc_sre_el2": 0xF, "icc_sre_el3": 0xF}
    assert bench.gic.filter_control("icc_sre_el1", 7, 0) == 7
    assert bench.gic.filter_control("icc_sre_el2", 0xF, 0) == 0xF
    assert bench.gic.filter_control("hcr_el2", 1, 2) == 2


def test_cbpr_shows_and_uses_group_0s_binary_point(ready: BenchV3) -> None:
    ready.set_icc("CTLR", 1)
    ready.set_icc("BPR0", 5)
    assert ready.icc("BPR1") == 6
    ready.set_icc("BPR1", 3)
    assert ready.icc("BPR1") == 6
    ready.set_icc("BPR0", 7)
    assert ready.icc("BPR1") == 7
    ready.set_icc("BPR0", 5)
    ready.set_priority(3, 0x78)
    ready.set_icc("SGI1R", 3 << 24 | 1)
    assert ready.icc("IAR1") == 3 and ready.icc("RPR") == 0x40
    ready.set_icc("CTLR", 0)
    assert ready.icc("BPR1") == 3


def test_group_0_is_fiq_and_group_1_is_irq(ready: BenchV3) -> None:
    ready.set_r(SGI_BASE + 0x80, ~4)
    ready.set_icc("SGI0R", 2 << 24 | 1)
    assert ready.outputs.high == {FIQ}
    assert ready.icc("HPPIR1") == SPURIOUS and ready.icc("IAR1") == SPURIOUS
    assert ready.icc("HPPIR0") == 2 and ready.icc("IAR0") == 2
    assert ready.icc("AP0R0") == 1 and ready.icc("AP1R0") == 0
    ready.set_icc("EOIR1", 2)
    assert ready.icc("RPR") == 0, "the running priority is of Group 0"
    ready.set_icc("EOIR0", 2)
    assert ready.icc("RPR") == 0xFF and ready.outputs.high == set()


@pytest.mark.parametrize(
    ("name", "group0", "group1"), [("SGI0R", True, False), ("SGI1R", False, True), ("ASGI1R", True, False)]
)
def test_an_sgi_arrives_only_in_its_group(ready: BenchV3, name: str, group0: bool, group1: bool) -> None:
    ready.set_r(SGI_BASE + 0x80, ~4)
    ready.set_icc(name, 2 << 24 | 1)
    ready.set_icc(name, 3 << 24 | 1)
    assert (ready.bits(0x200, 2), ready.bits(0x200, 3)) == (group0, group1)


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (0b101, {0, 2}),
        (1 << 40, {0, 2}),
        (1 << 40 | 0b010, {0, 2}),
        (0b1000, set()),
        (1 << 16 | 7, set()),
        (1 << 32 | 7, set()),
        (1 << 48 | 7, set()),
        (1 << 44 | 2, {1}),
    ],
)
def test_targets_of_an_sgi(ready: BenchV3, value: int, targets: set[int]) -> None:
    ready.set_icc("SGI1R", value | 9 << 24, cpu=1)
    assert ready.outputs.high == {(cpu, "irq") for cpu in targets}
    assert [ready.icc("IAR1", cpu) for cpu in sorted(targets)] == [9] * len(targets)


def test_sgis_can_be_disabled_and_pended_by_register(ready: BenchV3) -> None:
    ready.set_r(SGI_BASE + 0x180, 1 << 5)
    ready.set_r(SGI_BASE + 0x200, 1 << 5)
    assert ready.outputs.high == set()
    ready.set_r(SGI_BASE + 0x100, 1 << 5)
    assert ready.outputs.high == {IRQ}
    ready.set_r(SGI_BASE + 0x280, 1 << 5)
    assert ready.outputs.high == set()


def test_preemption_compares_both_priorities_as_the_pending_ones_binary_point_splits_them(ready: BenchV3) -> None:
    ready.set_r(SGI_BASE + 0x80, ~4)
    ready.set_icc("BPR1", 7)
    ready.set_priority(2, 0x18)
    ready.set_icc("SGI0R", 2 << 24 | 1)
    assert ready.icc("IAR0") == 2
    ready.set_priority(3, 0x10)
    ready.set_icc("SGI1R", 3 << 24 | 1)
    assert ready.outputs.high == set() and ready.icc("IAR1") == SPURIOUS, "as QEMU: <7> alone is compared"
    ready.set_icc("BPR1", 3)
    assert ready.outputs.high == {IRQ} and ready.icc("IAR1") == 3

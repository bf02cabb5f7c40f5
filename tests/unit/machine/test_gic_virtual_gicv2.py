"""GICH and GICV, register by register. Values marked QEMU were read on `virt,gic-version=2` with a Cortex-A72."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_gic_virtual_support import ACTIVE, EN, INVALID, PENDING, Gicv2Bench

from arm_hyp.machine.gic.gich import GICH_LR, decode_gich_lr, encode_gich_lr

ALL = 0xFFFF_FFFF
HCR, VTR, VMCR, MISR, EISR0, EISR1, ELRSR0, ELRSR1 = 0x00, 0x04, 0x08, 0x10, 0x20, 0x24, 0x30, 0x34
GICH_APR, LR0 = 0xF0, 0x100
CTLR, PMR, BPR, IAR, EOIR, RPR, HPPIR, ABPR, AIAR, AEOIR, AHPPIR = range(0x00, 0x2C, 4)
APR0, IIDR, DIR = 0xD0, 0xFC, 0x1000

GICH_RESET = {HCR: 0, VTR: 0x9000_0003, VMCR: 0x004C_0000, MISR: 0, EISR0: 0, ELRSR0: 0xF, GICH_APR: 0, LR0: 0}
GICV_RESET = {
    CTLR: 0, PMR: 0, BPR: 2, IAR: 1023, RPR: 0xFF, HPPIR: 1023, ABPR: 3, AIAR: 1023, AHPPIR: 1023, APR0: 0,
    IIDR: 0x0002_043B,
}  # fmt: skip
"""QEMU, except that AIAR and AHPPIR, which QEMU lacks, say 1023 as the architecture wants."""

GICH_WRITTEN = {HCR: 0xF800_00FF, VMCR: 0xF8FC_021F, GICH_APR: ALL, LR0: 0xFF8F_FFFF, LR0 + 12: 0xFF8F_FFFF}
GICV_WRITTEN = {CTLR: 0x21F, PMR: 0xF8, BPR: 7, ABPR: 7, APR0: ALL}
"""What the registers keep of all ones: QEMU."""


@pytest.fixture
def bench() -> Gicv2Bench:
    bench = Gicv2Bench()
    bench.write("VMCR", 0)
    return bench


def lr(
    intid: int, *, state: int = PENDING, group: int = 1, priority: int = 0x80, physical: int = 0, hw: int = 0
) -> int:
    return GICH_LR.of(HW=hw, Grp1=group, State=state, Priority=priority >> 3, PhysicalID=physical, VirtualID=intid)


@pytest.mark.parametrize(("offset", "value"), GICH_RESET.items())
def test_gich_resets(bench: Gicv2Bench, offset: int, value: int) -> None:
    assert bench.gich.read(offset, 4) == value


@pytest.mark.parametrize(("offset", "value"), GICV_RESET.items())
def test_gicv_resets(bench: Gicv2Bench, offset: int, value: int) -> None:
    assert bench.gicv.read(offset, 4) == value


@pytest.mark.parametrize(("offset", "kept"), GICH_WRITTEN.items())
def test_gich_keeps_what_is_not_reserved(bench: Gicv2Bench, offset: int, kept: int) -> None:
    bench.gich.write(offset, 4, ALL)
    assert bench.gich.read(offset, 4) == kept


@pytest.mark.parametrize(("offset", "kept"), GICV_WRITTEN.items())
def test_gicv_keeps_what_is_not_reserved(bench: Gicv2Bench, offset: int, kept: int) -> None:
    bench.gicv.write(offset, 4, ALL)
    assert bench.gicv.read(offset, 4) == kept


@pytest.mark.parametrize("offset", [VTR, MISR, EISR0, ELRSR0])
def test_gich_status_registers_are_read_only(bench: Gicv2Bench, offset: int) -> None:
    before = bench.interface.snapshot()
    bench.gich.write(offset, 4, ALL)
    assert bench.interface.snapshot() == before and bench.gich.read(offset, 4) == GICH_RESET[offset]


@pytest.mark.parametrize("offset", [IAR, RPR, HPPIR, AIAR, AHPPIR, IIDR])
def test_gicv_status_registers_are_read_only(bench: Gicv2Bench, offset: int) -> None:
    before = bench.interface.snapshot()
    bench.gicv.write(offset, 4, ALL)
    assert bench.interface.snapshot() == before and bench.gicv.read(offset, 4) == GICV_RESET[offset]


@pytest.mark.parametrize("offset", [EOIR, AEOIR, DIR])
def test_gicv_command_registers_read_as_zero(bench: Gicv2Bench, offset: int) -> None:
    assert bench.gicv.read(offset, 4) == 0


@pytest.mark.parametrize("offset", [0x0C, EISR1, ELRSR1, 0xF4, LR0 + 16, 0x1FC, 0x200, 0xFFC, 0x1_0000])
def test_gich_reserved_offsets_are_raz_wi(bench: Gicv2Bench, offset: int) -> None:
    before = bench.interface.snapshot()
    bench.gich.write(offset, 4, ALL)
    assert bench.gich.read(offset, 4) == 0 and bench.interface.snapshot() == before


@pytest.mark.parametrize("offset", [0x2C, 0xCC, APR0 + 4, APR0 + 12, 0xE0, 0xF8, 0xFFC, 0x1004, 0x1FFC])
def test_gicv_reserved_offsets_are_raz_wi(bench: Gicv2Bench, offset: int) -> None:
    before = bench.interface.snapshot()
    bench.gicv.write(offset, 4, ALL)
    assert bench.gicv.read(offset, 4) == 0 and bench.interface.snapshot() == before


@pytest.mark.parametrize("size_bytes", [1, 2])
@pytest.mark.parametrize("offset", [*GICH_RESET, *range(LR0, LR0 + 16, 4)])
def test_gich_takes_whole_words_only(bench: Gicv2Bench, offset: int, size_bytes: int) -> None:
    bench.gich.write(HCR, 4, 2)
    bench.gich.write(LR0, 4, lr(40))
    before = bench.interface.snapshot()
    bench.gich.write(offset, size_bytes, 0xFF)
    assert bench.gich.read(offset, size_bytes) == 0 and bench.interface.snapshot() == before


@pytest.mark.parametrize("size_bytes", [1, 2])
@pytest.mark.parametrize("offset", [*GICV_RESET, EOIR, AEOIR, DIR])
def test_gicv_takes_whole_words_only(bench: Gicv2Bench, offset: int, size_bytes: int) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40))
    bench.gich.write(GICH_APR, 4, 0x8000_0000)
    before = bench.interface.snapshot()
    bench.gicv.write(offset, size_bytes, 0xFF)
    assert bench.gicv.read(offset, size_bytes) == 0 and bench.interface.snapshot() == before


def test_words_must_be_aligned(bench: Gicv2Bench) -> None:
    bench.gich.write(LR0 + 2, 4, ALL)
    assert bench.gich.read(LR0 + 2, 4) == 0 and bench.gich.read(LR0, 4) == 0


@given(st.integers(0, ALL))
def test_list_registers_translate_there_and_back(value: int) -> None:
    assert encode_gich_lr(decode_gich_lr(value)) == value & ~(7 << 20)


def test_vmcr_shows_the_guests_registers_and_sets_them(bench: Gicv2Bench) -> None:
    for offset, value in ((CTLR, 0x215), (PMR, 0xA7), (BPR, 5), (ABPR, 6)):
        bench.gicv.write(offset, 4, value)
    assert bench.gich.read(VMCR, 4) == 0xA0 << 24 | 5 << 21 | 6 << 18 | 0x215
    bench.gich.write(VMCR, 4, 0x10 << 24 | 3 << 21 | 4 << 18 | 0x2)
    assert [bench.gicv.read(offset, 4) for offset in (CTLR, PMR, BPR, ABPR)] == [0x2, 0x10, 3, 4]


@pytest.mark.parametrize(("offset", "smallest"), [(BPR, 2), (ABPR, 3)])
def test_too_small_a_binary_point_becomes_the_minimum(bench: Gicv2Bench, offset: int, smallest: int) -> None:
    for value in range(8):
        bench.gicv.write(offset, 4, value)
        assert bench.gicv.read(offset, 4) == max(value, smallest)


def test_both_frames_show_the_same_active_priorities(bench: Gicv2Bench) -> None:
    bench.gicv.write(APR0, 4, 0x10)
    assert bench.gich.read(GICH_APR, 4) == 0x10 and bench.gicv.read(RPR, 4) == 0x20
    bench.gich.write(GICH_APR, 4, 0)
    assert bench.gicv.read(APR0, 4) == 0 and bench.gicv.read(RPR, 4) == 0xFF


def test_group_0_is_a_virtual_irq_unless_fiqen(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40, group=0))
    assert bench.high == {"virq"}
    bench.gicv.write(CTLR, 4, 0xB)
    assert bench.high == {"vfiq"}


def test_iar_says_1022_for_group_1_unless_ackctl(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40))
    assert bench.gicv.read(HPPIR, 4) == bench.gicv.read(IAR, 4) == 1022
    assert bench.state(0) == PENDING
    bench.gicv.write(CTLR, 4, 0x7)
    assert bench.gicv.read(HPPIR, 4) == bench.gicv.read(IAR, 4) == 40
    bench.gicv.write(EOIR, 4, 40)
    assert bench.state(0) == INVALID


def test_the_aliases_are_of_group_1_only(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40, group=0))
    assert bench.gicv.read(AHPPIR, 4) == bench.gicv.read(AIAR, 4) == 1023
    bench.gich.write(LR0, 4, lr(40, group=1))
    assert bench.gicv.read(AHPPIR, 4) == bench.gicv.read(AIAR, 4) == 40
    bench.gicv.write(AEOIR, 4, 40)
    assert bench.state(0) == INVALID


def test_1022_needs_an_interrupt_that_would_be_signalled(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40))
    bench.gicv.write(PMR, 4, 0x80)
    assert bench.gicv.read(IAR, 4) == 1023 and bench.gicv.read(HPPIR, 4) == 1022


def test_sgis_carry_the_cpu_that_sent_them(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(3, group=0, physical=5))
    assert bench.gicv.read(HPPIR, 4) == bench.gicv.read(IAR, 4) == 5 << 10 | 3
    bench.gicv.write(EOIR, 4, 5 << 10 | 3)
    assert bench.state(0) == INVALID


@pytest.mark.parametrize(("intid", "hw"), [(16, 0), (3, 1)])
def test_only_software_sgis_carry_a_cpu(bench: Gicv2Bench, intid: int, hw: int) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(intid, group=0, physical=5, hw=hw))
    assert bench.gicv.read(IAR, 4) == intid


def test_the_end_of_an_sgi_chooses_the_list_register_of_its_cpu(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(3, group=0, state=ACTIVE, physical=1))
    bench.gich.write(LR0 + 4, 4, lr(3, group=0, state=ACTIVE, physical=2))
    bench.gich.write(GICH_APR, 4, 1 << 16)
    bench.gicv.write(EOIR, 4, 2 << 10 | 3)
    assert [bench.state(0), bench.state(1)] == [ACTIVE, INVALID]


def test_the_end_of_an_sgi_without_its_cpu_finds_the_only_one(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(3, group=0, state=ACTIVE, physical=1))
    bench.gich.write(GICH_APR, 4, 1 << 16)
    bench.gicv.write(EOIR, 4, 3)
    assert bench.state(0) == INVALID


def test_an_end_of_the_other_group_takes_effect_as_on_qemu(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40))
    bench.gicv.read(AIAR, 4)
    bench.gicv.write(EOIR, 4, 40)
    assert bench.state(0) == INVALID and bench.active == 0


def test_the_frames_hold_one_state_and_gich_saves_it(bench: Gicv2Bench) -> None:
    bench.open()
    bench.gich.write(LR0, 4, lr(40))
    other = Gicv2Bench()
    other.gich.restore(bench.gich.snapshot())
    other.gicv.restore(bench.gicv.snapshot())
    assert other.gich.snapshot() == bench.gich.snapshot() and bench.gicv.snapshot() == {}
    assert other.high == {"virq"} and other.gich.read(HCR, 4) == EN

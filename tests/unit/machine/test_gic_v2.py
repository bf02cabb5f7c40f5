"""GICv2, register by register. Reset values are those that QEMU 7.2's `virt,gic-version=2` shows on the same map."""

from __future__ import annotations

import pytest
from gic_support import ALL, SPURIOUS, BenchV2

ID_VALUES = (0x04, 0, 0, 0, 0x90, 0xB4, 0x2B, 0, 0x0D, 0xF0, 0x05, 0xB1)
"""GICD 0xfd0 to 0xffc, read from QEMU 7.2."""
FIQ, IRQ = (0, "fiq"), (0, "irq")
BIT_REGISTERS = {"IGROUPR": 0x80, "ISENABLER": 0x100, "ISPENDR": 0x200, "ISACTIVER": 0x300}


@pytest.fixture
def bench() -> BenchV2:
    return BenchV2(cpus=4)


@pytest.fixture
def ready(bench: BenchV2) -> BenchV2:
    bench.open()
    return bench


# --- GICD --------------------------------------------------------------------------------------------------------


def test_gicd_reset_values(bench: BenchV2) -> None:
    values = {
        0x000: 0,
        0x004: 0x68,
        0x008: 0x43B,
        0x080: 0,
        0x100: 0xFFFF,
        0x104: 0,
        0x300: 0,
        0x400: 0,
        0xC00: 0xAAAA_AAAA,
    }
    assert {offset: bench.d(offset) for offset in values} == values
    assert tuple(bench.d(0xFD0 + 4 * n) for n in range(12)) == ID_VALUES
    assert [bench.d(0x800, cpu) for cpu in range(4)] == [0x0101_0101, 0x0202_0202, 0x0404_0404, 0x0808_0808]
    assert bench.d(0x820) == 0, "no CPU until software chooses one"


def test_gicd_ctlr_has_the_two_group_enables(bench: BenchV2) -> None:
    bench.set_d(0, ALL)
    assert bench.d(0, cpu=3) == 3


@pytest.mark.parametrize("offset", [0x004, 0x008, 0xFD0, 0xFE8, 0x800, 0x81C])
def test_read_only_registers_of_gicd(bench: BenchV2, offset: int) -> None:
    before = bench.d(offset)
    bench.set_d(offset, before ^ ALL)
    assert bench.d(offset) == before


@pytest.mark.parametrize(
    "offset", [0x00C, 0x07C, 0x0A4, 0x124, 0x520, 0x920, 0xC48, 0xE00, 0xF00, 0xF04, 0x1000, 0xFFFC]
)
def test_reserved_offsets_of_gicd_are_raz_wi(bench: BenchV2, offset: int) -> None:
    before = bench.gic.snapshot()
    bench.set_d(offset, 0xFFFF_FFF0 if offset == 0xF00 else ALL)
    assert bench.d(offset) == 0
    if offset != 0xF00:
        assert bench.gic.snapshot() == before


@pytest.mark.parametrize("name", BIT_REGISTERS)
@pytest.mark.parametrize("word", [0, 1, 8])
def test_bit_registers_set_every_interrupt(bench: BenchV2, name: str, word: int) -> None:
    offset = BIT_REGISTERS[name] + 4 * word
    bench.set_d(offset, ALL)
    expected = 0xFFFF_0000 if name == "ISPENDR" and word == 0 else ALL
    assert bench.d(offset) == expected, "SGIs are pended by GICD_SPENDSGIR only"
    assert bench.d(offset, cpu=1) == (expected if word else {"ISENABLER": 0xFFFF}.get(name, 0)), "word 0 is banked"


@pytest.mark.parametrize("name", ["ISENABLER", "ISPENDR", "ISACTIVER"])
@pytest.mark.parametrize("word", [0, 1, 8])
def test_bit_registers_clear_what_is_written_as_one(bench: BenchV2, name: str, word: int) -> None:
    offset = BIT_REGISTERS[name] + 4 * word
    bench.set_d(offset, ALL)
    bench.set_d(offset, 0)
    bench.set_d(offset + 0x80, 0x5555_0000)
    assert bench.d(offset) & 0xFFFF_0000 == 0xAAAA_0000 == bench.d(offset + 0x80) & 0xFFFF_0000


def test_sgis_are_always_enabled(bench: BenchV2) -> None:
    bench.set_d(0x180, ALL)
    assert bench.d(0x100) == bench.d(0x180) == 0xFFFF


@pytest.mark.parametrize("offset", [0x400, 0x41C, 0x420, 0x51C])
def test_priorities_have_eight_bits_and_byte_access(bench: BenchV2, offset: int) -> None:
    bench.set_d(offset, 0x1234_56FF)
    assert bench.d(offset) == 0x1234_56FF
    bench.gicd[0].write(offset + 1, 1, 0xA7)
    assert bench.gicd[0].read(offset + 1, 1) == 0xA7 and bench.d(offset) == 0x1234_A7FF
    bench.gicd[0].write(offset + 2, 2, 0xBEEF)
    assert bench.gicd[0].read(offset + 2, 2) == 0xBEEF and bench.d(offset) == 0xBEEF_A7FF
    assert bench.d(offset, cpu=1) == (0 if offset < 0x420 else 0xBEEF_A7FF)


def test_targets_keep_the_cpus_that_exist(bench: BenchV2) -> None:
    bench.set_d(0x820, 0xFF01_0204)
    assert bench.d(0x820) == 0x0F01_0204
    bench.gicd[0].write(0x823, 1, 0x12)
    assert bench.gicd[0].read(0x823, 1) == 2 and bench.d(0x820, cpu=2) == 0x0201_0204


def test_targets_are_raz_wi_with_one_cpu() -> None:
    bench = BenchV2(cpus=1)
    bench.set_d(0x820, ALL)
    assert bench.d(0x800) == bench.d(0x820) == 0 and bench.d(4) == 8
    bench.open()
    bench.set(0x100, 40)
    bench.gic.spi(40)(True)
    assert bench.outputs.high == {IRQ}


def test_configuration_keeps_the_edge_bits_and_those_of_sgis_are_fixed(bench: BenchV2) -> None:
    for offset in (0xC00, 0xC04, 0xC08, 0xC44):
        bench.set_d(offset, ALL)
        assert bench.d(offset) == 0xAAAA_AAAA
        bench.set_d(offset, 0x5555_5555)
        assert bench.d(offset) == (0xAAAA_AAAA if offset == 0xC00 else 0)
    bench.set_d(0xC08, ALL)
    bench.set_d(0xC0C, 0xAAAA_0000)
    assert bench.d(0xC08) == 0xAAAA_AAAA and bench.d(0xC0C) == 0xAAAA_0000


@pytest.mark.parametrize(("offset", "size"), [(0x100, 1), (0x104, 2), (0x000, 1), (0xC08, 1), (0x402, 4), (0x421, 2)])
def test_other_sizes_and_unaligned_accesses_are_raz_wi(bench: BenchV2, offset: int, size: int) -> None:
    for word in (0, 0x100, 0x400, 0x420, 0xC08):
        bench.set_d(word, ALL)
    before = bench.gic.snapshot()
    assert bench.gicd[0].read(offset, size) == 0
    bench.gicd[0].write(offset, size, 0)
    assert bench.gic.snapshot() == before


def test_an_spi_goes_to_all_its_targets_and_the_first_takes_it(ready: BenchV2) -> None:
    ready.gicd[0].write(0x800 + 40, 1, 0b0110)
    ready.set(0x100, 40)
    ready.gic.spi(40)(True)
    assert ready.outputs.high == {(1, "irq"), (2, "irq")}
    assert ready.acknowledge(2) == 40
    assert ready.outputs.high == set() and ready.acknowledge(1) == SPURIOUS


def test_retargeting_moves_a_pending_spi(ready: BenchV2) -> None:
    ready.set(0x100, 40)
    ready.gic.spi(40)(True)
    ready.gicd[3].write(0x800 + 40, 1, 0b1000)
    assert ready.outputs.high == {(3, "irq")}


# --- SGIs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (0x000D_0005, {0, 2, 3}),
        (0x0100_0005, {0, 2, 3}),
        (0x0200_0005, {1}),
        (0x03FF_0005, set()),
        (0x00F0_0005, set()),
    ],
)
def test_sgir_target_filters(ready: BenchV2, value: int, targets: set[int]) -> None:
    ready.set_d(0xF00, value, cpu=1)
    assert ready.outputs.high == {(cpu, "irq") for cpu in targets}
    for cpu in targets:
        assert ready.highest(cpu) == ready.acknowledge(cpu) == 1 << 10 | 5, "the sender is in <12:10>"


def test_an_sgi_is_pending_once_for_each_sender(ready: BenchV2) -> None:
    for sender in (3, 1):
        ready.set_d(0xF00, 1 << 16 | 2, cpu=sender)
    assert ready.d(0xF10) == ready.d(0xF20) == 0b1010 << 16
    assert ready.acknowledge() == 1 << 10 | 2
    assert ready.bits(0x200, 2) and ready.bits(0x300, 2), "pending and active"
    assert ready.acknowledge() == SPURIOUS
    ready.end(1 << 10 | 2)
    assert ready.acknowledge() == 3 << 10 | 2
    ready.end(3 << 10 | 2)
    assert ready.acknowledge() == SPURIOUS and not ready.bits(0x200, 2)


def test_sgi_pending_registers_set_and_clear_senders(ready: BenchV2) -> None:
    ready.set_d(0xF2C, 0x0300_00F1)
    assert ready.d(0xF1C) == 0x0300_0001, "senders that exist"
    assert ready.d(0xF1C, cpu=1) == 0
    assert ready.bits(0x200, 12) and ready.bits(0x200, 15) and ready.outputs.high == {IRQ}
    ready.gicd[0].write(0xF1F, 1, 1)
    assert ready.d(0xF2C) == 0x0200_0001
    ready.set_d(0xF1C, ALL)
    assert ready.d(0xF2C) == 0 and ready.outputs.high == set()


def test_sgis_ignore_the_ordinary_pending_registers(ready: BenchV2) -> None:
    ready.set_d(0xF20, 1)
    ready.set_d(0x280, ALL)
    assert ready.bits(0x200, 0)


# --- GICC --------------------------------------------------------------------------------------------------------


def test_gicc_reset_values(bench: BenchV2) -> None:
    values = {
        0x00: 0,
        0x04: 0,
        0x08: 0,
        0x0C: 1023,
        0x14: 0xFF,
        0x18: 1023,
        0x1C: 1,
        0x20: 1023,
        0x28: 1023,
        0xD0: 0,
        0xE0: 0,
    }
    assert {offset: bench.c(offset) for offset in values} == values
    assert bench.c(0xFC) == 0x0002_043B


@pytest.mark.parametrize(
    ("offset", "kept"),
    [(0x00, 0x21F), (0x04, 0xFF), (0x08, 7), (0x1C, 7), (0xD0, ALL), (0xDC, ALL), (0xE0, ALL), (0xEC, ALL)],
)
def test_what_the_registers_of_gicc_keep(bench: BenchV2, offset: int, kept: int) -> None:
    bench.set_c(offset, ALL)
    assert bench.c(offset) == kept and bench.c(offset, cpu=1) != kept
    bench.set_c(offset, 0)
    assert bench.c(offset) == (1 if offset == 0x1C else 0)


@pytest.mark.parametrize("offset", [0x0C, 0x14, 0x18, 0x20, 0x28, 0xFC, 0x2C, 0x40, 0xC0, 0xF0, 0x1004, 0x1FFC])
def test_read_only_and_reserved_registers_of_gicc(bench: BenchV2, offset: int) -> None:
    before, state = bench.c(offset), bench.gic.snapshot()
    bench.set_c(offset, ALL)
    assert bench.c(offset) == before and bench.gic.snapshot() == state


@pytest.mark.parametrize("offset", [0x10, 0x24, 0x1000])
def test_write_only_registers_of_gicc_read_as_zero(bench: BenchV2, offset: int) -> None:
    assert bench.c(offset) == 0


@pytest.mark.parametrize("size", [1, 2])
def test_gicc_has_words_only(ready: BenchV2, size: int) -> None:
    ready.set_d(0xF00, 2 << 24)
    assert ready.gicc[0].read(0x20, size) == 0 and ready.outputs.high == {IRQ}
    ready.gicc[0].write(0x00, size, 0)
    assert ready.c(0) == 3


def group0(ready: BenchV2, intid: int, priority: int) -> None:
    ready.set_d(0x80 + intid // 32 * 4, 0)
    ready.set_edge(intid)
    ready.set_priority(intid, priority)
    ready.set(0x100, intid)
    ready.set(0x200, intid)


def test_group_0_is_an_irq_unless_fiqen(ready: BenchV2) -> None:
    group0(ready, 40, 0x20)
    assert ready.outputs.high == {IRQ}
    ready.set_c(0, 3 | 8)
    assert ready.outputs.high == {FIQ}
    assert ready.c(0x20) == SPURIOUS and ready.c(0x28) == SPURIOUS, "the aliases are for Group 1"
    assert ready.c(0x18) == 40 and ready.c(0x0C) == 40
    ready.set_c(0x24, 40)
    assert ready.c(0x14) == 0x20, "nor does GICC_AEOIR end it"
    ready.set_c(0x10, 40)
    assert ready.c(0x14) == 0xFF


def test_group_1_needs_ackctl_to_be_acknowledged_as_group_0(ready: BenchV2) -> None:
    ready.set(0x100, 40)
    ready.gic.spi(40)(True)
    assert ready.c(0x0C) == ready.c(0x18) == 1022
    ready.set_c(0, 3 | 4)
    assert ready.c(0x18) == ready.c(0x0C) == 40
    ready.set_c(0x10, 40)
    assert ready.c(0x14) == 0xFF


@pytest.mark.parametrize("disable", ["distributor", "cpu interface"])
def test_a_disabled_group_is_passed_over(ready: BenchV2, disable: str) -> None:
    ready.set(0x100, 33)
    ready.gic.spi(33)(True)
    ready.set_priority(33, 0x80)
    group0(ready, 70, 0x20)
    assert ready.c(0x18) == 70
    if disable == "distributor":
        ready.set_d(0, 2)
    else:
        ready.set_c(0, 2)
    assert ready.c(0x28) == 33 and ready.outputs.high == {IRQ}
    ready.set_d(0, 0)
    assert ready.outputs.high == set() and ready.c(0x18) == SPURIOUS


def test_active_priorities_are_kept_by_group_and_can_be_moved(ready: BenchV2) -> None:
    ready.set(0x100, 33)
    ready.gic.spi(33)(True)
    ready.set_priority(33, 0x84)
    assert ready.acknowledge() == 33
    assert ready.c(0xE8) == 1 << 2 and ready.c(0xD8) == 0, "GICC_NSAPR2: 0x84 >> 1 is bit 66"
    group0(ready, 70, 0x20)
    assert ready.c(0x0C) == 70 and ready.c(0xD0) == 1 << 16
    ready.set_c(0xD0, 0)
    assert ready.c(0x14) == 0x84
    ready.set_c(0xE8, 0)
    assert ready.c(0x14) == 0xFF
    ready.set_c(0xE0, 1)
    assert ready.c(0x14) == 0


def test_cbpr_gives_group_1_the_binary_point_of_group_0(ready: BenchV2) -> None:
    ready.set_c(0x08, 5)
    ready.set_c(0x1C, 1)
    ready.set(0x100, 33)
    ready.set_priority(33, 0x7F)
    ready.gic.spi(33)(True)
    ready.set_c(0, 3 | 1 << 4)
    assert ready.acknowledge() == 33 and ready.running() == 0x40


@pytest.mark.parametrize("cpus", [0, 9])
def test_a_gicv2_has_one_to_eight_cpus(cpus: int) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        BenchV2(cpus)

"""ICH_* and ICV_*, register by register. Values marked QEMU were read on `virt,gic-version=3` with a Cortex-A72."""

from __future__ import annotations

import pytest
from test_gic_virtual_support import ACTIVE, EN, INVALID, PENDING, Gicv3Bench

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers.gic_virtual import ICH_VTR_EL2

ALL = (1 << 64) - 1
ICH_RESET = {
    "ICH_VTR_EL2": 0x90B8_0003, "ICH_VMCR_EL2": 0x004C_0008, "ICH_MISR_EL2": 0, "ICH_EISR_EL2": 0,
    "ICH_ELRSR_EL2": 0xF, "ICH_AP0R0_EL2": 0, "ICH_AP1R0_EL2": 0, "ICH_LR0_EL2": 0, "ICH_LR1_EL2": 0,
    "ICH_LR2_EL2": 0, "ICH_LR3_EL2": 0,
}  # fmt: skip
ICV_RESET = {
    "ICC_CTLR_EL1": 0x8C00, "ICC_PMR_EL1": 0, "ICC_BPR0_EL1": 2, "ICC_BPR1_EL1": 3, "ICC_HPPIR0_EL1": 1023,
    "ICC_HPPIR1_EL1": 1023, "ICC_IAR0_EL1": 1023, "ICC_IAR1_EL1": 1023, "ICC_RPR_EL1": 0xFF, "ICC_IGRPEN0_EL1": 0,
    "ICC_IGRPEN1_EL1": 0, "ICC_AP0R0_EL1": 0, "ICC_AP1R0_EL1": 0,
}  # fmt: skip
"""QEMU."""

ICH_WRITTEN = {
    "ICH_VMCR_EL2": 0xF8FC_021B, "ICH_AP0R0_EL2": 0xFFFF_FFFF, "ICH_AP1R0_EL2": 0xFFFF_FFFF,
    "ICH_LR0_EL2": 0xF0F8_1FFF_00FF_FFFF, "ICH_LR3_EL2": 0xF0F8_1FFF_00FF_FFFF,
}  # fmt: skip
"""What all ones leave. QEMU keeps VPMR<2:0> and the RES0 bits of a list register; the architecture does not."""

ICV_WRITTEN = {
    "ICC_CTLR_EL1": 0x8C03, "ICC_PMR_EL1": 0xF8, "ICC_BPR0_EL1": 7, "ICC_BPR1_EL1": 7, "ICC_IGRPEN0_EL1": 1,
    "ICC_IGRPEN1_EL1": 1, "ICC_AP0R0_EL1": 0xFFFF_FFFF, "ICC_AP1R0_EL1": 0xFFFF_FFFF,
}  # fmt: skip
ICV_WRITE_ONLY = {"ICC_EOIR0_EL1", "ICC_EOIR1_EL1", "ICC_DIR_EL1"}


@pytest.fixture
def bench() -> Gicv3Bench:
    return Gicv3Bench()


@pytest.fixture
def ready(bench: Gicv3Bench) -> Gicv3Bench:
    bench.open()
    return bench


def test_there_are_exactly_these_registers(bench: Gicv3Bench) -> None:
    assert set(bench.ports) == set(ICH_RESET)
    assert set(bench.guest_ports) == set(ICV_RESET) | ICV_WRITE_ONLY


def test_every_port_goes_the_ways_that_the_register_table_says(bench: Gicv3Bench) -> None:
    for name, port in (bench.ports | bench.guest_ports).items():
        access = sysregs.by_name(name).access
        assert (port.read is not None, port.write is not None) == ("R" in access, "W" in access), name


@pytest.mark.parametrize(("name", "value"), (ICH_RESET | ICV_RESET).items())
def test_registers_reset(bench: Gicv3Bench, name: str, value: int) -> None:
    read = (bench.ports | bench.guest_ports)[name].read
    assert read is not None and read() == value


@pytest.mark.parametrize(("name", "kept"), (ICH_WRITTEN | ICV_WRITTEN).items())
def test_registers_keep_what_is_not_reserved(bench: Gicv3Bench, name: str, kept: int) -> None:
    port = (bench.ports | bench.guest_ports)[name]
    assert port.read is not None and port.write is not None
    port.write(ALL)
    assert port.read() == kept


def test_vtr_tells_what_there_is(bench: Gicv3Bench) -> None:
    vtr = ICH_VTR_EL2(bench.read("VTR"))
    assert (vtr.PRIbits, vtr.PREbits, vtr.IDbits, vtr.ListRegs) == (4, 4, 1, 3)
    assert (vtr.SEIS, vtr.A3V, vtr.nV4, vtr.TDS, vtr.DVIM) == (0, 1, 1, 1, 0)


def test_hcr_loses_its_reserved_bits_on_the_way_into_the_core(bench: Gicv3Bench) -> None:
    """QEMU keeps TSEI <13> too, which is RES0 without VTR.SEIS."""
    assert bench.interface.filter_control("ich_hcr_el2", 0, ALL) == 0xF800_5CFF
    bench.write("HCR", ALL)
    assert bench.read("HCR") == 0xF800_5CFF


def test_other_control_registers_are_none_of_its_business(bench: Gicv3Bench) -> None:
    assert bench.interface.filter_control("hcr_el2", 0, ALL) == ALL
    bench.open()
    bench.fill(0, 40)
    bench.cpu.set_control("ich_hcr_el2", 0)
    bench.interface.control_written("hcr_el2")
    assert bench.high == {"virq"}, "only a write of ICH_HCR_EL2 is heard"
    bench.interface.control_written("ich_hcr_el2")
    assert bench.high == set()


def test_the_count_of_ends_is_put_into_the_cores_register(ready: Gicv3Bench) -> None:
    ready.write("HCR", 0x5CFF)
    ready.write("AP1", 1)
    ready.write("EOIR1", 40)
    assert ready.cpu.values["ich_hcr_el2"] == 0x0800_5CFF


def test_vmcr_shows_the_guests_registers_and_sets_them(bench: Gicv3Bench) -> None:
    for name, value in (("PMR", 0xA7), ("BPR0", 5), ("BPR1", 6), ("CTLR", 2), ("IGRPEN1", 1)):
        bench.write(name, value)
    assert bench.read("VMCR") == 0xA0 << 24 | 5 << 21 | 6 << 18 | 1 << 9 | 1 << 3 | 1 << 1
    bench.write("VMCR", 0x17 << 24 | 3 << 21 | 4 << 18 | 1 << 4 | 1 << 2 | 1)
    assert bench.read("VMCR") == 0x10 << 24 | 3 << 21 | 4 << 18 | 1 << 4 | 1 << 3 | 1, "VFIQEn RES1, VAckCtl RES0"
    assert [bench.read(name) for name in ("PMR", "BPR0", "CTLR", "IGRPEN0", "IGRPEN1")] == [0x10, 3, 0x8C01, 1, 0]


@pytest.mark.parametrize(("name", "smallest"), [("BPR0", 2), ("BPR1", 3)])
def test_too_small_a_binary_point_becomes_the_minimum(bench: Gicv3Bench, name: str, smallest: int) -> None:
    for value in range(8):
        bench.write(name, value)
        assert bench.read(name) == max(value, smallest)


@pytest.mark.parametrize(("bpr0", "bpr1"), [(2, 3), (3, 4), (6, 7), (7, 7)])
def test_with_cbpr_bpr1_follows_bpr0_and_ignores_writes(bench: Gicv3Bench, bpr0: int, bpr1: int) -> None:
    bench.write("BPR1", 5)
    bench.set_mode(cbpr=1)
    bench.write("BPR0", bpr0)
    bench.write("BPR1", 4)
    assert bench.read("BPR1") == bpr1
    bench.set_mode(cbpr=0)
    assert bench.read("BPR1") == 5


def test_each_group_has_active_priorities_of_its_own(ready: Gicv3Bench) -> None:
    ready.fill(0, 40, Priority=0x80, Group=1)
    ready.fill(1, 41, Priority=0x40, Group=0)
    assert ready.read("IAR0") == 41 and (ready.read("AP0"), ready.read("AP1")) == (1 << 8, 0)
    ready.write("AP0", 0)
    assert ready.read("IAR1") == 40 and (ready.read("AP0"), ready.read("AP1")) == (0, 1 << 16)
    assert [port.read() for name, port in ready.guest_ports.items() if "AP" in name and port.read] == [0, 1 << 16]


def test_of_two_equal_active_priorities_group_0s_is_dropped_first(ready: Gicv3Bench) -> None:
    ready.write("AP0", 1 << 4)
    ready.write("AP1", 1 << 4)
    ready.write("EOIR1", 40)
    assert (ready.read("AP0"), ready.read("AP1")) == (0, 1 << 4)


def test_1022_in_a_list_register_is_returned_and_the_register_emptied(ready: Gicv3Bench) -> None:
    ready.fill(0, 1022)
    assert ready.read("IAR1") == 1022 and ready.state(0) == INVALID and ready.active == 0


def test_an_end_of_the_other_group_drops_the_priority_only(ready: Gicv3Bench) -> None:
    """QEMU: the priority drop comes before the checks."""
    ready.fill(0, 40)
    ready.read("IAR1")
    ready.write("EOIR0", 40)
    assert ready.state(0) == ACTIVE and ready.active == 0 and ready.eoi_count == 0


def test_an_end_of_another_priority_than_the_running_one_deactivates_nothing(ready: Gicv3Bench) -> None:
    ready.fill(0, 40, ACTIVE, Priority=0x48)
    ready.write("AP0", 1 << 4)
    ready.write("AP1", 1 << 9)
    ready.write("EOIR1", 40)
    assert (ready.read("AP0"), ready.read("AP1"), ready.state(0)) == (0, 1 << 9, ACTIVE)
    ready.write("EOIR1", 40)
    assert ready.active == 0 and ready.state(0) == INVALID


@pytest.mark.parametrize("eoi_mode", [0, 1])
def test_the_end_of_an_lpi_deactivates_it_in_both_modes(ready: Gicv3Bench, eoi_mode: int) -> None:
    ready.set_mode(eoi_mode=eoi_mode)
    ready.fill(0, 9000)
    assert ready.read("IAR1") == 9000 and ready.state(0) == ACTIVE
    ready.write("EOIR1", 9000)
    assert ready.state(0) == INVALID and ready.active == 0


@pytest.mark.parametrize("intid", [1024, 4000, 8191, 8192, 9000, 0xFF_FFFF])
def test_lpis_and_invalid_intids_without_list_register_are_not_counted(ready: Gicv3Bench, intid: int) -> None:
    ready.write("AP1", 1)
    ready.write("EOIR1", intid)
    ready.set_mode(eoi_mode=1)
    ready.write("DIR", intid)
    assert ready.active == 0 and ready.eoi_count == 0


def test_intids_have_24_bits(ready: Gicv3Bench) -> None:
    ready.fill(0, 0xABCDEF)
    assert ready.read("HPPIR1") == ready.read("IAR1") == 0xABCDEF
    ready.write("EOIR1", 1 << 24 | 0xABCDEF)
    assert ready.state(0) == INVALID


def test_sgis_carry_no_cpu(ready: Gicv3Bench) -> None:
    ready.fill(0, 3, pINTID=5)
    assert ready.read("IAR1") == 3


def test_ends_reach_physical_interrupts_above_the_gicv2_limit(ready: Gicv3Bench) -> None:
    ready.fill(0, 40, HW=1, pINTID=1019)
    ready.read("IAR1")
    ready.write("EOIR1", 40)
    ready.fill(0, 40, HW=1, pINTID=0x1FFF)
    ready.read("IAR1")
    ready.write("EOIR1", 40)
    assert ready.deactivated == [1019], "pINTIDs of 1020 and more name no interrupt that can be deactivated"


def test_the_state_does_not_hold_the_cores_register(ready: Gicv3Bench) -> None:
    ready.fill(0, 40)
    state = ready.interface.snapshot()
    assert "hcr" not in state
    other = Gicv3Bench()
    other.interface.restore(state)
    assert other.high == set() and other.state(0) == PENDING
    other.write("HCR", EN)
    assert other.high == {"virq"}

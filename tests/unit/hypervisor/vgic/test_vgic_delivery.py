"""Interrupts of a VM from their input to the guest and back."""

from __future__ import annotations

import pytest
from vgic_support import (
    ICACTIVER,
    ICENABLER,
    ICPENDR,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    SGIR,
    hcr,
    list_register,
    running,
)

from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2

VERSIONS = pytest.mark.parametrize("version", [2, 3])


# --- inputs ----------------------------------------------------------------------------------------------------------


@VERSIONS
def test_a_level_interrupt_reaches_the_guest_and_comes_again_while_its_line_is_high(version: int) -> None:
    board, cpu = running(version)
    board.enable(33)
    line = board.vgic.spi(33)
    line(True)
    assert board.kicks == [0] and board.vgic.has_pending(0) and board.reports == [(0, 33, True)]
    board.serve()
    assert cpu.signals and cpu.acknowledge() == 33 and not cpu.signals
    cpu.end(33)
    board.serve()
    assert cpu.signals, "the line is still high"
    assert cpu.acknowledge() == 33
    line(False)
    cpu.end(33)
    board.serve()
    assert not cpu.signals and cpu.acknowledge() is None and not board.vgic.has_pending(0)
    assert board.reports == [(0, 33, True), (0, 33, False)]


@VERSIONS
def test_a_line_that_does_not_change_is_no_news(version: int) -> None:
    board, _ = running(version)
    board.enable(33)
    for level in (False, True, True):
        board.vgic.spi(33)(level)
    assert board.reports == [(0, 33, True)] and board.kicks == [0]


@VERSIONS
def test_each_rise_of_an_edge_is_one_interrupt(version: int) -> None:
    board, cpu = running(version)
    board.enable(40, edge=True)
    line = board.vgic.spi(40)
    for level in (True, True, False, True):  # two edges before the acknowledge: one interrupt
        line(level)
    board.serve()
    assert cpu.acknowledge() == 40
    line(False)
    line(True)  # one more while it is active
    board.serve()
    assert cpu.acknowledge() is None
    cpu.end(40)
    assert cpu.acknowledge() == 40
    cpu.end(40)
    assert cpu.acknowledge() is None


@VERSIONS
def test_injecting_pends_an_edge_and_sets_the_level_of_a_line(version: int) -> None:
    board, cpu = running(version)
    board.enable(40, edge=True)
    board.enable(20, priority=0x10)
    board.enable(2, priority=0x20)
    board.vgic.inject(0, 40)
    board.vgic.inject(0, 40, False)
    board.vgic.inject(0, 20)
    board.vgic.inject(0, 2)
    assert board.reports == [(0, 40, True), (0, 20, True), (0, 2, True)]
    board.serve()
    assert cpu.acknowledge() == 20
    board.vgic.inject(0, 20, False)
    cpu.end(20)
    board.serve()
    assert cpu.acknowledge() == 2
    cpu.end(2)
    assert cpu.acknowledge() == 40


@VERSIONS
def test_an_sgi_reaches_a_vcpu_that_runs_elsewhere(version: int) -> None:
    board, _ = running(version, vcpus=2)
    board.enable(5, vcpu=1)
    if version == 2:
        board.write_d(SGIR, 1 << 17 | 5)
    else:
        board.vgic.send_sgi(0, "ICC_SGI1R_EL1", 5 << 24 | 2)
    assert board.kicks == [1]
    board.serve()
    assert board.cpus[1].acknowledge() == 5 and board.cpus[0].acknowledge() is None


def test_a_gicv2_sgi_of_two_senders_comes_once_from_each() -> None:
    board, cpu = running(2, vcpus=3)
    for sender in (2, 1):
        board.write_d(SGIR, 1 << 16 | 7, vcpu=sender)
    board.serve()
    assert list_register(cpu, 0).EOI, "one more sender waits"
    for sender in (1, 2):
        assert cpu.acknowledge() == sender << 10 | 7
        cpu.end(sender << 10 | 7)
        board.serve()
    assert cpu.acknowledge() is None


# --- what has_pending says -------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("is_loaded", [True, False])
def test_only_what_the_guest_would_take_ends_a_wfi(version: int, is_loaded: bool) -> None:
    board, cpu = running(version)
    board.enable(33, priority=0x80)
    board.vgic.spi(33)(True)

    def wakes() -> bool:
        if is_loaded:
            board.trip()
            return board.vgic.has_pending(0)
        board.put()
        answer = board.vgic.has_pending(0)
        board.load()
        return answer

    assert wakes()
    cpu.mask(0x80)
    assert not wakes(), "masked by priority"
    cpu.mask(0x88)
    assert wakes()
    cpu.enable_groups(1)
    assert not wakes(), "its group is disabled at the CPU interface"
    cpu.enable_groups(2)
    board.write_d(0, 1)
    assert not wakes(), "its group is disabled at the distributor"
    board.write_d(0, 3)
    board.set(ICENABLER, 33)
    assert not wakes()
    board.set(ISENABLER, 33)
    assert wakes()
    board.trip()
    assert cpu.acknowledge() == 33
    assert not wakes(), "active"


# --- overflow --------------------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("count", [1, 2, 4, 16])
def test_all_interrupts_arrive_in_the_order_of_their_priorities(version: int, count: int) -> None:
    board, cpu = running(version, count)
    intids = list(range(32, 62))
    for intid in intids:
        board.enable(intid, priority=(intid * 7 % 31) << 3, edge=True)
        board.vgic.inject(0, intid)
    board.serve()
    taken = []
    while (value := cpu.acknowledge()) is not None:
        taken.append(value)
        cpu.end(value)
        board.serve()
    assert taken == sorted(intids, key=lambda intid: (intid * 7 % 31, intid))


@VERSIONS
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("ends", [1, 2, 3, 5])
def test_a_nest_deeper_than_the_list_registers_unwinds(version: int, count: int, ends: int) -> None:
    """The guest ends some in a row before anyone looks: what it ends while in no list register is only counted."""
    board, cpu = running(version, count)
    intids = list(range(32, 37))
    for intid in intids:
        board.enable(intid, priority=(40 - intid) * 8, edge=True)
        board.vgic.inject(0, intid)
        board.serve()
        assert cpu.acknowledge() == intid
    for intid in reversed(intids[-ends:]):
        cpu.end(intid)
        board.serve()
    assert [intid for intid in intids if board.get(ISACTIVER, intid)] == intids[:-ends]
    assert cpu.acknowledge() is None and cpu.running_priority == (0xFF if ends == 5 else (40 - intids[-ends - 1]) * 8)


def test_maintenance_interrupts_are_asked_for_only_while_something_is_left_outside() -> None:
    board, cpu = running(3, 2)
    assert hcr(cpu) == ICH_HCR_EL2.of(En=1, TDIR=1)
    for intid in (32, 33, 34):
        board.enable(intid, priority=(intid - 31) * 0x20)
        board.vgic.spi(intid)(True)
    board.serve()
    wanted = hcr(cpu)
    assert (wanted.NPIE, wanted.UIE, wanted.LRENPIE, wanted.VGrp0DIE, wanted.VGrp1DIE) == (1, 1, 0, 1, 1)
    board.vgic.spi(32)(False)
    board.serve()
    assert hcr(cpu) == ICH_HCR_EL2.of(En=1, TDIR=1)


def test_with_one_list_register_underflow_always_holds_and_is_not_asked_for() -> None:
    board, cpu = running(3, 1)
    for intid in (32, 33):
        board.enable(intid, priority=(intid - 31) * 0x20)
        board.vgic.spi(intid)(True)
    board.serve()
    assert not cpu.maintenance and not hcr(cpu).UIE and hcr(cpu).NPIE
    assert cpu.acknowledge() == 32 and cpu.maintenance
    board.serve()
    assert hcr(cpu).LRENPIE, "the active one is outside now"


@VERSIONS
def test_a_maintenance_interrupt_is_over_when_the_list_registers_are_folded(version: int) -> None:
    """Before they are filled again EL2 acknowledges all that is pending: it must not find this one for ever."""
    board, cpu = running(version, 1)
    for intid in (32, 33):
        board.enable(intid, priority=(intid - 31) * 0x20)
        board.vgic.spi(intid)(True)
    board.serve()
    for intid in (32, 33):  # no list register pending, then the end of a level-sensitive interrupt
        assert cpu.acknowledge() == intid
        board.vgic.spi(intid)(False)
        cpu.end(intid)
        assert cpu.maintenance
        board.vgic.sync(0)
        assert not cpu.maintenance
        board.vgic.flush(0)
        assert not cpu.maintenance


def test_the_enable_of_a_group_brings_in_what_waits_for_it() -> None:
    board, cpu = running(3, 1)
    cpu.enable_groups(2)
    board.enable(40, priority=0x10, group=0)
    board.enable(41, priority=0x80)
    for intid in (40, 41):
        board.vgic.spi(intid)(True)
    board.serve()
    assert list_register(cpu, 0).vINTID == 41 and hcr(cpu).VGrp0EIE and not cpu.maintenance
    cpu.enable_groups(3)
    assert cpu.maintenance
    board.serve()
    assert cpu.acknowledge() == 40


# --- deactivation by the guest, wherever the interrupt is ------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("count", [1, 4])
def test_dir_deactivates_on_any_vcpu_in_any_order(version: int, count: int) -> None:
    board, cpu = running(version, count, vcpus=2)
    cpu.split()
    board.cpus[1].split()
    for n, intid in enumerate((33, 34, 35)):
        board.enable(intid, priority=0x80 - 0x20 * n)
        board.vgic.spi(intid)(True)
        board.serve()
        assert cpu.acknowledge() == intid
        board.vgic.spi(intid)(False)
    for intid in (35, 34, 33):
        cpu.end(intid)
    for intid, vcpu in ((34, 1), (33, 0), (35, 1)):
        assert board.get(ISACTIVER, intid)
        board.write_dir(vcpu, intid)
        assert not board.get(ISACTIVER, intid)


@VERSIONS
def test_dir_is_ignored_with_eoi_mode_0_and_for_what_does_not_exist(version: int) -> None:
    board, cpu = running(version)
    board.set(ISACTIVER, 33)
    board.write_dir(0, 33)
    assert board.get(ISACTIVER, 33)
    cpu.split()
    for value in (34, 288, 1023, 0xFF_FFFF):
        board.write_dir(0, value)
    assert board.get(ISACTIVER, 33)
    board.write_dir(0, 33)
    assert not board.get(ISACTIVER, 33)


@VERSIONS
def test_active_states_are_read_and_written_while_another_vcpu_runs(version: int) -> None:
    board, cpu = running(version, vcpus=2)
    board.enable(33, edge=True)
    board.vgic.inject(0, 33)
    board.serve()
    assert cpu.acknowledge() == 33
    assert board.get(ISACTIVER, 33, vcpu=1), "the list register knows it"
    board.set(ICACTIVER, 33, vcpu=1)
    board.vgic.inject(0, 33)
    board.serve()
    assert list_register(cpu, 0).State == 1, "not active any more, so only pending"


@VERSIONS
def test_an_active_interrupt_stays_with_its_vcpu_when_it_is_routed_elsewhere(version: int) -> None:
    board, cpu = running(version, vcpus=2)
    board.enable(33)
    board.vgic.spi(33)(True)
    board.serve()
    assert cpu.acknowledge() == 33
    board.route(33, 1)
    cpu.end(33)
    board.serve()
    assert board.cpus[1].acknowledge() == 33 and cpu.acknowledge() is None, "the line is high: it comes to the new one"


@VERSIONS
def test_what_is_pending_in_a_list_register_can_be_cleared(version: int) -> None:
    board, cpu = running(version, vcpus=2)
    board.enable(33, edge=True)
    board.vgic.inject(0, 33)
    board.serve()
    assert cpu.signals and board.get(ISPENDR, 33, vcpu=1)
    board.set(ICPENDR, 33, vcpu=1)
    assert not cpu.signals and not board.get(ISPENDR, 33, vcpu=1)


@VERSIONS
@pytest.mark.parametrize("by", ["interrupt", "group"])
def test_what_is_disabled_while_active_does_not_come_again(version: int, by: str) -> None:
    board, cpu = running(version)
    board.enable(33, edge=True)
    board.vgic.inject(0, 33)
    board.serve()
    assert cpu.acknowledge() == 33
    board.vgic.inject(0, 33)
    board.serve()
    board.set(ICENABLER, 33) if by == "interrupt" else board.write_d(0, 1)
    cpu.end(33)
    board.serve()
    assert cpu.acknowledge() is None
    board.set(ISENABLER, 33) if by == "interrupt" else board.write_d(0, 3)
    board.serve()
    assert cpu.acknowledge() == 33, "it is pending still"

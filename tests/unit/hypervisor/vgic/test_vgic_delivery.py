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
    TIMER,
    Board,
    PhysicalCpu,
)

from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_LR_EL2
from arm_hyp.hypervisor.vgic.interfaces import VirtualCpuInterface

VERSIONS = pytest.mark.parametrize("version", [2, 3])


def running(version: int, list_registers: int = 4, vcpus: int = 1) -> tuple[Board, PhysicalCpu]:
    """Return a board whose vCPUs all run, with their interfaces enabled, and the CPU of the first."""
    board = Board(version, vcpus, list_registers)
    for vcpu in range(vcpus):
        board.load(vcpu).open()
    first = board.where[0]
    assert first is not None
    return board, first


def list_register(cpu: PhysicalCpu, index: int) -> ICH_LR_EL2:
    return ICH_LR_EL2(cpu.interface.read_lr(index))


def hcr(cpu: PhysicalCpu) -> ICH_HCR_EL2:
    return ICH_HCR_EL2(cpu.interface.read_hcr())


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


# --- linked to the machine's interrupt -------------------------------------------------------------------------------


def timer_pending(version: int, list_registers: int = 4) -> tuple[Board, PhysicalCpu]:
    board, cpu = running(version, list_registers)
    board.enable(TIMER)
    board.drive(TIMER, True)
    board.serve()
    return board, cpu


@VERSIONS
def test_the_end_of_a_linked_interrupt_ends_the_physical_one(version: int) -> None:
    board, cpu = timer_pending(version)
    register = list_register(cpu, 0)
    assert (register.HW, register.pINTID, register.vINTID) == (1, TIMER, TIMER)
    assert cpu.physical.active == {TIMER}
    assert cpu.acknowledge() == TIMER
    board.timers[0] = False
    cpu.end(TIMER)
    assert not cpu.physical.active
    board.trip()
    assert not board.vgic.has_pending(0)


@VERSIONS
def test_a_linked_line_that_falls_before_the_acknowledge_lets_the_physical_interrupt_go(version: int) -> None:
    board, cpu = timer_pending(version)
    board.drive(TIMER, False)
    assert not cpu.physical.active and not cpu.signals and not board.vgic.has_pending(0)


@VERSIONS
def test_a_linked_line_that_fell_while_disabled_is_let_go_at_the_enable(version: int) -> None:
    board, cpu = timer_pending(version)
    board.set(ICENABLER, TIMER)
    assert cpu.physical.active == {TIMER} and not cpu.signals
    board.timers[0] = False
    board.set(ISENABLER, TIMER)
    assert not cpu.physical.active and not cpu.signals


@VERSIONS
def test_a_linked_interrupt_left_outside_ends_the_physical_one_too(version: int) -> None:
    board, cpu = timer_pending(version, 1)
    assert cpu.acknowledge() == TIMER
    board.enable(33, priority=0x10, edge=True)
    board.vgic.inject(0, 33)
    board.serve()
    assert cpu.acknowledge() == 33 and list_register(cpu, 0).vINTID == 33
    board.timers[0] = False
    cpu.end(33)
    cpu.end(TIMER)
    assert hcr(cpu).EOIcount == 1 and cpu.physical.active == {TIMER}, "only counted"
    board.serve()
    assert not cpu.physical.active and not board.get(ISACTIVER, TIMER)


@VERSIONS
def test_a_linked_line_is_read_again_when_the_guest_ends_what_it_had_before_it_moved(version: int) -> None:
    board, cpu = timer_pending(version)
    assert cpu.acknowledge() == TIMER
    board.put()
    board.load()
    board.timers[0] = False
    cpu.end(TIMER)
    board.trip()
    assert not cpu.signals and not board.vgic.has_pending(0) and not cpu.physical.active


@VERSIONS
def test_the_physical_interrupt_is_active_where_the_vcpu_is_loaded(version: int) -> None:
    board = Board(version, 2)
    cpu = board.load(0, 0)
    cpu.open()
    board.enable(TIMER)
    assert not board.vgic.is_physical_active(0, TIMER)
    board.drive(TIMER, True)
    board.serve()
    assert cpu.acknowledge() == TIMER
    board.put()
    board.timers[0] = False
    assert board.vgic.is_physical_active(0, TIMER), "the guest has not ended it"
    board.load(1, 0)
    assert not board.cpus[0].physical.active, "vCPU 1 has none"
    other = board.load(0, 1)
    assert other.physical.active == {TIMER}
    other.end(TIMER)
    assert not other.physical.active


@VERSIONS
def test_a_linked_interrupt_pended_by_its_register_is_the_guests_to_end(version: int) -> None:
    board, cpu = running(version)
    board.enable(TIMER)
    board.set(ISPENDR, TIMER)
    assert cpu.physical.active == {TIMER} and board.get(ISPENDR, TIMER)
    board.set(ICPENDR, TIMER)
    assert not cpu.physical.active and not board.get(ISPENDR, TIMER)
    board.set(ISACTIVER, TIMER)
    assert cpu.physical.active == {TIMER}
    board.set(ICACTIVER, TIMER)
    assert not cpu.physical.active


@VERSIONS
def test_the_pending_register_shows_a_linked_line_as_it_is(version: int) -> None:
    board, _ = running(version)
    assert not board.get(ISPENDR, TIMER)
    board.timers[0] = True
    assert board.get(ISPENDR, TIMER)


# --- load, put, state ------------------------------------------------------------------------------------------------


@VERSIONS
def test_nothing_of_a_vcpu_stays_behind_on_the_physical_cpu(version: int) -> None:
    board = Board(version, 2)
    cpu = board.load(0, 0)
    cpu.open()
    for intid, priority in ((33, 0x80), (34, 0x40)):
        board.enable(intid, priority)
        board.vgic.spi(intid)(True)
        board.serve()
        assert cpu.acknowledge() == intid
    board.put()
    assert cpu.interface.read_hcr() == 0 and not cpu.maintenance and not cpu.signals
    board.load(1, 0)
    assert cpu.running_priority == 0xFF and cpu.interface.read_lr(0) == cpu.interface.read_lr(1) == 0
    board.put(1)
    other = board.load(0, 1)
    assert other.running_priority == 0x40
    other.end(34)
    assert other.running_priority == 0x80


def test_a_reset_vcpu_starts_with_everything_masked() -> None:
    for version, stays in ((2, True), (3, False)):
        board, _ = running(version)
        board.enable(33)
        board.vgic.spi(33)(True)
        board.put()
        assert board.vgic.has_pending(0)
        board.vgic.reset_vcpu(0)
        assert board.vgic.has_pending(0) == stays, "GICC is not part of the CPU"


@VERSIONS
def test_what_has_not_changed_is_not_written_again(version: int) -> None:
    """An exit without interrupts does not touch the hardware; with one, it reads its list register, and MISR."""
    board, cpu = running(version)
    calls: list[str] = []

    class Counting:
        count = cpu.interface.count

        def __getattr__(self, name: str) -> object:
            calls.append(name)
            return getattr(cpu.interface, name)

    interface: VirtualCpuInterface = Counting()  # type: ignore[assignment]
    board.vgic.attach(0, interface)
    for _ in range(3):
        board.trip()
    assert calls == []
    board.enable(33)
    board.vgic.spi(33)(True)
    board.trip()
    calls.clear()
    board.trip()
    assert calls == ["read_lr", "read_misr"]


def test_the_dump_has_the_columns_of_linux() -> None:
    board = Board(2, 2)
    board.enable(33, priority=0x48, vcpu=1)
    board.vgic.spi(33)(True)
    board.write_d(SGIR, 1 << 16 | 3, vcpu=1)
    lines = board.vgic.dump().splitlines()
    assert lines[:9] == [
        "Distributor",
        "===========",
        "vgic_model:\tGICv2",
        "nr_spis:\t256",
        "enabled:\t1",
        "",
        "P=pending_latch, L=line_level, A=active",
        "E=enabled, H=hw, C=config (level=1, edge=0)",
        "G=group",
    ]
    head = "TYP   ID TGT_ID PLAEHCG     HWID   TARGET SRC PRI VCPU_ID"
    assert [line for line in lines if "TYP" in line] == [f"VCPU 0 {head}", f"VCPU 1 {head}", f"SPI  0 {head}"]
    assert "       SGI    3      0 1001000        0        0   2   0       0 " in lines
    assert "       PPI   27      1 0000110       27        0   0   0      -1 " in lines
    assert "       SPI   33      1 0101011        0        2   0  72       1 " in lines
    assert len(lines) == 9 + 3 * 3 + 2 * 32 + 256
    assert Board(3).vgic.dump().splitlines()[3:6] == ["nr_spis:\t256", "nr_lpis:\t0", "enabled:\t1"]


def test_the_state_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Board(3, 2).vgic.restore(Board(3, 1).vgic.snapshot())

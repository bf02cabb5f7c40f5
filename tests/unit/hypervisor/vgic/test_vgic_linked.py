"""Interrupts linked to the machine's own; vCPUs loaded and put; the state for observers."""

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
    hcr,
    list_register,
    running,
)

from arm_hyp.hypervisor.vgic.interfaces import VirtualCpuInterface

VERSIONS = pytest.mark.parametrize("version", [2, 3])


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

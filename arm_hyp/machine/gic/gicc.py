"""The memory-mapped CPU interface of GICv2, GICC.

Read `machine/gic/cpu_interface.py` and `machine/gic/registers.py` before this file.

Without Security Extensions there is one copy of every register, and GICC_ABPR, GICC_AIAR, GICC_AEOIR and GICC_AHPPIR
are for Group 1.

Simplified: what IHI 0048 leaves UNPREDICTABLE is decided as QEMU does. An EOI when nothing is active is ignored; with
AckCtl = 0, GICC_EOIR ends a Group 1 interrupt too; GICC_DIR is ignored while EOImode is 0; the bits that disable
bypass signals are RAZ/WI, because there are none.

Not as QEMU: GICC_HPPIR does not depend on the mask; GICC_IAR says 1023, not 1022, of a Group 1 interrupt that is not
urgent enough to be signalled; a disabled group never hides an enabled one.

Ref: IHI 0048 4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from arm_hyp.arch.gic import FIRST_PPI, INTID_COUNT, INTID_OTHER_GROUP, INTID_SPURIOUS
from arm_hyp.machine.gic.cpu_interface import CpuInterface
from arm_hyp.machine.gic.distributor import NOTHING, intid_of
from arm_hyp.machine.gic.gicv2_sgi import SoftwareInterrupts
from arm_hyp.machine.gic.priority import running_priority
from arm_hyp.machine.gic.registers import Frame, Word, constant, read_only, whole, write_only

CTLR_GROUPS: Final = 3
CTLR_ACK_CTL, CTLR_FIQ_EN, CTLR_CBPR, CTLR_EOI_MODE = 1 << 2, 1 << 3, 1 << 4, 1 << 9
IIDR: Final = 0x0002_043B
"""GICC_IIDR: product 0, architecture 2 in <19:16>, revision 0, implementer Arm."""
_INTID: Final = 0x3FF


class Gicc:
    """GICC of one CPU; `frame` is the device."""

    def __init__(self, interface: CpuInterface, sgis: SoftwareInterrupts) -> None:
        self._interface, self._sgis = interface, sgis
        self._ack_ctl = False
        self.frame = Frame(self._words())

    def _words(self) -> dict[int, Word]:
        interface = self._interface
        table = {
            0x000: whole(self._read_control, self._write_control),
            0x004: whole(lambda: interface.pmr, interface.set_pmr),
            0x008: whole(lambda: interface.bpr0, partial(interface.set_bpr, 0)),
            0x00C: read_only(partial(self._acknowledge, self._visible)),
            0x010: write_only(partial(self._end, (0, 1))),
            0x014: read_only(lambda: running_priority(*interface.active)),
            0x018: read_only(partial(self._highest, self._visible)),
            0x01C: whole(lambda: interface.bpr1, partial(interface.set_bpr, 1)),
            0x020: read_only(partial(self._acknowledge, self._visible_alias)),
            0x024: write_only(partial(self._end, (1,))),
            0x028: read_only(partial(self._highest, self._visible_alias)),
            0x0FC: constant(IIDR),
            0x1000: write_only(self._deactivate),
        }
        return table | self._active_priority_words()

    def _active_priority_words(self) -> dict[int, Word]:
        """Return GICC_APRn (Group 0) and GICC_NSAPRn (Group 1)."""
        interface = self._interface
        return {
            offset + 4 * n: whole(
                partial(interface.active[group].register, n), partial(interface.set_active_priorities, group, n)
            )
            for group, offset in ((0, 0x0D0), (1, 0x0E0))
            for n in range(4)
        }

    # --- GICC_CTLR ---------------------------------------------------------------------------------------------

    def _read_control(self) -> int:
        interface = self._interface
        flags = (
            (self._ack_ctl, CTLR_ACK_CTL),
            (interface.fiq_enabled, CTLR_FIQ_EN),
            (interface.cbpr, CTLR_CBPR),
            (interface.split, CTLR_EOI_MODE),
        )
        return interface.groups | sum(bit for is_set, bit in flags if is_set)

    def _write_control(self, value: int) -> None:
        interface = self._interface
        interface.groups = value & CTLR_GROUPS
        self._ack_ctl = bool(value & CTLR_ACK_CTL)
        interface.fiq_enabled = bool(value & CTLR_FIQ_EN)
        interface.cbpr = bool(value & CTLR_CBPR)
        interface.split = bool(value & CTLR_EOI_MODE)
        interface.update()

    # --- acknowledge -------------------------------------------------------------------------------------------

    def _visible(self, rank: int) -> int:
        """Return the INTID that GICC_IAR and GICC_HPPIR show: 1022 for Group 1, unless AckCtl is set."""
        if rank == NOTHING:
            return INTID_SPURIOUS
        if self._interface.group_of(rank) == 1 and not self._ack_ctl:
            return INTID_OTHER_GROUP
        return intid_of(rank)

    def _visible_alias(self, rank: int) -> int:
        """Return the INTID that GICC_AIAR and GICC_AHPPIR show: Group 1 only."""
        if rank == NOTHING or self._interface.group_of(rank) == 0:
            return INTID_SPURIOUS
        return intid_of(rank)

    def _acknowledge(self, visible: Callable[[int], int]) -> int:
        """Read GICC_IAR or GICC_AIAR: CPUID<12:10> (the sender of an SGI), INTID<9:0>."""
        rank = self._interface.signalled()
        intid = visible(rank)
        if intid >= INTID_COUNT:
            return intid
        cpu = self._interface.cpu
        self._interface.acknowledge(rank)
        return intid | self._sgis.take(cpu, intid) << 10 if intid < FIRST_PPI else intid

    def _highest(self, visible: Callable[[int], int]) -> int:
        """Read GICC_HPPIR or GICC_AHPPIR: as the acknowledge registers, but with no effect and no mask."""
        intid = visible(self._interface.highest_pending())
        if intid < FIRST_PPI:
            return intid | self._sgis.lowest_sender(self._interface.cpu, intid) << 10
        return intid

    # --- end of interrupt --------------------------------------------------------------------------------------

    def _end(self, groups: tuple[int, ...], value: int) -> None:
        """Write GICC_EOIR or GICC_AEOIR, which end interrupts of `groups`; the sender of an SGI does not matter."""
        intid, interface = value & _INTID, self._interface
        if intid >= INTID_COUNT or not any(active.any for active in interface.active):
            return
        group = interface.distributor.group_of(interface.cpu, intid)
        if group in groups:
            interface.end(intid, group)

    def _deactivate(self, value: int) -> None:
        """Write GICC_DIR."""
        intid, interface = value & _INTID, self._interface
        if interface.split and intid < INTID_COUNT:
            interface.distributor.deactivate(interface.cpu, intid)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"ack_ctl": self._ack_ctl}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._ack_ctl = state["ack_ctl"]

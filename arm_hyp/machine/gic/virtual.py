"""The virtual CPU interface of one CPU: list registers in, virtual IRQ and FIQ and the maintenance interrupt out.

Read `machine/gic/virtual_list.py`, `virtual_layout.py` and `virtual_control.py` before this file; after it the
registers, which are views of this one model: `machine/gic/gich.py` and `gicv.py` of GICv2, `ich.py` and `icv.py` of
GICv3.

EL2 fills list registers with virtual interrupts; the guest acknowledges, ends and deactivates them here, without EL2.

Ref: IHI 0069 chapter 6 and the pseudocode of ICV_*; IHI 0048 chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arm_hyp.arch.bitfields import Field
from arm_hyp.arch.gic import (
    FIRST_SPECIAL,
    IDLE_PRIORITY,
    INTID_SPURIOUS,
    clamp_bpr,
    group_priority,
    is_special,
    priority_mask,
)
from arm_hyp.arch.registers.gic_virtual import ICH_HCR_EL2, ICH_VMCR_EL2
from arm_hyp.machine.gic import virtual_list as lists
from arm_hyp.machine.gic.priority import ActivePriorities, running_priority
from arm_hyp.machine.gic.virtual_control import CoreControl, HypervisorControl, LocalControl, VirtualLines
from arm_hyp.machine.gic.virtual_layout import GICV2, GICV3, MAX_LIST_REGISTERS, PRIORITY_BITS, VirtualLayout
from arm_hyp.machine.seams import CpuView

_VMCR: Final = ICH_VMCR_EL2
_EN: Final = ICH_HCR_EL2.En.mask
_EOI_COUNT: Final = ICH_HCR_EL2.EOIcount
_FIRST_LPI: Final = 8192
_SGIS: Final = 16
_BINARY_POINTS: Final = (_VMCR.VBPR0, _VMCR.VBPR1)
GROUP0, GROUP1, BOTH_GROUPS = 1, 2, 3
"""Sets of groups: which ones a register acknowledges, shows or ends."""


class VirtualInterface:
    """The virtual CPU interface of one CPU, for both GIC versions.

    `deactivate` is called with the physical INTID of a list register with HW = 1 when the guest deactivates it.
    Raises: ValueError if `list_registers` is not 1 to 16.
    """

    def __init__(
        self,
        layout: VirtualLayout,
        control: HypervisorControl,
        lines: VirtualLines,
        deactivate: Callable[[int], None],
        list_registers: int = 4,
    ) -> None:
        if not 1 <= list_registers <= MAX_LIST_REGISTERS:
            raise ValueError(f"a GIC has 1 to {MAX_LIST_REGISTERS} list registers, not {list_registers}")
        self._layout, self._control, self._lines = layout, control, lines
        self._deactivate_physical = deactivate
        self._lrs = [0] * list_registers
        self._vmcr = layout.vmcr(0)
        group0 = ActivePriorities(PRIORITY_BITS)
        self._active = (group0, ActivePriorities(PRIORITY_BITS) if layout.has_grouped_priorities else group0)
        self._levels = [False] * len(lines)

    @classmethod
    def gicv2(cls, lines: VirtualLines, deactivate: Callable[[int], None], list_registers: int = 4) -> VirtualInterface:
        """Make the interface behind GICH and GICV."""
        return cls(GICV2, LocalControl(), lines, deactivate, list_registers)

    @classmethod
    def gicv3(
        cls, cpu: CpuView, lines: VirtualLines, deactivate: Callable[[int], None], list_registers: int = 4
    ) -> VirtualInterface:
        """Make the interface behind ICH_* and ICV_*."""
        return cls(GICV3, CoreControl(cpu), lines, deactivate, list_registers)

    # --- what the hypervisor sees ----------------------------------------------------------------------------

    @property
    def list_register_count(self) -> int:
        """How many list registers there are."""
        return len(self._lrs)

    @property
    def vtr(self) -> int:
        """VTR: what this interface has."""
        return self._layout.vtr | len(self._lrs) - 1

    @property
    def hcr(self) -> int:
        """HCR, as the hypervisor control register reads."""
        return self._control.read()

    def write_hcr(self, value: int) -> None:
        """Write HCR; reserved bits are RES0."""
        self._control.write(value & self._layout.hcr_mask)
        self.update()

    def filter_control(self, name: str, old: int, new: int) -> int:
        """Return what a control register keeps of a written value: ICH_HCR_EL2 loses its RES0 bits."""
        return new & self._layout.hcr_mask if name == "ich_hcr_el2" else new

    def control_written(self, name: str) -> None:
        """React to a control register that software has written."""
        if name == "ich_hcr_el2":
            self.update()

    @property
    def vmcr(self) -> int:
        """VMCR: the guest's CPU interface registers in one."""
        return self._vmcr

    def write_vmcr(self, value: int) -> None:
        """Write VMCR; reserved bits are ignored, too small binary points become the minimum."""
        self._vmcr = self._layout.vmcr(value)
        self.update()

    def list_register(self, n: int) -> int:
        """Return list register `n` in the layout of ICH_LR<n>_EL2."""
        return self._lrs[n]

    def write_list_register(self, n: int, value: int) -> None:
        """Write list register `n`; reserved bits are RES0."""
        self._lrs[n] = value & self._layout.lr_mask
        self.update()

    @property
    def end_status(self) -> int:
        """EISR: a bit for each list register with an end of interrupt to report."""
        return lists.end_status(self._lrs)

    @property
    def empty_status(self) -> int:
        """ELRSR: a bit for each list register that is free."""
        return lists.empty_status(self._lrs)

    @property
    def maintenance_status(self) -> int:
        """MISR: why a maintenance interrupt is wanted."""
        return lists.maintenance_status(self._lrs, self._control.read(), self._vmcr)

    def active_priorities(self, group: int) -> int:
        """Return the active priorities register of a group; both groups have the same one in GICv2."""
        return self._active[group].register(0)

    def write_active_priorities(self, group: int, value: int) -> None:
        """Write the active priorities register of a group."""
        self._active[group].set_register(0, value)
        self.update()

    # --- what the guest sees ---------------------------------------------------------------------------------

    def field(self, field: Field) -> int:
        """Return one field of VMCR: a register of the guest."""
        return self._vmcr >> field.lsb & field.max

    def write_field(self, field: Field, value: int) -> None:
        """Write one field of VMCR; what does not fit is ignored."""
        self.write_vmcr(self._vmcr & ~field.mask | value << field.lsb & field.mask)

    def write_priority_mask(self, value: int) -> None:
        """Write the priority mask <7:0>; its low 3 bits are RAZ/WI."""
        self.write_field(_VMCR.VPMR, value & priority_mask(PRIORITY_BITS))

    def write_binary_point(self, group: int, value: int) -> None:
        """Write the binary point of a group, <2:0>."""
        self.write_field(_BINARY_POINTS[group], clamp_bpr(value, PRIORITY_BITS, group))

    @property
    def running_priority(self) -> int:
        """RPR: the most urgent active group priority, 0xff if idle."""
        return running_priority(*self._active)

    def acknowledge(self, groups: int, other: int = INTID_SPURIOUS) -> int:
        """Acknowledge the interrupt that is signalled, and return its identifier.

        Returns 1023 if there is none, and `other`, with no effect, if its group is not in the set `groups`. A list
        register that holds a special INTID is emptied, and the INTID returned. Ref: IHI 0069, VirtualReadIAR0, -1.
        """
        index = self._signalled()
        if index is None:
            return INTID_SPURIOUS
        lr = self._lrs[index]
        if not groups >> lists.group_of(lr) & 1:
            return other
        lr &= ~lists.PENDING_BIT
        if not is_special(lists.virtual_intid_of(lr)):
            lr |= lists.ACTIVE_BIT
            self._active[lists.group_of(lr)].activate(self._group_priority(lr))
        self._lrs[index] = lr
        self.update()
        return self._identifier(lr)

    def highest_pending(self, groups: int, other: int = INTID_SPURIOUS) -> int:
        """Return the identifier of the most urgent pending interrupt, whatever masks it.

        Returns 1023 if there is none, and `other` if its group is not in the set `groups`. Neither the priority mask
        nor the running priority nor HCR.En matters. Ref: IHI 0069, VirtualReadHPPIR0, -1.
        """
        index = self._candidate()
        if index is None:
            return INTID_SPURIOUS
        lr = self._lrs[index]
        return self._identifier(lr) if groups >> lists.group_of(lr) & 1 else other

    def end(self, groups: int, identifier: int) -> None:
        """End an interrupt: drop the running priority and, with EOImode 0, deactivate it.

        Ignored for the special INTIDs and when nothing is active. LPIs are deactivated in either mode. An interrupt
        without list register is counted for the hypervisor. Where the named interrupt is not the one whose priority
        is dropped, the priority is dropped before the checks, one of the permitted choices and QEMU's.
        Ref: IHI 0069, VirtualWriteEOIR0, -1.
        """
        intid = self._intid(identifier)
        dropped = self.running_priority
        if is_special(intid) or dropped == IDLE_PRIORITY:
            return
        self._drop_priority()
        index = self._find_active(identifier)
        splits = self.field(_VMCR.VEOIM) and intid < _FIRST_LPI
        if index is None and not splits:
            self._count_end(intid)
        elif index is not None and not splits and self._is_ended(self._lrs[index], groups, dropped):
            self._deactivate(index)
        self.update()

    def deactivate(self, identifier: int) -> None:
        """Deactivate an interrupt whose priority was dropped before; ignored with EOImode 0 and for LPIs.

        An interrupt without list register is counted for the hypervisor. Ref: IHI 0069, VirtualWriteDIR.
        """
        intid = self._intid(identifier)
        if not self.field(_VMCR.VEOIM) or intid >= FIRST_SPECIAL:
            return
        index = self._find_active(identifier)
        if index is None:
            self._count_end(intid)
        else:
            self._deactivate(index)
        self.update()

    # --- how it decides --------------------------------------------------------------------------------------

    def _intid(self, identifier: int) -> int:
        return identifier & (1 << self._layout.intid_bits) - 1

    def _identifier(self, lr: int) -> int:
        """Return what an acknowledge register shows of a list register: the INTID and, for GICv2's SGIs, the CPU."""
        intid = lists.virtual_intid_of(lr)
        if self._layout.has_source_cpu and intid < _SGIS and not lr & lists.HW_BIT:
            return intid | (lists.physical_intid_of(lr) & 7) << 10
        return intid

    def _group_priority(self, lr: int) -> int:
        return group_priority(
            lists.priority_of(lr),
            lists.group_of(lr),
            self.field(_VMCR.VBPR0),
            self.field(_VMCR.VBPR1),
            bool(self.field(_VMCR.VCBPR)),
        )

    def _candidate(self) -> int | None:
        """Return the list register with the most urgent pending interrupt of an enabled group, the lowest of equals."""
        best, best_priority = None, 0x100
        for index, lr in enumerate(self._lrs):
            if lists.state_of(lr) != lists.PENDING or not self._vmcr >> lists.group_of(lr) & 1:
                continue
            if lists.priority_of(lr) < best_priority:
                best, best_priority = index, lists.priority_of(lr)
        return best

    def _signalled(self) -> int | None:
        """Return the list register whose interrupt is signalled: it passes the mask and preempts what is active."""
        index = self._candidate() if self._control.read() & _EN else None
        if index is None or lists.priority_of(self._lrs[index]) >= self.field(_VMCR.VPMR):
            return None
        running = self.running_priority
        if running == IDLE_PRIORITY or self._preempts(self._lrs[index], running):
            return index
        return None

    def _preempts(self, lr: int, running: int) -> bool:
        """Compare both priorities as the binary point of the pending interrupt's group splits them."""
        as_running = lr & ~lists.PRIORITY_MASK | running << lists.PRIORITY_SHIFT
        return self._group_priority(lr) < self._group_priority(as_running)

    def _drop_priority(self) -> None:
        group0, group1 = self._active
        (group0 if group0.running_priority <= group1.running_priority else group1).drop_highest()

    def _find_active(self, identifier: int) -> int | None:
        """Return the active list register of an identifier; without one, one that differs in the source CPU only."""
        active = [index for index, lr in enumerate(self._lrs) if lr & lists.ACTIVE_BIT]
        exact = [index for index in active if self._identifier(self._lrs[index]) == identifier]
        intid = self._intid(identifier)
        near = [index for index in active if lists.virtual_intid_of(self._lrs[index]) == intid]
        return next(iter(exact + near), None)

    def _is_ended(self, lr: int, groups: int, dropped: int) -> bool:
        if not self._layout.checks_ended:
            return True
        return bool(groups >> lists.group_of(lr) & 1) and self._group_priority(lr) == dropped

    def _deactivate(self, index: int) -> None:
        """Take the active state from a list register; with HW = 1, from the physical interrupt too."""
        lr = self._lrs[index]
        self._lrs[index] = lr & ~lists.ACTIVE_BIT
        if lr & lists.HW_BIT and lists.physical_intid_of(lr) < FIRST_SPECIAL:
            self._deactivate_physical(lists.physical_intid_of(lr))

    def _count_end(self, intid: int) -> None:
        """Count a deactivation without list register in HCR.EOIcount, modulo 32.

        LPIs and INTIDs that no interrupt can have do not count. Ref: IHI 0069, ICH_HCR_EL2.EOIcount.
        """
        if intid < FIRST_SPECIAL:
            hcr = self._control.read()
            self._control.write(hcr & ~_EOI_COUNT.mask | hcr + (1 << _EOI_COUNT.lsb) & _EOI_COUNT.mask)

    # --- outputs and state -----------------------------------------------------------------------------------

    def update(self) -> None:
        """Drive the lines that have changed."""
        for index, (level, line) in enumerate(zip(self._wanted_levels(), self._lines, strict=True)):
            if level != self._levels[index]:
                self._levels[index] = level
                line(level)

    def _wanted_levels(self) -> tuple[bool, bool, bool]:
        index = self._signalled()
        is_fiq = index is not None and not lists.group_of(self._lrs[index]) and bool(self.field(_VMCR.VFIQEn))
        maintenance = bool(self._control.read() & _EN) and self.maintenance_status != 0
        return index is not None and not is_fiq, is_fiq, maintenance

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state. ICH_HCR_EL2 is the core's; of GICv3 it is not in here."""
        state: dict[str, Any] = {
            "list_registers": list(self._lrs),
            "vmcr": self._vmcr,
            "active_priorities": [active.snapshot() for active in self._active],
        }
        return state | ({"hcr": self._control.read()} if isinstance(self._control, LocalControl) else {})

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back and drive every line. With GICv3, restore the core's control registers first.

        Raises: ValueError if the state has another number of list registers.
        """
        if len(state["list_registers"]) != len(self._lrs):
            raise ValueError(f"the state has {len(state['list_registers'])} list registers, this GIC {len(self._lrs)}")
        self._lrs = list(state["list_registers"])
        self._vmcr = state["vmcr"]
        for active, saved in zip(self._active, state["active_priorities"], strict=True):
            active.restore(saved)
        if isinstance(self._control, LocalControl):
            self._control.write(state["hcr"])
        self._levels = list(self._wanted_levels())
        for level, line in zip(self._levels, self._lines, strict=True):
            line(level)

"""The virtual CPU interface of a physical CPU as the hypervisor reaches it: by ICH_*_EL2, or by the GICH frame.

Read `machine/gic/ich.py` and `machine/gic/gich.py` (the hardware's side) and `hypervisor/physical_gic.py` before this
file, `hypervisor/vgic/delivery.py` after it.
"""

from __future__ import annotations

from typing import Final, Protocol

from arm_hyp.arch.registers.gic_virtual import ICH_VTR_EL2
from arm_hyp.arch.sysregs import by_name
from arm_hyp.hypervisor.physical_gic import PhysicalGic, PhysicalMemory, SystemRegisters, read_register
from arm_hyp.machine import board
from arm_hyp.machine.gic.gich import LR0, decode_gich_lr, encode_gich_lr


class VirtualCpuInterface(Protocol):
    """The list registers of the physical CPU that a vCPU runs on, in the layout of ICH_LR<n>_EL2."""

    count: int

    def read_lr(self, index: int) -> int:
        """Read a list register."""

    def write_lr(self, index: int, value: int) -> None:
        """Write a list register."""

    def read_hcr(self) -> int:
        """Read ICH_HCR_EL2."""

    def write_hcr(self, value: int) -> None:
        """Write ICH_HCR_EL2."""

    def read_misr(self) -> int:
        """Read ICH_MISR_EL2: why a maintenance interrupt is wanted."""

    def read_vmcr(self) -> int:
        """Read ICH_VMCR_EL2."""

    def write_vmcr(self, value: int) -> None:
        """Write ICH_VMCR_EL2."""

    def read_active_priorities(self, group: int) -> int:
        """Read ICH_AP<group>R0_EL2."""

    def write_active_priorities(self, group: int, value: int) -> None:
        """Write ICH_AP<group>R0_EL2."""

    def set_physical_active(self, intid: int, is_active: bool) -> None:
        """Set the active state of a private physical interrupt of this CPU."""


_LRS: Final = tuple(by_name(f"ICH_LR{n}_EL2").encoding for n in range(16))
_ACTIVE_PRIORITIES: Final = tuple(by_name(f"ICH_AP{group}R0_EL2").encoding for group in (0, 1))
_HCR, _MISR, _VMCR, _VTR = (by_name(f"ICH_{name}_EL2").encoding for name in ("HCR", "MISR", "VMCR", "VTR"))


class Gicv3Interface:
    """ICH_*_EL2 of one CPU."""

    def __init__(self, registers: SystemRegisters, physical: PhysicalGic) -> None:
        self._registers, self._physical = registers, physical
        self.count = ICH_VTR_EL2(read_register(registers, _VTR)).ListRegs + 1

    def read_lr(self, index: int) -> int:
        """Read ICH_LR<index>_EL2."""
        return read_register(self._registers, _LRS[index])

    def write_lr(self, index: int, value: int) -> None:
        """Write ICH_LR<index>_EL2."""
        self._registers.write(_LRS[index], value)

    def read_hcr(self) -> int:
        """Read ICH_HCR_EL2."""
        return read_register(self._registers, _HCR)

    def write_hcr(self, value: int) -> None:
        """Write ICH_HCR_EL2."""
        self._registers.write(_HCR, value)

    def read_misr(self) -> int:
        """Read ICH_MISR_EL2."""
        return read_register(self._registers, _MISR)

    def read_vmcr(self) -> int:
        """Read ICH_VMCR_EL2."""
        return read_register(self._registers, _VMCR)

    def write_vmcr(self, value: int) -> None:
        """Write ICH_VMCR_EL2."""
        self._registers.write(_VMCR, value)

    def read_active_priorities(self, group: int) -> int:
        """Read ICH_AP<group>R0_EL2; with 5 bits of priority there is only the first."""
        return read_register(self._registers, _ACTIVE_PRIORITIES[group])

    def write_active_priorities(self, group: int, value: int) -> None:
        """Write ICH_AP<group>R0_EL2."""
        self._registers.write(_ACTIVE_PRIORITIES[group], value)

    def set_physical_active(self, intid: int, is_active: bool) -> None:
        """Set the active state of a private physical interrupt."""
        self._physical.set_active(intid, is_active)


_GICH_HCR, _GICH_VTR, _GICH_VMCR, _GICH_MISR, _GICH_APR, _GICH_LR0 = (
    board.GICH_BASE + offset for offset in (0x00, 0x04, 0x08, 0x10, 0xF0, LR0)
)


class Gicv2Interface:
    """The GICH frame of one CPU. HCR and VMCR have the layout of ICH_HCR_EL2 and ICH_VMCR_EL2 already."""

    def __init__(self, memory: PhysicalMemory, physical: PhysicalGic) -> None:
        self._memory, self._physical = memory, physical
        self.count = ICH_VTR_EL2(memory.read(_GICH_VTR, 4)).ListRegs + 1

    def read_lr(self, index: int) -> int:
        """Read GICH_LR<index>."""
        return decode_gich_lr(self._memory.read(_GICH_LR0 + 4 * index, 4))

    def write_lr(self, index: int, value: int) -> None:
        """Write GICH_LR<index>."""
        self._memory.write(_GICH_LR0 + 4 * index, 4, encode_gich_lr(value))

    def read_hcr(self) -> int:
        """Read GICH_HCR."""
        return self._memory.read(_GICH_HCR, 4)

    def write_hcr(self, value: int) -> None:
        """Write GICH_HCR; its reserved bits, among them ICH_HCR_EL2.TDIR, are RES0."""
        self._memory.write(_GICH_HCR, 4, value)

    def read_misr(self) -> int:
        """Read GICH_MISR."""
        return self._memory.read(_GICH_MISR, 4)

    def read_vmcr(self) -> int:
        """Read GICH_VMCR."""
        return self._memory.read(_GICH_VMCR, 4)

    def write_vmcr(self, value: int) -> None:
        """Write GICH_VMCR."""
        self._memory.write(_GICH_VMCR, 4, value)

    def read_active_priorities(self, group: int) -> int:
        """Read GICH_APR, which both groups share."""
        return self._memory.read(_GICH_APR, 4)

    def write_active_priorities(self, group: int, value: int) -> None:
        """Write GICH_APR."""
        self._memory.write(_GICH_APR, 4, value)

    def set_physical_active(self, intid: int, is_active: bool) -> None:
        """Set the active state of a private physical interrupt."""
        self._physical.set_active(intid, is_active)

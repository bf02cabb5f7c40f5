"""What a virtual CPU interface is connected to: the lines that it drives, and the register that rules it.

Read `machine/seams.py` before this file and `machine/gic/virtual.py` after it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from arm_hyp.machine.seams import CpuView, IrqLine


class VirtualLines(NamedTuple):
    """What the interface drives: the CPU's virtual IRQ and FIQ, and the maintenance interrupt (PPI 25, a level)."""

    virq: IrqLine
    vfiq: IrqLine
    maintenance: IrqLine


class HypervisorControl(Protocol):
    """Where the hypervisor control register (GICH_HCR, ICH_HCR_EL2) is kept."""

    def read(self) -> int:
        """Return its value."""

    def write(self, value: int) -> None:
        """Change it as hardware does."""


class LocalControl:
    """GICH_HCR: kept here."""

    def __init__(self) -> None:
        self._value = 0

    def read(self) -> int:
        """Return GICH_HCR."""
        return self._value

    def write(self, value: int) -> None:
        """Set GICH_HCR."""
        self._value = value


class CoreControl:
    """ICH_HCR_EL2: kept by the core, because it decides about traps."""

    def __init__(self, cpu: CpuView) -> None:
        self._cpu = cpu

    def read(self) -> int:
        """Return ICH_HCR_EL2."""
        return self._cpu.control("ich_hcr_el2")

    def write(self, value: int) -> None:
        """Set ICH_HCR_EL2."""
        self._cpu.set_control("ich_hcr_el2", value)

"""The driver of the machine's own GIC, as software at EL2 uses it on each CPU.

Read `machine/gic/gicc.py`, `machine/gic/icc.py` and `machine/gic/gicv3_frames.py` (the hardware) before this file and
`hypervisor/vgic/interfaces.py` after it.

EOImode is 1: the end of an interrupt is a priority drop, at once, and a deactivation, which is the guest's for an
interrupt that a list register is linked to (HW = 1). The driver has no state of its own that lasts: the hardware has.

Ref: IHI 0048 3.2.1, 4.3, 4.4; IHI 0069 4.1.2, 12.2, 12.9, 12.11. Compare Linux, irq-gic.c and irq-gic-v3.c.
"""

from __future__ import annotations

from typing import Final, Protocol

from arm_hyp.arch.gic import FIRST_PPI, FIRST_SPI
from arm_hyp.arch.registers.gic import ICC_CTLR_EL1, ICC_SGI1R_EL1
from arm_hyp.arch.sysregs import Encoding, by_name
from arm_hyp.machine import board

PPIS: Final = (board.INTID_MAINTENANCE, board.INTID_HYP_TIMER, board.INTID_VIRTUAL_TIMER)
PRIORITY: Final = 0xA0
"""The one priority of all interrupts of EL2, as Linux has it."""
PRIORITY_MASK: Final = 0xF0
_WORD: Final = 4
_IGROUPR, _ISENABLER, _ICENABLER, _ISACTIVER, _ICACTIVER = 0x080, 0x100, 0x180, 0x300, 0x380
_IPRIORITYR, _ITARGETSR, _SGIR, _IROUTER = 0x400, 0x800, 0xF00, 0x6000


class PhysicalMemory(Protocol):
    """Devices as one CPU reaches them by physical address."""

    def read(self, address: int, size_bytes: int) -> int:
        """Read a device register."""

    def write(self, address: int, size_bytes: int, value: int) -> None:
        """Write a device register."""


class SystemRegisters(Protocol):
    """The system registers of one CPU, checks aside: `core.registers`."""

    def read(self, encoding: Encoding) -> int | None:
        """Read a system register; None where there is none."""

    def write(self, encoding: Encoding, value: int) -> bool:
        """Write a system register; False where there is none."""


def read_register(registers: SystemRegisters, encoding: Encoding) -> int:
    """Read a system register that must be there. Raises: LookupError."""
    value = registers.read(encoding)
    if value is None:
        raise LookupError(f"this machine has no {encoding.generic_name} to read: is its GIC a GICv3?")
    return value


class PhysicalGic(Protocol):
    """The GIC as one CPU uses it."""

    def initialize(self) -> None:
        """Enable the distributor, this CPU's interface, its SGIs, and the PPIs that a hypervisor needs."""

    def acknowledge(self) -> int:
        """Acknowledge the most urgent interrupt and return its INTID; 1023 if there is none."""

    def priority_drop(self, intid: int) -> None:
        """Drop the running priority of an acknowledged interrupt, which stays active."""

    def deactivate(self, intid: int) -> None:
        """Deactivate an interrupt."""

    def set_enabled(self, intid: int, is_enabled: bool) -> None:
        """Enable an interrupt, an SPI at this CPU, or disable it."""

    def set_active(self, intid: int, is_active: bool) -> None:
        """Set the active state of an interrupt."""

    def send_sgi(self, cpu: int, intid: int) -> None:
        """Send a software-generated interrupt to a CPU."""


class _Banks:
    """The registers with a bit or a byte for each interrupt, which both versions lay out alike."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory

    def _frame(self, intid: int) -> int:
        """Return the physical address of the frame that has the registers of an interrupt."""
        raise NotImplementedError

    def _set_bit(self, register: int, intid: int) -> None:
        """Write a one for an interrupt to a register where zeros do nothing."""
        self._memory.write(self._frame(intid) + register + intid // 32 * _WORD, _WORD, 1 << intid % 32)

    def _set_priority(self, intid: int) -> None:
        self._memory.write(self._frame(intid) + _IPRIORITYR + intid, 1, PRIORITY)

    def set_active(self, intid: int, is_active: bool) -> None:
        """Set the active state of an interrupt."""
        self._set_bit(_ISACTIVER if is_active else _ICACTIVER, intid)

    def set_enabled(self, intid: int, is_enabled: bool) -> None:
        """Enable an interrupt, an SPI at this CPU, or disable it."""
        if is_enabled:
            self._route(intid)
            self._set_priority(intid)
        self._set_bit(_ISENABLER if is_enabled else _ICENABLER, intid)

    def _route(self, intid: int) -> None:
        raise NotImplementedError

    def _enable_private(self) -> None:
        for intid in (*range(FIRST_PPI), *PPIS):
            self.set_enabled(intid, True)


_GICC_CTLR, _GICC_PMR, _GICC_IAR, _GICC_EOIR, _GICC_DIR = (
    board.GICC_BASE + offset for offset in (0x000, 0x004, 0x00C, 0x010, 0x1000)
)
_GICC_ENABLE: Final = 1 << 9 | 1 << 0  # EOImode, EnableGrp0
_INTID: Final = 0x3FF


class PhysicalGicv2(_Banks):
    """A GICv2 by GICD and GICC. All interrupts are in Group 0, which is signalled as IRQ."""

    def __init__(self, memory: PhysicalMemory, cpu: int) -> None:
        super().__init__(memory)
        self._cpu = cpu
        self._acknowledged = 0

    def _frame(self, intid: int) -> int:
        return board.GICD_BASE

    def _route(self, intid: int) -> None:
        if intid >= FIRST_SPI:
            self._memory.write(board.GICD_BASE + _ITARGETSR + intid, 1, 1 << self._cpu)

    def initialize(self) -> None:
        """Enable the distributor, this CPU's interface, its SGIs, and the PPIs that a hypervisor needs."""
        self._enable_private()
        self._memory.write(board.GICD_BASE, _WORD, 1)
        self._memory.write(_GICC_PMR, _WORD, PRIORITY_MASK)
        self._memory.write(_GICC_CTLR, _WORD, _GICC_ENABLE)

    def acknowledge(self) -> int:
        """Read GICC_IAR. The sender of an SGI is kept for its end, which comes before the next acknowledge."""
        self._acknowledged = self._memory.read(_GICC_IAR, _WORD)
        return self._acknowledged & _INTID

    def _with_sender(self, intid: int) -> int:
        return self._acknowledged if self._acknowledged & _INTID == intid else intid

    def priority_drop(self, intid: int) -> None:
        """Write GICC_EOIR."""
        self._memory.write(_GICC_EOIR, _WORD, self._with_sender(intid))

    def deactivate(self, intid: int) -> None:
        """Write GICC_DIR."""
        self._memory.write(_GICC_DIR, _WORD, self._with_sender(intid))

    def send_sgi(self, cpu: int, intid: int) -> None:
        """Write GICD_SGIR: CPUTargetList<23:16>, SGIINTID<3:0>."""
        self._memory.write(board.GICD_BASE + _SGIR, _WORD, 1 << 16 + cpu | intid)


_ICC: Final = {
    name: by_name(f"ICC_{name}_EL1").encoding for name in ("CTLR", "PMR", "IGRPEN1", "IAR1", "EOIR1", "DIR", "SGI1R")
}
_GICD_CTLR_ENABLE: Final = 1 << 4 | 1 << 1  # ARE, EnableGrp1
_WAKER, _SGI_BASE = 0x14, 0x1_0000


class PhysicalGicv3(_Banks):
    """A GICv3 by GICD, this CPU's GICR, and ICC_*_EL1. All interrupts are in Group 1.

    Simplified: the affinity of a CPU is its number (Aff0), as on this board; there are at most 16.
    """

    def __init__(self, memory: PhysicalMemory, registers: SystemRegisters, cpu: int) -> None:
        super().__init__(memory)
        self._registers, self._cpu = registers, cpu
        self._redistributor = board.GICR_BASE + cpu * board.GICR_BYTES_PER_CPU

    def _frame(self, intid: int) -> int:
        return board.GICD_BASE if intid >= FIRST_SPI else self._redistributor + _SGI_BASE

    def _route(self, intid: int) -> None:
        if intid >= FIRST_SPI:
            self._memory.write(board.GICD_BASE + _IROUTER + 8 * intid, _WORD, self._cpu)
            group = board.GICD_BASE + _IGROUPR + intid // 32 * _WORD
            self._memory.write(group, _WORD, self._memory.read(group, _WORD) | 1 << intid % 32)

    def initialize(self) -> None:
        """Enable the distributor, this CPU's interface, its SGIs, and the PPIs that a hypervisor needs.

        The redistributor is awake at once on this machine, so that nobody waits for GICR_WAKER.ChildrenAsleep.
        """
        self._memory.write(board.GICD_BASE, _WORD, _GICD_CTLR_ENABLE)
        self._memory.write(self._redistributor + _WAKER, _WORD, 0)
        self._memory.write(self._redistributor + _SGI_BASE + _IGROUPR, _WORD, 0xFFFF_FFFF)
        self._enable_private()
        self._write("PMR", PRIORITY_MASK)
        self._write("CTLR", ICC_CTLR_EL1.of(EOImode=1))
        self._write("IGRPEN1", 1)

    def _write(self, name: str, value: int) -> None:
        self._registers.write(_ICC[name], value)

    def acknowledge(self) -> int:
        """Read ICC_IAR1_EL1."""
        return read_register(self._registers, _ICC["IAR1"])

    def priority_drop(self, intid: int) -> None:
        """Write ICC_EOIR1_EL1."""
        self._write("EOIR1", intid)

    def deactivate(self, intid: int) -> None:
        """Write ICC_DIR_EL1."""
        self._write("DIR", intid)

    def send_sgi(self, cpu: int, intid: int) -> None:
        """Write ICC_SGI1R_EL1."""
        self._write("SGI1R", ICC_SGI1R_EL1.of(INTID=intid, TargetList=1 << cpu))

"""A machine as checkers see it: `model.Witness` by the core's own registers, checks and traps aside, and by RAM.

Read `model.py` and `machine/machine.py` before this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from arm_hyp.arch import sysregs
from arm_hyp.arch.gic import FIRST_SPI, INTID_COUNT
from arm_hyp.arch.translation import TranslationRegisters
from arm_hyp.machine import board
from arm_hyp.machine.gic.virtual import VirtualInterface

if TYPE_CHECKING:
    from arm_hyp.machine.machine import Machine

_ISACTIVER, _SGI_FRAME = 0x300, 0x1_0000


class MachineWitness:
    """Looks at a machine."""

    def __init__(self, machine: Machine) -> None:
        self._cores, self._ram, self._bus = machine.cpus.cores, machine.ram_device, machine.board.bus
        parts = machine.board.stateful
        self._interfaces = [cast(VirtualInterface, parts[f"gic-virtual-{core.index}"]) for core in self._cores]
        self._has_redistributors = machine.options.gic > 2

    @property
    def cpus(self) -> int:
        """How many physical CPUs there are."""
        return len(self._cores)

    def retired(self, cpu: int) -> int:
        """Return how many instructions a physical CPU has retired."""
        return self._cores[cpu].retired

    def kept(self, cpu: int) -> tuple[int, ...]:
        """Return X19 to X29 of a physical CPU, which a call keeps. Ref: AAPCS64, and SMCCC 2.6."""
        return self._cores[cpu].all_x()[19:30]

    def register(self, cpu: int, name: str) -> int:
        """Return a system register of a physical CPU; one that it does not have reads as zero."""
        return self._cores[cpu].registers.read(sysregs.by_name(name).encoding) or 0

    def translation(self, cpu: int) -> TranslationRegisters:
        """Return the registers of a physical CPU that decide its translations."""
        return TranslationRegisters.collect(lambda name: self.register(cpu, name), self._cores[cpu].features)

    def list_registers(self, cpu: int) -> list[int]:
        """Return the list registers of a physical CPU, in the layout of ICH_LR<n>_EL2."""
        interface = self._interfaces[cpu]
        return [interface.list_register(n) for n in range(interface.list_register_count)]

    def is_active(self, cpu: int, intid: int) -> bool:
        """Tell whether a physical interrupt is active: GICD_ISACTIVER<n>, or GICR_ISACTIVER0. None is past the SPIs."""
        if intid >= INTID_COUNT:
            return False
        is_redistributed = self._has_redistributors and intid < FIRST_SPI
        base = board.GICR_BASE + cpu * board.GICR_BYTES_PER_CPU + _SGI_FRAME if is_redistributed else board.GICD_BASE
        region = self._bus.find(base)
        word = region.device(cpu).read(base + _ISACTIVER + intid // 32 * 4 - region.base, 4)
        return bool(word >> intid % 32 & 1)

    def read(self, pa: int, size_bytes: int) -> bytes | None:
        """Return bytes of RAM; None where not all of them are RAM."""
        start = pa - self._ram.base
        if start < 0 or start + size_bytes > self._ram.size_bytes:
            return None
        return bytes(self._ram.view[start : start + size_bytes])

"""The general registers of a core, PC and PSTATE, as they are between two runs.

Read `cpu/native.py` before this file and `cpu/core.py` after it.
"""

from __future__ import annotations

from typing import Final

from unicorn import arm64_const as a64

from arm_hyp.cpu import entry
from arm_hyp.cpu.native import NativeCore

X_REGISTERS: Final = tuple(
    [a64.UC_ARM64_REG_X0 + index for index in range(29)] + [a64.UC_ARM64_REG_X29, a64.UC_ARM64_REG_X30]
)
_M64: Final = (1 << 64) - 1


class CoreRegisters:
    """The registers that every instruction may use. Reading and writing them runs nothing."""

    def __init__(self, native: NativeCore) -> None:
        self.native = native
        self._brief = self.native.batch([a64.UC_ARM64_REG_PC, a64.UC_ARM64_REG_PSTATE])
        self._x = [self.native.batch([register]) for register in X_REGISTERS]
        self._all_x = self.native.batch(X_REGISTERS)
        self._now = self.native.batch([a64.UC_ARM64_REG_PC, a64.UC_ARM64_REG_PSTATE, a64.UC_ARM64_REG_SP])
        self._pc_only = self.native.batch([a64.UC_ARM64_REG_PC])

    @property
    def pc(self) -> int:
        """The program counter."""
        return self._pc_only.read()[0]

    @pc.setter
    def pc(self, value: int) -> None:
        self._pc_only.write(value)

    @property
    def pstate(self) -> int:
        """PSTATE in the layout of SPSR_ELx."""
        return self._brief.read()[1]

    @property
    def el(self) -> int:
        """The current exception level."""
        return entry.level(self.pstate)

    def x(self, index: int) -> int:
        """Read X0..X30; 31 reads as zero."""
        return self._x[index].read()[0] if index < 31 else 0

    def all_x(self) -> tuple[int, ...]:
        """Read X0 to X30 at once."""
        return self._all_x.read()

    def set_x(self, index: int, value: int) -> None:
        """Write X0..X30; 31 is discarded."""
        if index < 31:
            self._x[index].write(value & _M64)

    @property
    def sp(self) -> int:
        """The current stack pointer."""
        return self.native.read(a64.UC_ARM64_REG_SP)

    @sp.setter
    def sp(self, value: int) -> None:
        self.native.write(a64.UC_ARM64_REG_SP, value)

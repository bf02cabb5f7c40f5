"""A complete EL1 context: everything of a guest that lives in the core, saved and loaded in one call each.

Read `cpu/core.py` before this file. This is what a hypervisor switches between two vCPUs: general and vector registers,
stack pointers, and every system register of EL1 and EL0 that the core holds. Registers of EL2 are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from unicorn import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.core import X_REGISTERS, Core
from arm_hyp.cpu.entry import SP_BANKS
from arm_hyp.cpu.snapshot import system_registers

_GENERAL: Final = {
    **{f"X{number}": register for number, register in enumerate(X_REGISTERS)},
    **{f"Q{number}": a64.UC_ARM64_REG_Q0 + number for number in range(32)},
}
_SP: Final = {"SP_EL0": SP_BANKS[0], "SP_EL1": SP_BANKS[1]}


class El1Contexts:
    """Saves and loads EL1 contexts of one core, which must be at EL2 with SP_EL2 selected."""

    def __init__(self, core: Core) -> None:
        self._core = core
        held = (encoding for encoding in system_registers(core) if encoding.op1 != 4)
        self._system = {sysregs.name_of(encoding): encoding for encoding in held}
        self._controls = {sysregs.name_of(row): name for row, name in ENCODINGS.items() if row.op1 in (0, 3)}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all registers of a context."""
        return (*_GENERAL, *_SP, *self._system, *self._controls)

    def save(self) -> dict[str, int]:
        """Return the context that is in the core."""
        return dict(self._read())

    def _read(self) -> Iterator[tuple[str, int]]:
        core = self._core
        for name, register in (*_GENERAL.items(), *_SP.items()):
            yield name, core.native.read(register)
        for name, encoding in self._system.items():
            yield name, core.native.read_cp(encoding)
        for name, control in self._controls.items():
            yield name, core.controls.read(control)

    def load(self, context: Mapping[str, int]) -> None:
        """Put a context into the core, then empty the TLB: its tables are others. Raises: KeyError if incomplete."""
        core = self._core
        for name, register in (*_GENERAL.items(), *_SP.items()):
            core.native.write(register, context[name])
        for name, encoding in self._system.items():
            core.native.write_cp(encoding, context[name])
        for name in self._controls:
            core.registers.write(sysregs.by_name(name).encoding, context[name])
        core.native.flush_tlb()

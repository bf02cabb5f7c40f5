"""A complete EL1 context: everything of a guest that lives in the core, saved and loaded in one call each.

Read `cpu/core.py` before this file. This is what a hypervisor switches between two vCPUs: general and vector registers,
stack pointers, and every system register of EL1 and EL0 that the core holds. Registers of EL2 are not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from unicorn import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.cpu import entry
from arm_hyp.cpu.batch import Batch
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.core_registers import X_REGISTERS
from arm_hyp.cpu.entry import SP_BANKS
from arm_hyp.cpu.snapshot import system_registers

_GENERAL: Final = {
    **{f"X{number}": register for number, register in enumerate(X_REGISTERS)},
    "SP_EL0": SP_BANKS[0],
    "SP_EL1": SP_BANKS[1],
}
_VECTORS: Final = {f"Q{number}": a64.UC_ARM64_REG_Q0 + number for number in range(32)}
_DIRECT: Final = _GENERAL | _VECTORS
_CONTROLS: Final = {sysregs.name_of(row): name for row, name in ENCODINGS.items()}
_FLAGS_AND_MASKS: Final = 0xF << 28 | 0xF << 6
_LOWER: Final = range(4)
"""op1 of what belongs to EL1 and EL0."""


class El1Contexts:
    """Saves and loads EL1 contexts of one core, which must be at EL2 with SP_EL2 selected.

    The vector registers may be left out: a hypervisor switches them only when they are used.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        held = [encoding for encoding in system_registers(core) if encoding.op1 in _LOWER]
        self._controls = {sysregs.name_of(row): name for row, name in ENCODINGS.items() if row.op1 in _LOWER}
        self._batch_names = (*_GENERAL, *map(sysregs.name_of, held))
        self._batch = core.native.batch([*_GENERAL.values(), *held])

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all registers of a context."""
        return (*self._batch_names, *_VECTORS, *self._controls)

    def save(self, *, vectors: bool = True) -> dict[str, int]:
        """Return the context that is in the core."""
        context = dict(zip(self._batch_names, self._batch.read(), strict=True))
        for name, control in self._controls.items():
            context[name] = self._core.controls.read(control)
        return context | self.save_vectors() if vectors else context

    def save_vectors(self) -> dict[str, int]:
        """Return the vector registers that are in the core, 128 bits each."""
        return {name: self._core.native.read(register) for name, register in _VECTORS.items()}

    def load(self, context: Mapping[str, int], *, vectors: bool = True) -> None:
        """Put a context into the core, then empty the TLB: its tables are others. Raises: KeyError if incomplete."""
        core = self._core
        self._batch.write(*(context[name] for name in self._batch_names))
        for name, control in self._controls.items():
            if context[name] != core.controls.read(control):
                core.registers.write(sysregs.by_name(name).encoding, context[name])
        if vectors:
            self.load_vectors(context)
        core.native.flush_tlb()

    def read(self, name: str) -> int:
        """Read one register that is in the core, EL2's too. Raises: KeyError if the core has none of that name."""
        register = _DIRECT.get(name)
        if register is not None:
            return self._core.native.read(register)
        control = _CONTROLS.get(name)
        if control is not None:
            return self._core.controls.read(control)
        value = self._core.registers.read(sysregs.by_name(name).encoding)
        if value is None:
            raise KeyError(f"this machine has no {name} to read")
        return value

    def write(self, name: str, value: int) -> None:
        """Write one register that is in the core, with all effects that a write by software has. Raises: KeyError."""
        register = _DIRECT.get(name)
        if register is not None:
            self._core.native.write(register, value)
        elif not self._core.registers.write(sysregs.by_name(name).encoding, value):
            raise KeyError(f"this machine has no {name} to write")

    def load_vectors(self, context: Mapping[str, int]) -> None:
        """Put the vector registers of a context into the core. Raises: KeyError if incomplete."""
        for name, register in _VECTORS.items():
            self._core.native.write(register, context[name])


def write_pstate(core: Core, value: int) -> None:
    """Write the flags NZCV <31:28> and the masks DAIF <9:6> of PSTATE, from outside.

    Raises: ValueError if anything else would change: a level has its registers, which an exception or ERET brings.
    """
    before = core.pstate
    if (before ^ value) & ~_FLAGS_AND_MASKS:
        raise ValueError(f"of PSTATE {before:#x} only NZCV <31:28> and DAIF <9:6> can be changed")
    core.native.write(a64.UC_ARM64_REG_PSTATE, value)
    core.native.write_cp(entry.SPSR[1], core.native.read_cp(entry.SPSR[1]))  # has the core look at it


def exit_registers(core: Core) -> Batch:
    """Return ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2 of a core as one batch: what an exception to EL2 leaves there."""
    return core.native.batch([entry.ESR[2], entry.FAR[2], entry.HPFAR_EL2, entry.ELR[2]])


def return_registers(core: Core) -> Batch:
    """Return ELR_EL2 and SPSR_EL2 of a core as one batch: where an ERET from EL2 will lead."""
    return core.native.batch([entry.ELR[2], entry.SPSR[2]])

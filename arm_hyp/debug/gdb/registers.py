"""The values of gdb's registers: of a CPU, and of a vCPU wherever its registers are. Reading leaves no mark.

Read `target_description.py` and `hypervisor/vcpu_registers.py` before this file, `machine_view.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import sysregs
from arm_hyp.cpu.context import El1Contexts

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.hypervisor.vcpu import Vcpu

_SP_BANKS: Final = ("SP_EL0", "SP_EL1", "SP_EL2")
_OTHER_NAMES: Final = {"pc": "PC", "cpsr": "PSTATE", "fpsr": "FPSR", "fpcr": "FPCR", "sp": "SP"}


def arm_name(name: str) -> str:
    """Return Arm's name of a register that gdb calls otherwise: x0 is X0, v0 is Q0, cpsr is PSTATE."""
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    return {"x": "X", "v": "Q"}.get(name[0], name[0]) + name[1:]


def selected_bank(pstate: int) -> str:
    """Return the name of the stack pointer that a PSTATE selects."""
    return _SP_BANKS[pstate >> 2 & 3 if pstate & 1 else 0]


class CpuRegisters:
    """The registers of a CPU, by gdb's names."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._direct = El1Contexts(core)

    def read(self, name: str) -> int | None:
        """Read a register; None if the CPU has none of that name."""
        core, name = self.core, arm_name(name)
        if name in ("PC", "PSTATE"):
            return core.pc if name == "PC" else core.pstate
        if name in ("SP", selected_bank(core.pstate)):
            return core.sp  # the bank of the one in use is not up to date
        if name[0] in "XQ" or name in _SP_BANKS[:2]:
            return self._direct.read(name)
        return core.registers.read(sysregs.by_name(name).encoding)


class VcpuRegisters:
    """The registers of a vCPU, by gdb's names, from the CPU that it is loaded on or from its saved context.

    `of_cpu` are the registers of each CPU. In its guest PC and PSTATE are the CPU's; while an exit is handled they are
    kept for the ERET.
    """

    def __init__(self, vcpu: Vcpu, of_cpu: Sequence[CpuRegisters]) -> None:
        self.vcpu, self._of_cpu = vcpu, of_cpu

    def read(self, name: str) -> int | None:
        """Read a register; None if a vCPU has none of that name."""
        vcpu, arm = self.vcpu, arm_name(name)
        if is_in_guest(vcpu) and vcpu.cpu is not None and arm in ("PC", "PSTATE", "SP", *_SP_BANKS[:2]):
            return self._of_cpu[vcpu.cpu.index].read(name)
        try:
            return vcpu.read(selected_bank(vcpu.pstate) if arm == "SP" else arm)
        except KeyError:
            return None


def is_in_guest(vcpu: Vcpu) -> bool:
    """Tell whether a vCPU is loaded on a CPU that runs it, and not its hypervisor, now."""
    return vcpu.cpu is not None and vcpu.cpu.core.el < 2

"""What a walk needs of a machine at one point of its run: whose registers, which memory. Reading leaves no mark.

Read `runner/runner.py` and `arch/translation/` before this file, `explain/walks.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.translation import Read64, TranslationRegisters
from arm_hyp.errors import UserError

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner

_PAN: Final = 1 << 22


class View(NamedTuple):
    """Translation as one CPU or vCPU has it. `name` is its name, `pstate` its PSTATE, `pc` its PC."""

    name: str
    registers: TranslationRegisters
    read64: Read64
    pstate: int
    pc: int
    has_el2: bool

    @property
    def el(self) -> int:
        """The exception level that it is at."""
        return self.pstate >> 2 & 3

    @property
    def pan(self) -> bool:
        """PSTATE.PAN."""
        return bool(self.pstate & _PAN)


def view_of_cpu(runner: Runner, index: int) -> View:
    """Return the view of a physical CPU; under the hypervisor that has what it runs now. Raises: UserError."""
    cores = runner.machine.cpus.cores
    if not 0 <= index < len(cores):
        raise UserError(f"CPU {index}", "the machine has no such CPU", f"it has 0 to {len(cores) - 1}")
    core = cores[index]
    registers = TranslationRegisters.collect(_reader(core), core.features)
    return View(f"CPU {index}", registers, core.ram.read64, core.pstate, core.pc, True)


def view_of_vcpu(runner: Runner, vm: str | None, index: int) -> View:
    """Return the view of a vCPU of a VM, of the first one if it is not named. Raises: UserError."""
    vcpu = _find(runner, vm, index)
    core = vcpu.vm.hypervisor.machine.core if vcpu.cpu is None else vcpu.cpu.core
    stage2 = {"VTCR_EL2": int(vcpu.vm.stage2.vtcr), "VTTBR_EL2": int(vcpu.vm.stage2.vttbr)}
    of_core = _reader(core)

    def read(name: str) -> int:
        if name in stage2:
            return stage2[name]
        return vcpu.read(name) if name in vcpu.context else of_core(name)

    registers = TranslationRegisters.collect(read, core.features)
    # In its guest, the vCPU's PSTATE and PC are the core's; while its exit is handled they are kept for the ERET.
    runs = vcpu.cpu is not None and core.el < 2
    pstate, pc = (core.pstate, core.pc) if runs else (vcpu.pstate, vcpu.pc)
    return View(vcpu.name, registers, core.ram.read64, pstate, pc, False)


def _reader(core: Core) -> Callable[[str], int]:
    """Return how to read a register of a core; one that it does not have reads as zero."""
    return lambda name: core.registers.read(sysregs.by_name(name).encoding) or 0


def _find(runner: Runner, name: str | None, index: int) -> Vcpu:
    vms = [] if runner.hypervisor is None else runner.hypervisor.vms
    if not vms:
        raise UserError(f"--vm {name}" if name else f"--vcpu {index}", "there is no VM", "add --hypervisor")
    vm = vms[0] if name is None else next((vm for vm in vms if vm.name == name), None)
    if vm is None:
        raise UserError(
            f"--vm {name}", "there is no VM of that name", f"there is {' and '.join(vm.name for vm in vms)}"
        )
    if not 0 <= index < len(vm.vcpus):
        raise UserError(f"--vcpu {index}", f"{vm.name} has no such vCPU", f"it has 0 to {len(vm.vcpus) - 1}")
    return vm.vcpus[index]

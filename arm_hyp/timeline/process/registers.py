"""The registers of a CPU or vCPU by group, and whose they are. Reading leaves no mark.

Read `timeline/process/register_groups.py` and `hypervisor/vcpu_registers.py` before this file,
`timeline/process/reads.py` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Final

from arm_hyp.arch import sysregs
from arm_hyp.cpu.snapshot import general_registers, vector_registers
from arm_hyp.errors import UserError
from arm_hyp.hypervisor.vcpu_registers import TIMERS
from arm_hyp.timeline.process.answers import RegisterGroup, RegistersAnswer
from arm_hyp.timeline.process.messages import Registers, Whose
from arm_hyp.timeline.process.register_groups import group_of, shown

if TYPE_CHECKING:
    from arm_hyp.cpu.core import Core
    from arm_hyp.hypervisor.vcpu import Vcpu
    from arm_hyp.runner.runner import Runner

_SP_BANKS: Final = ("SP_EL0", "SP_EL1", "SP_EL2")
_GENERAL: Final = (*(f"X{number}" for number in range(31)), "SP", "PC", "PSTATE")
_VECTOR: Final = (*(f"Q{number}" for number in range(32)), "FPCR", "FPSR")
GROUPS: Final = ("general", "vector", "el0", "el1", "el2", "timers", "gic", "pmu", "debug", "id", "pauth")

_OF_GUEST: Final = ("PC", "PSTATE", "SP", *_SP_BANKS[:2])
Read = Callable[[str], int | None]


def read_registers(runner: Runner, asked: Registers) -> RegistersAnswer:
    """Return the groups that are asked for; a register that is not there is left out. Raises: UserError."""
    for group in asked.groups:
        if group not in GROUPS:
            raise UserError(f"registers {group!r}", "there is no such group", f"there are {', '.join(GROUPS)}")
    vcpu = find_vcpu(runner, asked.whose)
    core = None if vcpu is not None else find_core(runner, asked.whose.index)
    read = _of_vcpu(vcpu) if vcpu is not None else _of_core(core) if core is not None else None
    assert read is not None
    made = runner.configuration
    names = _names(made.cpu, made.gic, made.list_registers)
    name = vcpu.name if vcpu is not None else f"CPU {asked.whose.index}"
    return RegistersAnswer(name, tuple(_group(group, names[group], read) for group in asked.groups))


def _group(name: str, names: tuple[str, ...], read: Read) -> RegisterGroup:
    values = {each: value for each in names if (value := read(each)) is not None}
    return RegisterGroup(name, {each: _plain(each, value) for each, value in values.items()})


def _plain(name: str, value: int) -> int | bytes:
    return value.to_bytes(16, "little") if name[0] == "Q" else value


@lru_cache(maxsize=4)
def _names(model: str, gic: int, list_registers: int) -> dict[str, tuple[str, ...]]:
    rows = list(shown(model, gic, list_registers))
    own = {"general": _GENERAL, "vector": _VECTOR}
    return own | {
        group: tuple(row.name for row in rows if group_of(row) == group) for group in GROUPS if group not in own
    }


# --- whose ------------------------------------------------------------------------------------------------------------


def find_core(runner: Runner, index: int) -> Core:
    """Return a CPU. Raises: UserError if there is none of that number."""
    cores = runner.machine.cpus.cores
    if not 0 <= index < len(cores):
        raise UserError(f"CPU {index}", "the machine has no such CPU", f"it has 0 to {len(cores) - 1}")
    return cores[index]


def find_vcpu(runner: Runner, whose: Whose) -> Vcpu | None:
    """Return the vCPU that is meant; None for a CPU. Raises: UserError if there is none."""
    if whose.vm is None:
        return None
    vms = [] if runner.hypervisor is None else runner.hypervisor.vms
    if not 0 <= whose.vm < len(vms):
        raise UserError(f"VM {whose.vm}", "there is no such VM", f"there are {len(vms)}")
    vcpus = vms[whose.vm].vcpus
    if not 0 <= whose.index < len(vcpus):
        raise UserError(f"vCPU {whose.index}", f"{vms[whose.vm].name} has no such vCPU", f"it has {len(vcpus)}")
    return vcpus[whose.index]


# --- values -----------------------------------------------------------------------------------------------------------


def _selected_bank(pstate: int) -> str:
    return _SP_BANKS[pstate >> 2 & 3 if pstate & 1 else 0]


def _of_core(core: Core) -> Read:
    general, selected = general_registers(core), _selected_bank(core.pstate)
    vectors = cache(partial(vector_registers, core))

    def read(name: str) -> int | None:
        if name in ("PC", "PSTATE"):
            return core.pc if name == "PC" else core.pstate
        if name in ("SP", selected):
            return core.sp  # the bank of the one in use is not up to date
        if name[0] == "Q":
            return vectors()[name.lower()]
        if name[0] == "X" or name in _SP_BANKS[:2]:
            return general[name.lower()]
        return core.registers.read(sysregs.by_name(name).encoding)

    return read


def _of_vcpu(vcpu: Vcpu) -> Read:
    """Return how to read a vCPU: in its guest PC, PSTATE and SP are the CPU's, otherwise they are kept for the ERET."""
    is_in_guest = vcpu.cpu is not None and vcpu.cpu.core.el < 2
    of_core = _of_core(vcpu.cpu.core) if vcpu.cpu is not None and is_in_guest else None

    def read(name: str) -> int | None:
        if of_core is not None and (name[0] == "X" or name in _OF_GUEST):
            return of_core(name)
        known = _selected_bank(vcpu.pstate) if name == "SP" else name
        return vcpu.read(known) if known in vcpu.context or known in TIMERS else None

    return read

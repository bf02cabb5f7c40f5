"""The registers of the Arm ARM as declared bit fields, one class a register, under Arm's names.

Read `arch/bitfields.py` before this package; in it `pstate`, `syndrome`, `hypervisor`, `fine_grained`, `control`,
`translation`, `timers`, `gic`, `gic_virtual`, `identification`, `features`, in this order. `arch/sysregs.py` comes
after: encodings and access.

A register whose layout depends on a state has one class for each layout, with a suffix: `CPTR_EL2` and `CPTR_EL2_E2H`
(HCR_EL2.E2H), `PAR_EL1` and `PAR_EL1_FAULT` (F), `CCSIDR_EL1` and `CCSIDR_EL1_CCIDX` (FEAT_CCIDX). A register that
exists several times has one class without the number, `ICH_LR_EL2`; `layout_of` and `REGISTERS` know the numbers.

Simplified: fields follow Armv8.9 with those v9 fields that share a v8 register, whatever a CPU implements; what a given
CPU makes RES0 or RES1 beyond that is the policy of `arch/id_policy.py`. AArch32 layouts are not modelled.
"""

from __future__ import annotations

import re
from types import ModuleType

from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.registers import (
    control,
    features,
    fine_grained,
    gic,
    gic_virtual,
    hypervisor,
    identification,
    pstate,
    syndrome,
    timers,
    translation,
)
from arm_hyp.arch.registers.control import *  # noqa: F403
from arm_hyp.arch.registers.features import *  # noqa: F403
from arm_hyp.arch.registers.fine_grained import *  # noqa: F403
from arm_hyp.arch.registers.gic import *  # noqa: F403
from arm_hyp.arch.registers.gic_virtual import *  # noqa: F403
from arm_hyp.arch.registers.hypervisor import *  # noqa: F403
from arm_hyp.arch.registers.identification import *  # noqa: F403
from arm_hyp.arch.registers.pstate import *  # noqa: F403
from arm_hyp.arch.registers.syndrome import *  # noqa: F403
from arm_hyp.arch.registers.timers import *  # noqa: F403
from arm_hyp.arch.registers.translation import *  # noqa: F403

MODULES = (
    pstate,
    syndrome,
    hypervisor,
    fine_grained,
    control,
    translation,
    timers,
    gic,
    gic_virtual,
    identification,
    features,
)
NUMBERED = {
    "ICH_LR_EL2": 16,
    "ICH_AP0R_EL2": 4,
    "ICH_AP1R_EL2": 4,
    "ICC_AP0R_EL1": 4,
    "ICC_AP1R_EL1": 4,
    "ICV_AP0R_EL1": 4,
    "ICV_AP1R_EL1": 4,
}
"""Registers that exist several times, and how often: ICH_LR_EL2 stands for ICH_LR0_EL2 to ICH_LR15_EL2."""


def _declared(module: ModuleType) -> dict[str, type[Register]]:
    """Return the public registers that `module` itself declares, by name."""
    return {
        name: item
        for name, item in vars(module).items()
        if isinstance(item, type)
        and issubclass(item, Register)
        and item.__module__ == module.__name__
        and not name.startswith("_")
    }


def _numbered(name: str) -> list[str]:
    """Return the numbered names that a name in `NUMBERED` stands for."""
    stem, level = name.rsplit("_", 1)
    return [f"{stem}{number}_{level}" for number in range(NUMBERED[name])]


LAYOUTS: dict[str, type[Register]] = {name: item for module in MODULES for name, item in _declared(module).items()}
"""Every register class once, by its name."""
REGISTERS: dict[str, type[Register]] = LAYOUTS | {
    numbered: LAYOUTS[name] for name in NUMBERED for numbered in _numbered(name)
}
"""Every register by Arm's name, with the numbered names as well."""


def layout_of(name: str, *, e2h: bool = False) -> type[Register] | None:
    """Return the fields of the register called `name`, or None if none are declared.

    `e2h` is HCR_EL2.E2H and selects the layout of the EL2 registers that have two. The aliases _EL12 and _EL02 have the
    layout of their EL1 and EL0 registers.
    """
    plain = re.sub(r"_EL([01])2$", r"_EL\1", name)
    if e2h and f"{plain}_E2H" in REGISTERS:
        return REGISTERS[f"{plain}_E2H"]
    return REGISTERS.get(plain)

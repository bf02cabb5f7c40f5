"""Gdb's names of registers, and Arm's; and in which group a session reads them.

Read `target_description.py` and `timeline/process/registers.py` before this file, `machine_view.py` after it.
"""

from __future__ import annotations

from typing import Final

from arm_hyp.debug.gdb.target_description import CORE_FEATURE, FPU_FEATURE, RegisterRow

_SP_BANKS: Final = ("SP_EL0", "SP_EL1", "SP_EL2")
_OTHER_NAMES: Final = {"pc": "PC", "cpsr": "PSTATE", "fpsr": "FPSR", "fpcr": "FPCR", "sp": "SP"}
_GROUPS: Final = {CORE_FEATURE: "general", FPU_FEATURE: "vector"}


def arm_name(name: str) -> str:
    """Return Arm's name of a register that gdb calls otherwise: x0 is X0, v0 is Q0, cpsr is PSTATE."""
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    return {"x": "X", "v": "Q"}.get(name[0], name[0]) + name[1:]


def group_of(row: RegisterRow) -> str:
    """Return the group that a register is read with."""
    return _GROUPS.get(row.feature, row.group)


def selected_bank(pstate: int) -> str:
    """Return the name of the stack pointer that a PSTATE selects."""
    return _SP_BANKS[pstate >> 2 & 3 if pstate & 1 else 0]

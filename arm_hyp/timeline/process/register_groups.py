"""Which system registers are shown, and in which group: for screens and debuggers alike.

Read `arch/sysregs.py` before this file, `timeline/process/registers.py` (their values) after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import SystemRegister

_BY_GROUP: Final = {
    "timer": "timers", "gic": "gic", "pmu": "pmu", "debug": "debug", "id": "id", "cache": "id", "pauth": "pauth",
}  # fmt: skip
_LEFT_OUT: Final = frozenset({"vhe", "random", "pstate", "profiling", "trace", "activity"})
"""Groups that are not shown: other names of the same registers, reads that change something, parts of PSTATE."""
_READ_HAS_EFFECT: Final = frozenset(
    {"ICC_IAR0_EL1", "ICC_IAR1_EL1", "ICC_NMIAR1_EL1", "DBGDTR_EL0", "DBGDTRRX_EL0", "OSDTRRX_EL1"}
)


def shown(model: str, gic: int, list_registers: int) -> Iterator[SystemRegister]:
    """Give the registers that a machine has and that can be read without an effect."""
    for row in sysregs.TABLE:
        if row.access == "WO" or row.group in _LEFT_OUT or row.name in _READ_HAS_EFFECT or row.name.endswith("_EL3"):
            continue
        if sysregs.resolve(row.encoding, True, model, gic, list_registers).route != "undefined":
            yield row


def group_of(row: SystemRegister) -> str:
    """Return the group of a system register: timers, gic, pmu, debug, id, pauth, or that of its level."""
    return _BY_GROUP.get(row.group) or f"el{row.name[-1] if row.name[-1] in '012' else 0}"

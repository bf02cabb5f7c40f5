"""The complete state of a core as plain data, out and in; and the load of a complete EL1 context.

Read `cpu/core.py` before this file. A saved context of Unicorn would be faster, but is tied to one process and one
build; this is versioned and can be stored. After a restore the TLB and the translations are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from unicorn import UcError
from unicorn import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.core import X_REGISTERS, Core
from arm_hyp.cpu.entry import SP_BANKS

VERSION: Final = 3
_HCR_E2H: Final = 1 << 34
_GENERAL: Final = {
    **{f"x{number}": register for number, register in enumerate(X_REGISTERS)},
    "sp": a64.UC_ARM64_REG_SP,
    **{f"sp_el{el}": register for el, register in enumerate(SP_BANKS)},
    "pc": a64.UC_ARM64_REG_PC,
}
_VECTOR: Final = {f"q{number}": a64.UC_ARM64_REG_Q0 + number for number in range(32)}
_NOT_STATE: Final = frozenset(
    {"NZCV", "DAIF", "SPSEL", "CURRENTEL", "PAN", "UAO", "DIT", "SSBS", "TCO", "SP_EL0", "SP_EL1"}
)


def system_registers(core: Core) -> tuple[Encoding, ...]:
    """Return the system registers that the core itself holds and that can be written."""
    rows = (row for row in sysregs.TABLE if row.access == "RW" and row.name not in _NOT_STATE)
    native = (row.encoding for row in rows if sysregs.route(row, core.model, core.gic) == "native")
    return tuple(encoding for encoding in native if encoding not in ENCODINGS and _is_held(core, encoding))


def _is_held(core: Core, encoding: Encoding) -> bool:
    try:
        core.native.read_cp(encoding)
    except UcError:
        return False
    return True


def snapshot(core: Core) -> dict[str, Any]:
    """Return the state of a core that is not running."""
    read = core.native.read
    return {
        "version": VERSION,
        "model": core.model,
        "general": {name: read(register) for name, register in _GENERAL.items()},
        "vector": {name: read(register) for name, register in _VECTOR.items()},
        "pstate": core.pstate,
        "exclusive": list(core.native.exclusive.read()),
        "system": {encoding.generic_name: core.native.read_cp(encoding) for encoding in system_registers(core)},
        "controls": dict(core.controls.snapshot()),
        "stored": core.registers.snapshot(),
        "private": core.private_state(),
    }


def restore(core: Core, state: Mapping[str, Any], *, keeps_translations: bool = False) -> None:
    """Take a state back. Raises: ValueError if it is of another version or CPU model.

    Translations depend on memory, and on few of the registers: whoever tells which memory changed may keep them.
    """
    if (state["version"], state["model"]) != (VERSION, core.model):
        raise ValueError(f"a snapshot of version {state['version']}, {state['model']}; wanted {VERSION}, {core.model}")
    e2h = core.controls.values.hcr_el2 & _HCR_E2H
    core.native.write(a64.UC_ARM64_REG_PSTATE, state["pstate"])
    for name, value in state["system"].items():
        core.native.write_cp(sysregs.parse_name(name), value)
    for name, value in state["vector"].items():
        core.native.write(_VECTOR[name], value)
    for name, value in state["general"].items():
        core.native.write(_GENERAL[name], value)
    core.native.exclusive.write(state["exclusive"])
    core.controls.restore(state["controls"])
    core.registers.restore(state["stored"])
    core.system.forget()
    core.restore_private_state(state["private"])
    core.native.flush_tlb()
    if not keeps_translations or e2h != core.controls.values.hcr_el2 & _HCR_E2H:
        core.maintenance.drop_all()


def reset(core: Core) -> None:
    """Put a core into the state of a new one. What it has retired stays counted."""
    new = Core(core.model, start_el=core.start_el, gic=core.gic, index=core.index, list_registers=core.list_registers)
    state, own = snapshot(new), core.private_state()
    state["private"] |= {name: own[name] for name in ("retired", "seq_n", "seq", "lines")}
    restore(core, state)

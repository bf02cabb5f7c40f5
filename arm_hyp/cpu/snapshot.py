"""The complete state of a core as plain data, out and in; and the load of a complete EL1 context.

Read `cpu/core.py` before this file. A saved context of Unicorn would be faster, but is tied to one process and one
build; this is versioned and can be stored. After a restore the TLB and the translations are dropped.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from unicorn import UcError
from unicorn import arm64_const as a64

from arm_hyp.arch import sysregs
from arm_hyp.arch.sysregs import Encoding
from arm_hyp.cpu import debug_points
from arm_hyp.cpu.batch import Vectors
from arm_hyp.cpu.controls import ENCODINGS
from arm_hyp.cpu.core import Core
from arm_hyp.cpu.core_registers import X_REGISTERS
from arm_hyp.cpu.entry import SP_BANKS

VERSION: Final = 3
_HCR_E2H: Final = 1 << 34
_GENERAL: Final = {
    **{f"x{number}": register for number, register in enumerate(X_REGISTERS)},
    "sp": a64.UC_ARM64_REG_SP,
    **{f"sp_el{el}": register for el, register in enumerate(SP_BANKS)},
    "pc": a64.UC_ARM64_REG_PC,
}
_VECTOR: Final = tuple(f"q{number}" for number in range(32))
_NOT_STATE: Final = frozenset(
    {"NZCV", "DAIF", "SPSEL", "CURRENTEL", "PAN", "UAO", "DIT", "SSBS", "TCO", "SP_EL0", "SP_EL1"}
)


def system_registers(core: Core) -> tuple[Encoding, ...]:
    """Return the system registers that the core itself holds and that can be written."""
    key = core.model, core.gic
    if key not in _system_registers:
        rows = (row for row in sysregs.TABLE if row.access == "RW" and row.name not in _NOT_STATE)
        native = (row.encoding for row in rows if sysregs.route(row, *key) == "native")
        held = (encoding for encoding in native if encoding not in ENCODINGS and _is_held(core, encoding))
        _system_registers[key] = tuple(held)
    return _system_registers[key]


_system_registers: Final[dict[tuple[str, int], tuple[Encoding, ...]]] = {}  # by CPU model and GIC


def _is_held(core: Core, encoding: Encoding) -> bool:
    try:
        core.native.read_cp(encoding)
    except UcError:
        return False
    return True


class _Registers:
    """All registers that a core holds itself, prepared to be read and written in three calls."""

    def __init__(self, core: Core) -> None:
        held = system_registers(core)
        self.system_names = tuple(encoding.generic_name for encoding in held)
        self.system, self.general = core.native.batch(held), core.native.batch(list(_GENERAL.values()))
        self.vectors = Vectors(core.native.handle)
        self.point_names = debug_points.in_order(held)
        self.points = core.native.batch(list(self.point_names))


_prepared: Final[WeakKeyDictionary[Core, _Registers]] = WeakKeyDictionary()


def _registers(core: Core) -> _Registers:
    if core not in _prepared:
        _prepared[core] = _Registers(core)
    return _prepared[core]


def general_registers(core: Core) -> dict[str, int]:
    """Return x0 to x30, the stack pointers and the PC of a core, in one call."""
    return dict(zip(_GENERAL, _registers(core).general.read(), strict=True))


def vector_registers(core: Core) -> dict[str, int]:
    """Return q0 to q31 of a core, in one call."""
    return dict(zip(_VECTOR, _registers(core).vectors.read(), strict=True))


def snapshot(core: Core) -> dict[str, Any]:
    """Return the state of a core that is not running."""
    held = _registers(core)
    return {
        "version": VERSION,
        "model": core.model,
        "general": general_registers(core),
        "vector": vector_registers(core),
        "pstate": core.pstate,
        "exclusive": list(core.native.exclusive.read()),
        "system": dict(zip(held.system_names, held.system.read(), strict=True)),
        "controls": dict(core.controls.snapshot()),
        "stored": core.registers.snapshot(),
        "private": core.private_state(),
    }


def restore(core: Core, state: Mapping[str, Any], *, keeps_translations: bool = False) -> None:
    """Take a state back. Raises: ValueError if it is of another version or CPU model, KeyError if incomplete.

    Translations depend on memory, and on few of the registers: whoever tells which memory changed may keep them.
    """
    if (state["version"], state["model"]) != (VERSION, core.model):
        raise ValueError(f"a snapshot of version {state['version']}, {state['model']}; wanted {VERSION}, {core.model}")
    e2h = core.controls.values.hcr_el2 & _HCR_E2H
    held = _registers(core)
    _restore_debug_points(core, held, state["system"])
    core.native.write(a64.UC_ARM64_REG_PSTATE, state["pstate"])
    held.system.write(*map(state["system"].__getitem__, held.system_names))
    held.vectors.write(*map(state["vector"].__getitem__, _VECTOR))
    held.general.write(*map(state["general"].__getitem__, _GENERAL))
    core.native.exclusive.write(state["exclusive"])
    core.controls.restore(state["controls"])
    core.registers.restore(state["stored"])
    core.system.forget()
    core.restore_private_state(state["private"])
    core.native.flush_tlb()
    is_other = e2h != core.controls.values.hcr_el2 & _HCR_E2H
    if not keeps_translations or is_other or core.native.holds_dropped:
        core.maintenance.drop_all()


def _restore_debug_points(core: Core, held: _Registers, wanted: Mapping[str, int]) -> None:
    """Have the core act on the breakpoints and watchpoints of a state. What else this changes is restored after it."""
    now = dict(zip(held.point_names, held.points.read(), strict=True))
    new = {name: value for name in held.point_names if now[name] != (value := wanted[name.generic_name])}
    if new:
        debug_points.write(core, new)
        core.maintenance.drop_all()  # breakpoints are in translations


def reset(core: Core) -> None:
    """Put a core into the state of a new one. What it has retired stays counted."""
    new, own = _new(core.model, core.start_el, core.gic, core.index, core.list_registers), core.private_state()
    kept = {name: own[name] for name in ("retired", "seq_n", "seq", "lines")}
    restore(core, new | {"private": new["private"] | kept}, keeps_translations=True)


@functools.cache
def _new(model: str, start_el: int, gic: int, index: int, list_registers: int) -> dict[str, Any]:
    """Return the state of a new core. Shared: not to be changed."""
    return snapshot(Core(model, start_el=start_el, gic=gic, index=index, list_registers=list_registers))

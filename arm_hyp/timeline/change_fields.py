"""What changed inside a value: the fields of a register or a descriptor that differ between its old and new value.

Read `timeline/search_changes.py` and `arch/bitfields.py` before this file.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.bitfields import Register
from arm_hyp.arch.registers import layout_of
from arm_hyp.arch.registers.gic_virtual import ICH_LR_EL2
from arm_hyp.arch.syndromes import one_line
from arm_hyp.arch.translation.descriptors import layout_of_descriptor
from arm_hyp.arch.translation.parameters import Regime
from arm_hyp.arch.translation.results import StepKind
from arm_hyp.cpu.watched import Value
from arm_hyp.timeline.search_changes import Change
from arm_hyp.timeline.timeline import Timeline

_DESCRIPTOR: Final = re.compile(r"the level (-?\d) (stage 2 )?descriptor ")
_LAST_LEVEL: Final = 3
_E2H: Final = 1 << 34


class FieldChange(NamedTuple):
    """A field <msb:lsb> with its old and new value, and what the new one means."""

    name: str
    msb: int
    lsb: int
    old: int
    new: int
    meaning: str

    def __str__(self) -> str:
        bits = f"<{self.msb}>" if self.msb == self.lsb else f"<{self.msb}:{self.lsb}>"
        return f"{self.name + bits:16} {self.old:#x} -> {self.new:#x}" + (f"  {self.meaning}" if self.meaning else "")


def regime_of(timeline: Timeline) -> Regime:
    """Return the regime of stage 1 that is in force where the cursor stands: that of a descriptor asked for there."""
    core = timeline.runner.machine.cpus.current
    if core.el < 2:
        return Regime.EL10
    return Regime.EL20 if core.controls.values.hcr_el2 & _E2H else Regime.EL2


def changed_fields(change: Change, regime: Regime) -> tuple[FieldChange, ...]:
    """Return the fields that a change of a whole system register or a descriptor changed; none for anything else."""
    old, new = number(change.old), number(change.new)
    layout = _layout(change, regime)
    if layout is None or not isinstance(old, int) or not isinstance(new, int):
        return ()
    before = {row.name: row for row in layout(old).describe()}
    return tuple(
        FieldChange(row.name, row.msb, row.lsb, before[row.name].value, row.value, row.meaning)
        for row in layout(new).describe()
        if row.name in before and before[row.name].value != row.value
    )


def number(value: Value) -> int | str:
    """Return a register, or memory of 1, 2, 4 or 8 bytes, as a number; larger memory as text, lowest address first."""
    if isinstance(value, int):
        return value
    return int.from_bytes(value, "little") if len(value) in (1, 2, 4, 8) else value.hex()


def _layout(change: Change, regime: Regime) -> type[Register] | None:
    match = _DESCRIPTOR.match(change.target)
    if change.target.startswith("list register "):
        return ICH_LR_EL2
    if match is None:
        return layout_of(change.target.split(" ")[0], e2h=regime is Regime.EL20)
    kinds = [_kind(number(value), int(match[1])) for value in (change.new, change.old)]
    kind = next((kind for kind in kinds if kind is not StepKind.INVALID), StepKind.INVALID)
    return layout_of_descriptor(kind, None if match[2] else regime)


def _kind(descriptor: int | str, level: int) -> StepKind:
    """Return what a descriptor is. Ref: Arm ARM D8.3."""
    if not isinstance(descriptor, int) or not descriptor & 1:
        return StepKind.INVALID
    if level == _LAST_LEVEL:
        return StepKind.PAGE if descriptor & 2 else StepKind.INVALID
    return StepKind.TABLE if descriptor & 2 else StepKind.BLOCK


def syndrome_of(change: Change) -> str:
    """Return what a new syndrome says, in a line; empty if the change is of no ESR_ELx."""
    name = change.target.split(" ")[0]
    if name not in ("ESR_EL1", "ESR_EL2") or not isinstance(change.new, int):
        return ""
    return one_line(change.new & 0xFFFF_FFFF, int(name[-1]), sysregs.name_of)

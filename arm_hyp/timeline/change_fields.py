"""What changed inside a value: the fields of a register that differ between its old and its new value.

Read `timeline/search_changes.py` and `arch/bitfields.py` before this file.
"""

from __future__ import annotations

from typing import NamedTuple

from arm_hyp.arch import sysregs
from arm_hyp.arch.registers import layout_of
from arm_hyp.arch.syndromes import one_line
from arm_hyp.timeline.search_changes import Change


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


def changed_fields(change: Change, *, e2h: bool = False) -> tuple[FieldChange, ...]:
    """Return the fields that a change of a whole system register changed; none for anything else."""
    layout = layout_of(change.target.split(" ")[0], e2h=e2h)
    if layout is None or not isinstance(change.old, int) or not isinstance(change.new, int):
        return ()
    rows = zip(layout(change.old).describe(), layout(change.new).describe(), strict=False)
    return tuple(
        FieldChange(new.name, new.msb, new.lsb, old.value, new.value, new.meaning)
        for old, new in rows
        if old.value != new.value and old.name == new.name
    )


def syndrome_of(change: Change) -> str:
    """Return what a new syndrome says, in a line; empty if the change is of no ESR_ELx."""
    name = change.target.split(" ")[0]
    if name not in ("ESR_EL1", "ESR_EL2") or not isinstance(change.new, int):
        return ""
    return one_line(change.new & 0xFFFF_FFFF, int(name[-1]), sysregs.name_of)

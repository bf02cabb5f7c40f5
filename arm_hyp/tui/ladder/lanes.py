"""Which lanes are shown, in which order, and how they are called.

Read `tui/ladder/geometry.py` before this file, `tui/ladder/drawing.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

from arm_hyp.tui.ladder.spans import EL2, Lane
from arm_hyp.tui.panels.drawing import visible

LONGEST_VM_NAME: Final = 7
_NARROW: Final = 60
_SHORT_VM_NAME: Final = 4


def vm_names(names: Sequence[str], width: int) -> tuple[str, ...]:
    """Return short names of VMs, each another: cut, or if that makes two alike their numbers. One VM needs none."""
    if len(names) < 2:
        return ("",) * len(names)
    longest = LONGEST_VM_NAME if width >= _NARROW else _SHORT_VM_NAME
    short = tuple(visible(name) for name in names)
    cut = tuple(name if cell_len(name) <= longest else set_cell_size(name, longest).rstrip() for name in short)
    return cut if len(set(cut)) == len(cut) and all(cut) else tuple(f"vm{index}" for index in range(len(names)))


def lane_name(lane: Lane, vms: Sequence[str]) -> str:
    """Return the name of a lane: EL2, A EL1."""
    vm = vms[lane.vm] if lane.vm is not None and lane.vm < len(vms) else ""
    return f"{vm} EL{lane.el}".lstrip()


def shown_lanes(used: Iterable[Lane], here: Lane, most: int) -> tuple[Lane, ...]:
    """Return lanes from top to bottom, at most so many: where the cursor is, EL2, then those nearest to the cursor."""
    ordered = sorted({*used, here}, key=lambda lane: lane.order)
    at = ordered.index(here)
    by_worth = sorted(ordered, key=lambda lane: (lane != here, lane.el < EL2, abs(ordered.index(lane) - at)))
    return tuple(sorted(by_worth[: max(most, 1)], key=lambda lane: lane.order))

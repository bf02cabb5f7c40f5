"""Fields of a register laid out in rows of equal cells: which are shown where there is no room for all, and where.

Read `arch/bitfields.py` before this file, `panels/bits.py`, which draws the cells, after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from arm_hyp.arch.bitfields import Field
from arm_hyp.tui.view import number

_FRAME_CELLS: Final = 3
"""Around a name: a mark or bracket, the glyph of the value, a bracket or space."""
_BINARY_BITS: Final = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """One field as it is shown: its value, and whether it decides, is chosen, or has just changed."""

    field: Field
    value: int
    is_deciding: bool = False
    is_chosen: bool = False
    has_changed: bool = False
    is_important: bool = False

    @property
    def text(self) -> str:
        """Return the name; with the value, where the field has several bits."""
        if self.field.width_bits == 1:
            return self.field.name
        return f"{self.field.name}={value_text(self.field, self.value)}"

    @property
    def rank(self) -> tuple[int, ...]:
        """Sort what must be seen first; among the rest the low bits, which are the older ones."""
        is_set, is_marked = self.value != 0, self.is_chosen or self.has_changed
        return not self.is_deciding, not is_marked, not is_set, not self.is_important, self.field.msb


def value_text(field: Field, value: int) -> str:
    """Write a field's value as the manual does: a bit, a few bits in binary, more of them in hexadecimal."""
    if field.width_bits == 1:
        return str(value)
    if field.width_bits <= _BINARY_BITS:
        return f"0b{value:0{field.width_bits}b}"
    return f"0x{number(value, -(-field.width_bits // 4))}"


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of fields. `cell` is the width of one cell; a field takes as many as it needs. `hidden` have no room."""

    rows: tuple[tuple[Shown, ...], ...]
    cell: int
    columns: int
    hidden: int

    def cells_of(self, shown: Shown) -> int:
        """Return how many cells a field takes."""
        return min(_needed(shown, self.cell), self.columns)


def layout(fields: Sequence[Shown], width: int, height: int) -> Grid:
    """Return the grid of the fields that fit into a place, the most important ones, in their order."""
    kept = list(fields)
    while True:
        grid = _packed(kept, width, len(fields) - len(kept))
        if len(grid.rows) <= max(height, 1) or len(kept) <= 1:
            return grid
        surplus = max((len(grid.rows) - max(height, 1)) * grid.columns // 2, 1)
        dropped = {id(one) for one in sorted(kept, key=lambda one: one.rank)[-surplus:]}
        kept = [one for one in kept if id(one) not in dropped]


def _packed(fields: Iterable[Shown], width: int, hidden: int) -> Grid:
    shown = list(fields)
    cell = max((len(one.text) for one in shown if one.field.width_bits == 1), default=_FRAME_CELLS) + _FRAME_CELLS
    cell = min(cell, max(width, 1))
    columns = max(width // cell, 1)
    rows: list[list[Shown]] = [[]]
    used = 0
    for one in shown:
        needed = min(_needed(one, cell), columns)
        if used + needed > columns and rows[-1]:
            rows.append([])
            used = 0
        rows[-1].append(one)
        used += needed
    return Grid(tuple(map(tuple, rows)), cell, columns, hidden)


def _needed(shown: Shown, cell: int) -> int:
    return -(-(len(shown.text) + _FRAME_CELLS) // cell)

"""A table that fits: columns in their order, of which the least important ones are left out where there is no room.

Read `tui/panels/drawing.py` before this file, `tui/panels/vcpus.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from arm_hyp.tui.look import Look

_GAP: int = 2


class Cell(NamedTuple):
    """A text with a style."""

    text: str
    style: Style


class Column(NamedTuple):
    """A column: `rank` 0 is never left out; of the others those with the highest rank go first, together."""

    title: str
    cells: Sequence[Cell]
    rank: int = 0
    is_right: bool = False

    @property
    def width(self) -> int:
        """Cells that the widest of them takes."""
        return max(map(cell_len, [self.title, *(cell.text for cell in self.cells)]))


def table(columns: Sequence[Column], width: int, look: Look, *, has_titles: bool = True) -> list[Text]:
    """Return the titles and a line for each row."""
    shown = _fitting(columns, width)
    rows: list[Sequence[Cell]] = [tuple(column.cells[n] for column in shown) for n in range(len(columns[0].cells))]
    if has_titles:
        rows.insert(0, [Cell(column.title, look.style("dim")) for column in shown])
    return [_line(row, shown) for row in rows]


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    shown = list(columns)
    while sum(column.width + _GAP for column in shown) - _GAP > width and any(column.rank for column in shown):
        last = max(column.rank for column in shown)
        shown = [column for column in shown if column.rank < last]
    return shown


def _line(row: Sequence[Cell], shown: Sequence[Column]) -> Text:
    line = Text()
    for number, (cell, column) in enumerate(zip(row, shown, strict=True)):
        room = " " * (column.width - cell_len(cell.text))
        line.append(" " * (_GAP if number else 0) + (room if column.is_right else ""))
        line.append(cell.text, cell.style)
        line.append("" if column.is_right or number == len(shown) - 1 else room)
    return line

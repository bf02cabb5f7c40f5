"""Memory as rows of bytes in hexadecimal and as characters, in as many columns as fit.

Read `tui/panels/drawing.py` before this file, `tui/panels/memory.py` after it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.tui.look import Look
from arm_hyp.tui.view import number

_LONG, _SHORT = 19, 9
"""Cells of an address with 16 digits, and with 8."""


class Shape(NamedTuple):
    """How a row looks: bytes in it, a space behind each `step` bytes, cells of the address, are there characters."""

    row_bytes: int
    step: int
    address_cells: int
    has_text: bool = True

    @property
    def width(self) -> int:
        """Cells that a row takes, with the mark of a change before it."""
        hexadecimal = 2 * self.row_bytes + self.row_bytes // self.step - 1
        return 1 + self.address_cells + 1 + hexadecimal + (1 + self.row_bytes if self.has_text else 0)


_SHAPES: Final = ((16, 1, True), (16, 4, True), (8, 1, True), (8, 2, True), (8, 4, True), (8, 4, False))


class Window(NamedTuple):
    """What is shown: bytes from an address on, which of them changed, and the address that is chosen."""

    address: int
    data: bytes
    changed: frozenset[int]
    selected: int


def shape_for(window: Window, width: int) -> Shape:
    """Return the richest shape that fits. A long address is cut to its low digits where it must be."""
    wanted = _LONG if (window.address + len(window.data)) >> 32 else _SHORT
    shapes = [Shape(*one[:2], cells, one[2]) for cells in dict.fromkeys((wanted, _SHORT)) for one in _SHAPES]
    return next((shape for shape in shapes if shape.width <= width), shapes[-1])


def row_of(window: Window, offset: int, shape: Shape, look: Look) -> Text:
    """Return the row that begins at an offset into the window."""
    address, data = window.address + offset, window.data[offset : offset + shape.row_bytes]
    places = range(address, address + len(data))
    changed = window.changed.intersection(places) if window.changed else window.changed
    return _row(address, data, changed, window.selected if window.selected in places else -1, shape, look)


@lru_cache(maxsize=512)
def _row(address: int, data: bytes, changed: frozenset[int], selected: int, shape: Shape, look: Look) -> Text:
    """Draw a row; most are the same in the next view."""
    row = Text.assemble((look.glyphs.changed if changed else " ", look.style("changed")))
    row.append(number(address)[-shape.address_cells :], look.style("dim"))
    styles = [look.style(_role(one, at, changed, selected), at=at) for at, one in enumerate(data, address)]
    for number_in_row, (one, style) in enumerate(zip(data, styles, strict=True)):
        row.append(" " if number_in_row % shape.step == 0 else "").append(f"{one:02x}", style)
    if shape.has_text:
        row.append(" " * (shape.width - shape.row_bytes - row.cell_len))
        for one, style in zip(data, styles, strict=True):
            row.append(chr(one) if 0x20 <= one < 0x7F else look.glyphs.quiet, style)
    return row


def _role(value: int, address: int, changed: frozenset[int], selected: int) -> str:
    if address == selected:
        return "selected"
    if address in changed:
        return "changed"
    return "text" if value else "off"

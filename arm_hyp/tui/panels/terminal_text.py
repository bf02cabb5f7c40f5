"""What a guest printed as cells, each with its place in the output: harmless, and about as a terminal would show it.

Read `tui/panels/drawing.py` before this file, `tui/panels/consoles.py` after it. A carriage return, a backspace and a
tab move; sequences that move the cursor, colour or set a title are left out; every other control character is shown by
a stand-in. Ref: ECMA-48, control sequences.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rich.cells import cell_len

from arm_hyp.tui.panels.drawing import visible

_TAB_CELLS: Final = 8
_MOST_MARKS: Final = 3
"""So many accents stay on one character."""
_TOKENS: Final = re.compile(
    r"""
    (?P<left_out> (?: \x1b\[ | \x9b ) [0-?]* [ -/]* (?: [@-~] | $ )    # CSI, also one whose end is still to come
                | \x1b\] [^\x07\x1b]* (?: \x07 | \x1b\\ ) )            # OSC: titles, links
    | (?P<one> . )
    """,
    re.DOTALL | re.VERBOSE,
)


class Cell(NamedTuple):
    """A character, or a stand-in for one, and its offset in the console's output."""

    text: str
    offset: int
    is_stand_in: bool = False


def cells_of(line: bytes, offset: int) -> tuple[Cell, ...]:
    """Return what one line of output, without its newline, leaves on a terminal. It begins at `offset`."""
    cells: list[Cell] = []
    column = 0
    for token in _TOKENS.finditer(line.decode("utf-8", "surrogateescape")):
        if token["one"] is not None:
            column = _put(cells, column, token["one"], offset)
        offset += len(token[0].encode("utf-8", "surrogateescape"))
    return tuple(cells)


def _put(cells: list[Cell], column: int, one: str, offset: int) -> int:
    """Put a character at a column; return where the next one goes."""
    if one == "\r":
        return 0
    if one == "\b":
        return max(column - 1, 0)
    if one == "\t":
        end = (column // _TAB_CELLS + 1) * _TAB_CELLS
        cells += [Cell(" ", offset)] * (end - len(cells))
        return end
    if column and not cell_len(one) and one.isprintable():
        return _mark(cells, column, one)
    made = _cells_for(one, offset)
    cells[column : column + len(made)] = made
    return column + len(made)


def _mark(cells: list[Cell], column: int, one: str) -> int:
    """Put an accent on the character before it."""
    last = cells[column - 1]
    if len(last.text) <= _MOST_MARKS:
        cells[column - 1] = last._replace(text=last.text + one)
    return column


def _cells_for(one: str, offset: int) -> list[Cell]:
    """Return the cell of a character, or those of its stand-in."""
    if "\udc80" <= one <= "\udcff":
        return [Cell(each, offset, True) for each in f"\\x{ord(one) - 0xDC00:02x}"]
    shown = visible(one)
    if shown == one and one.isprintable() and cell_len(one):
        return [Cell(one, offset)]
    text = shown if shown != one else f"\\u{ord(one):04x}"
    return [Cell(each, offset, True) for each in text]

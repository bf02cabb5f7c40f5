"""Cells of a picture, and lines of text out of them: each cell leads to its position when it is clicked.

Read `tui/look.py` before this file, `tui/ladder/drawing.py` and `tui/ladder/density.py`, which fill cells, after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rich.style import Style
from rich.text import Span as Styled
from rich.text import Text

from arm_hyp.timeline.position import Position
from arm_hyp.tui.look import Look

Place = Position
"""Where a click on a column leads."""
_MOST_STYLES: Final = 1 << 14
_BOLD: Final = Style(bold=True)


class Cell(NamedTuple):
    """One character (or a name): its role, whether it is bold, and the word that explains it.

    The role "here" is the text of the cursor, tinted as its column is.
    """

    text: str = " "
    role: str = "text"
    is_bold: bool = False
    word: str = ""


class Grid:
    """Rows of cells, which are put one over the other, by their place on an axis that begins at `offset`."""

    def __init__(self, rows: int, width: int, offset: int = 0) -> None:
        """Begin with nothing."""
        self.cells = [[Cell()] * width for _ in range(rows)]
        self._width, self._offset = width, offset

    def put(self, row: int, cell: int, text: str, role: str, *, is_bold: bool = False, word: str = "") -> None:
        """Put characters side by side; what is outside is left out."""
        if not 0 <= row < len(self.cells):
            return
        line = self.cells[row]
        for column, one in enumerate(text, cell - self._offset):
            if 0 <= column < self._width:
                line[column] = Cell(one, role, is_bold, word)

    def put_whole(self, row: int, cell: int, text: str, role: str, *, word: str = "") -> None:
        """Put a bold text, but no part of one that does not fit."""
        if self._offset <= cell and cell + len(text) <= self._offset + self._width:
            self.put(row, cell, text, role, is_bold=True, word=word)


def put_text(cells: list[Cell], at: int, text: str, role: str) -> bool:
    """Put a text where there is nothing, with a cell free on each side; tell whether it fitted."""
    if at < 0 or at + len(text) > len(cells):
        return False
    if any(cell.text != " " for cell in cells[max(at - 1, 0) : at + len(text) + 1]):
        return False
    cells[at : at + len(text)] = [Cell(one, role) for one in text]
    return True


class Styles:
    """Styles of cells under one look, kept: making one takes longer than all else."""

    def __init__(self, look: Look) -> None:
        """Begin with none."""
        self._look = look
        self._known: dict[tuple[str, bool, str, Place | None], Style] = {}

    def of(self, cell: Cell, place: Place | None) -> Style:
        """Return the style of a cell that leads to a place."""
        key = (cell.role, cell.is_bold, cell.word, place)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_STYLES:
                self._known.clear()
            found = self._known[key] = self._made(cell, place)
        return found

    def _made(self, cell: Cell, place: Place | None) -> Style:
        look = self._look
        style = look.style("strong") + look.style("cursor") if cell.role == "here" else look.style(cell.role)
        meta: dict[str, object] = {} if place is None else {"go": tuple(place)}
        if cell.word:
            meta["explain"] = cell.word
        return style + (_BOLD if cell.is_bold else Style.null()) + Style(meta=meta)


@lru_cache(maxsize=8)
def styles_of(look: Look) -> Styles:
    """Return the styles of a look."""
    return Styles(look)


def styled_line(head: Cell, cells: Sequence[Cell], places: Iterable[Place], look: Look) -> Text:
    """Return a line of cells behind its name; neighbours of the same style are one."""
    styles = styles_of(look)
    spans, at = [Styled(0, len(head.text), styles.of(head, None))], len(head.text)
    for column, (cell, place) in enumerate(zip(cells, places, strict=True), at):
        style = styles.of(cell, place)
        if spans[-1].style is style:
            spans[-1] = Styled(spans[-1].start, column + 1, style)
        else:
            spans.append(Styled(column, column + 1, style))
    return Text(head.text + "".join(cell.text for cell in cells), spans=spans, no_wrap=True, end="")


def tinted(line: Text, column: int, look: Look) -> Text:
    """Return a line with one cell tinted as the cursor."""
    made = line.copy()
    made.stylize(look.style("cursor"), column, column + 1)
    return made

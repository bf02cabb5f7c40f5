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
StyleKey = tuple[str, bool, str, Place | None]
"""A role, whether it is bold, the word that explains it, the place that it leads to."""
_MOST_STYLES: Final = 1 << 14
_BOLD: Final = Style(bold=True)


class Cell(NamedTuple):
    """One character (or a name): its role, whether it is bold, the word that explains it, and where a click leads.

    Without a `place` it leads to that of its column. The role "here" is the text of the cursor, tinted as its column
    is; it is none of a palette's.
    """

    text: str = " "
    role: str = "text"
    is_bold: bool = False
    word: str = ""
    place: Place | None = None


class Grid:
    """Rows of cells, which are put one over the other, by their place on an axis that begins at `offset`."""

    def __init__(self, rows: int, width: int, offset: int = 0) -> None:
        """Begin with nothing."""
        self.cells = [[Cell()] * width for _ in range(rows)]
        self._width, self._offset = width, offset

    def put(
        self,
        row: int,
        cell: int,
        text: str,
        role: str,
        *,
        is_bold: bool = False,
        word: str = "",
        place: Place | None = None,
    ) -> None:
        """Put characters side by side; what is outside is left out."""
        if not 0 <= row < len(self.cells):
            return
        line, start = self.cells[row], cell - self._offset
        first, end = max(start, 0), min(start + len(text), self._width)
        if first < end:
            line[first:end] = [Cell(one, role, is_bold, word, place) for one in text[first - start : end - start]]

    def put_whole(
        self, row: int, cell: int, text: str, role: str, *, word: str = "", place: Place | None = None
    ) -> None:
        """Put a bold text, but no part of one that does not fit."""
        if self._offset <= cell and cell + len(text) <= self._offset + self._width:
            self.put(row, cell, text, role, is_bold=True, word=word, place=place)


def put_text(cells: list[Cell], at: int, text: str, role: str) -> bool:
    """Put a text where there is nothing, with a cell free on each side; tell whether it fitted."""
    if at < 0 or at + len(text) > len(cells):
        return False
    if any(cell.text != " " for cell in cells[max(at - 1, 0) : at + len(text) + 1]):
        return False
    cells[at : at + len(text)] = [Cell(one, role) for one in text]
    return True


class Styles:
    """Styles of cells under one look, kept: making one takes longer than all else. `known` is by cell and place."""

    def __init__(self, look: Look) -> None:
        """Begin with none."""
        self._look = look
        self.known: dict[StyleKey, Style] = {}

    def made(self, key: StyleKey) -> Style:
        """Make the style of a cell, and keep it."""
        role, is_bold, word, place = key
        if len(self.known) >= _MOST_STYLES:
            self.known.clear()
        look = self._look
        style = look.style("strong") + look.style("cursor") if role == "here" else look.style(role)
        meta: dict[str, object] = {} if place is None else {"go": tuple(place)}
        if word:
            meta["explain"] = word
        self.known[key] = style + (_BOLD if is_bold else Style.null()) + Style(meta=meta)
        return self.known[key]


@lru_cache(maxsize=8)
def styles_of(look: Look) -> Styles:
    """Return the styles of a look."""
    return Styles(look)


def styled_line(head: Cell, cells: Sequence[Cell], places: Iterable[Place], look: Look) -> Text:
    """Return a line of cells behind its name; neighbours of the same style are one."""
    styles, spans, start, last = styles_of(look), list[Styled](), 0, None
    known, keys = styles.known, list[StyleKey]([(head.role, head.is_bold, head.word, None)] * len(head.text))
    keys += [
        (role, is_bold, word, own or place) for (_, role, is_bold, word, own), place in zip(cells, places, strict=True)
    ]
    for column, key in enumerate(keys):
        style = known[key] if key in known else styles.made(key)
        if style is not last:
            if last is not None:
                spans.append(Styled(start, column, last))
            start, last = column, style
    if last is not None:
        spans.append(Styled(start, len(keys), last))
    return Text(head.text + "".join([cell.text for cell in cells]), spans=spans, no_wrap=True, end="")


def tinted(line: Text, column: int, look: Look) -> Text:
    """Return a line with one cell tinted as the cursor."""
    made = line.copy()
    made.stylize(look.style("cursor"), column, column + 1)
    return made

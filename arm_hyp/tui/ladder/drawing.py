"""The ladder as lines: lanes with their spans, what leads from one to the next, the ruler, the tinted cursor.

Read `tui/ladder/geometry.py`, `tui/ladder/lanes.py` and `tui/look.py` before this file, `tui/ladder/cells.py` beside
it, `tui/ladder/caption.py` and `panel.py` after it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.timeline.position import Position
from arm_hyp.tui.ladder.cells import Cell, Grid, put_text, styled_line, tinted
from arm_hyp.tui.ladder.geometry import Axis
from arm_hyp.tui.ladder.spans import Lane, Span, Via
from arm_hyp.tui.look import Glyphs, Look

_QUIET_EVERY: Final = 4
_TICKS_APART: Final = 16
_ROLES: Final = {
    Via.START: "ret",
    Via.TRAP: "trap",
    Via.IRQ: "irq",
    Via.RET: "ret",
    Via.ILLEGAL: "bad",
    Via.RESET: "bad",
}


class Picture(NamedTuple):
    """What is to be drawn: `width` cells of an axis from `offset` on, and lanes with their names.

    `is_over` says that the run has ended, and does not only stand.
    """

    axis: Axis
    offset: int
    width: int
    lanes: tuple[Lane, ...]
    names: tuple[str, ...]
    label_width: int
    is_over: bool = False

    def row_of(self, lane: Lane) -> int:
        """Return the row of a lane: every other one. A lane that is not shown has the row between its neighbours."""
        if lane in self.lanes:
            return 2 * self.lanes.index(lane)
        return 2 * sum(shown.order < lane.order for shown in self.lanes) - 1

    @property
    def visible(self) -> range:
        """The spans that can be seen, by their index."""
        axis, last = self.axis, min(self.offset + self.width - 1, self.axis.end)
        return range(axis.index_at_cell(self.offset), axis.index_at_cell(last) + 1)

    @property
    def row_count(self) -> int:
        """How many rows the lanes take: one for each, one between, and one under them where names stand there."""
        spans, lowest = self.axis.spans, self.lanes[-1]
        pairs = ((spans[index - 1].lane, spans[index].lane) for index in self.visible if index)
        return 2 * len(self.lanes) - 1 + any(before == after == lowest for before, after in pairs)


@lru_cache(maxsize=16)
def _places(axis: Axis, offset: int, width: int) -> tuple[Position, ...]:
    """Return the position that each column stands for."""
    return tuple(axis.position_of(offset + column) for column in range(width))


def draw(picture: Picture, cursor: Position, look: Look) -> list[Text]:
    """Return the lines of the lanes, names included, with the column of the cursor tinted."""
    column = picture.label_width + picture.axis.cell_of(cursor) - picture.offset
    return [tinted(line, column, look) for line in _lines(picture, look)]


@lru_cache(maxsize=16)
def _lines(picture: Picture, look: Look) -> tuple[Text, ...]:
    grid, glyphs = Grid(picture.row_count, picture.width, picture.offset), look.glyphs
    _draw_quiet(grid, picture, glyphs)
    for index in picture.visible:
        _draw_line(grid, picture, index, glyphs)
    for index in picture.visible:
        if index:
            _draw_arrival(grid, picture, index, glyphs)
    last, places = picture.axis.spans[-1], _places(picture.axis, picture.offset, picture.width)
    if last.is_open:
        mark = glyphs.end if picture.is_over else glyphs.live
        grid.put(_lane_row(picture, last.lane), picture.axis.end, mark, _role(last.lane), is_bold=True)
    return tuple(styled_line(_head(picture, row), cells, places, look) for row, cells in enumerate(grid.cells))


def _role(lane: Lane) -> str:
    return f"el{lane.el}"


def _head(picture: Picture, row: int) -> Cell:
    """Return the name of a lane, as wide as all names."""
    lane, rest = divmod(row, 2)
    if rest or lane >= len(picture.lanes):
        return Cell(" " * picture.label_width)
    return Cell(picture.names[lane].ljust(picture.label_width), _role(picture.lanes[lane]), is_bold=True)


def _lane_row(picture: Picture, lane: Lane) -> int:
    """Return the row where a span is drawn: none where its lane is not shown."""
    return picture.row_of(lane) if lane in picture.lanes else -1


def _draw_quiet(grid: Grid, picture: Picture, glyphs: Glyphs) -> None:
    for row in range(0, 2 * len(picture.lanes), 2):
        for cell in range(picture.offset, min(picture.offset + picture.width, picture.axis.end + 1)):
            if cell % _QUIET_EVERY == 0:
                grid.put(row, cell, glyphs.quiet, "faint")


def _draw_line(grid: Grid, picture: Picture, index: int, glyphs: Glyphs) -> None:
    span, left, right = picture.axis.spans[index], picture.axis.edges[index], picture.axis.edges[index + 1]
    row, role, label = _lane_row(picture, span.lane), _role(span.lane), span.label
    at = left + 1 + (right - left - 1 - len(label)) // 2
    body, rest = _bodies(span, glyphs)
    grid.put(row, left, body * (at - left) + rest * (right - at + 1), role)
    grid.put_whole(row, at, label, role)


def _bodies(span: Span, glyphs: Glyphs) -> tuple[str, str]:
    """Return what the line of a span is made of, before its label and behind it: waiting comes last."""
    body = glyphs.python if span.is_python and not span.instructions else glyphs.line
    if not span.idle_ns:
        return body, body
    return (body if span.instructions or span.is_python else glyphs.idle), glyphs.idle


def _draw_arrival(grid: Grid, picture: Picture, index: int, glyphs: Glyphs) -> None:
    span, before = picture.axis.spans[index], picture.axis.spans[index - 1]
    cell, start, end = picture.axis.edges[index], picture.row_of(before.lane), picture.row_of(span.lane)
    if span.lane == before.lane:
        _draw_step(grid, _lane_row(picture, span.lane), cell, span, glyphs)
    elif end < start:
        _draw_rise(grid, picture, (before, span), cell, glyphs)
    elif start < end:
        _draw_fall(grid, picture, (before, span), cell, glyphs)


def _draw_rise(grid: Grid, picture: Picture, pair: tuple[Span, Span], cell: int, glyphs: Glyphs) -> None:
    before, span = pair
    low, high, role = picture.row_of(before.lane), picture.row_of(span.lane), _ROLES[span.via]
    under = high + 1 - high % 2  # a lane that is not shown has no row of its own
    _draw_upright(grid, range(high + 1, low), cell, span, glyphs)
    grid.put(under, cell, glyphs.up, role, is_bold=True, word=span.word, place=span.start)
    grid.put_whole(under, cell + 2, span.name, role, word=span.word, place=span.start)
    grid.put(_lane_row(picture, span.lane), cell, glyphs.corner_down_right, _role(span.lane))
    grid.put(_lane_row(picture, before.lane), cell, glyphs.corner_up_left, _role(before.lane))


def _draw_fall(grid: Grid, picture: Picture, pair: tuple[Span, Span], cell: int, glyphs: Glyphs) -> None:
    before, span = pair
    high, low, role = picture.row_of(before.lane), picture.row_of(span.lane), _ROLES[span.via]
    _draw_upright(grid, range(high + 1, low), cell, span, glyphs)
    grid.put(low - 1 + low % 2, cell, glyphs.down, role, is_bold=True, word=span.word, place=span.start)
    grid.put_whole(low - 1 + low % 2, cell + 2, span.name, role, word=span.word, place=span.start)
    grid.put(_lane_row(picture, before.lane), cell, glyphs.corner_down_left, _role(before.lane))
    grid.put(_lane_row(picture, span.lane), cell, glyphs.corner_up_right, _role(span.lane))


def _draw_upright(grid: Grid, rows: range, cell: int, span: Span, glyphs: Glyphs) -> None:
    upright = {Via.TRAP: glyphs.rise, Via.IRQ: glyphs.rise_irq}.get(span.via, glyphs.fall)
    for row in rows:
        grid.put(row, cell, upright, _ROLES[span.via])


def _draw_step(grid: Grid, row: int, cell: int, span: Span, glyphs: Glyphs) -> None:
    """Draw what stays at its level: a notch in the lane, and what it was under it."""
    if row < 0:
        return
    notch, mark = _STEPS[span.via]
    role = _ROLES[span.via]
    grid.put(row, cell, getattr(glyphs, notch), _role(span.lane))
    grid.put(row + 1, cell, getattr(glyphs, mark), role, is_bold=True, word=span.word, place=span.start)
    grid.put_whole(row + 1, cell + 2, span.name, role, word=span.word, place=span.start)


_STEPS: Final = {
    Via.START: ("step_return", "down"),
    Via.TRAP: ("step", "up"),
    Via.IRQ: ("step", "up"),
    Via.RET: ("step_return", "down"),
    Via.ILLEGAL: ("step_return", "fault"),
    Via.RESET: ("step_return", "down"),
}
"""The glyphs of what stays at its level: in the lane, and under it."""


# --- the ruler --------------------------------------------------------------------------------------------------------


def ruler(picture: Picture, cursor: Position, look: Look, note: str = "") -> Text:
    """Return the line of positions: the cursor's, and others where there is room. `note` stands at its end."""
    cells = [Cell()] * picture.width
    at = picture.axis.cell_of(cursor) - picture.offset
    put_here(cells, at, f"{cursor.n:,}", picture.width - len(note) - 1, look)
    put_text(cells, picture.width - len(note), note, "dim")
    last, told = -_TICKS_APART, cursor.n
    for index in picture.visible:
        column, n = picture.axis.edges[index] - picture.offset, picture.axis.spans[index].start.n
        if column - last >= _TICKS_APART and n != told and put_text(cells, column, f"{look.glyphs.tick}{n:,}", "faint"):
            last, told = column, n
    head, places = Cell(" " * picture.label_width), _places(picture.axis, picture.offset, picture.width)
    return tinted(styled_line(head, cells, places, look), picture.label_width + at, look)


def put_here(cells: list[Cell], at: int, text: str, room: int, look: Look) -> None:
    """Put the position of the cursor on a ruler: at its right where that ends before `room`, else at its left."""
    is_left = at + len(text) + 1 > room and at >= len(text)
    whole = text + look.glyphs.down if is_left else look.glyphs.down + text
    start = at - len(text) if is_left else at
    for column, one in enumerate(whole, start):
        if 0 <= column < len(cells):
            cells[column] = Cell(one, "here")

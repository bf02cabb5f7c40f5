"""Where a span lies: an elastic axis of cells, on which each position has a cell and each cell a position.

Read `tui/ladder/spans.py` before this file, `tui/ladder/drawing.py` after it. A linear axis cannot be read: a handler
takes a hundred instructions between runs of fifty thousand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import log10
from typing import Final

from arm_hyp.timeline.position import Position
from arm_hyp.tui.ladder.spans import Span

NARROWEST: Final = 3
_GROWTH: Final = 1.6
"""Cells for ten times the instructions."""
_CURSOR_AT: Final = 0.6
"""Where the cursor stays when the picture moves under it, as a share of the width."""


def width_of(span: Span) -> int:
    """Return how many cells a span takes: more for more instructions; its label and its exception's name fit."""
    grown = NARROWEST + round(_GROWTH * log10(span.instructions + 1))
    return max(grown, len(span.label) + 3, len(span.name) + 3 if span.name else 0)


@dataclass(frozen=True, eq=False)
class Axis:
    """Spans side by side: span i has the cells from `edges[i]` up to `edges[i + 1]`, the first for its arrival.

    Each is equal to itself only: what is drawn of it is kept by it.
    """

    spans: tuple[Span, ...]
    edges: tuple[int, ...]

    @classmethod
    def of(cls, spans: tuple[Span, ...]) -> Axis:
        """Lay out spans."""
        return cls(spans, tuple(accumulate(map(width_of, spans), initial=0)))

    @property
    def end(self) -> int:
        """The cell behind the last one."""
        return self.edges[-1]

    def index_at(self, position: Position) -> int:
        """Return the span that a position is in; the nearest one if it is in none."""
        return max(bisect_right(self.spans, position, key=lambda span: span.start) - 1, 0)

    def index_at_cell(self, cell: int) -> int:
        """Return the span that a cell belongs to; the nearest one if it belongs to none."""
        return min(max(bisect_right(self.edges, cell) - 1, 0), len(self.spans) - 1)

    def cell_of(self, position: Position) -> int:
        """Return the cell of a position: the first one of a span for its arrival, the others in proportion."""
        index = self.index_at(position)
        span, left, last = self.spans[index], self.edges[index], self._last_cell(index)
        if position <= span.start:
            return left
        rest = max(_places(span) - 1, 1)
        return min(left + 1 + (_place(span, position) - 1) * (last - left - 1) // rest, last)

    def position_of(self, cell: int) -> Position:
        """Return the position that a cell stands for; that at one of the ends for a cell beyond it."""
        index = self.index_at_cell(cell)
        span, left, last = self.spans[index], self.edges[index], self._last_cell(index)
        places = _places(span)
        if cell <= left or not places:
            return span.start
        inside, room = min(cell, last) - left - 1, max(last - left - 1, 1)
        place = 1 - (-inside * (places - 1) // room)  # rounded up, so that `cell_of` leads back
        return Position(span.start.n + place) if span.instructions else Position(span.start.n, span.start.seq + place)

    def _last_cell(self, index: int) -> int:
        """Return the last cell of a span; an open one has that of its end mark, too."""
        return self.edges[index + 1] - (not self.spans[index].is_open)

    def window(self, width: int, cursor: Position) -> int:
        """Return the first cell to show: all if it fits, else so that the cursor is seen and a span begins there."""
        most = self.end + 1 - width
        if most <= 0:
            return 0
        cell, index = self.cell_of(cursor), self.index_at(cursor)
        start = min(self.edges[index] - int(width * _CURSOR_AT), most)
        first = min(max(start, cell - width + 2, 0), cell)  # in a long span, the cursor may be far behind its begin
        edge = self.edges[bisect_left(self.edges, first)]
        return edge if edge <= self.edges[index] else first


def _place(span: Span, position: Position) -> int:
    """Return how far a position is behind the begin of a span: in instructions, or where none retires in events."""
    return position.n - span.start.n if span.instructions else position.seq - span.start.seq


def _places(span: Span) -> int:
    """Return how many places there are between the begin of a span and the next one's."""
    if span.instructions:
        return span.instructions - (not span.is_open and not span.end.seq)
    return max(span.end.seq - span.start.seq - (not span.is_open), 0)

"""The ladder from afar: in each column how much ran on each lane, and how many exceptions led there.

Read `tui/ladder/cells.py` and `timeline/density.py` before this file, `milestones.py` and `panel.py` after it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log10
from typing import Final, NamedTuple

from rich.text import Text

from arm_hyp.timeline.position import START, Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import DensityAnswer
from arm_hyp.tui.ladder.cells import Cell, styled_line, tinted
from arm_hyp.tui.ladder.lanes import lane_name
from arm_hyp.tui.ladder.spans import Lane, lane_of
from arm_hyp.tui.look import Glyphs, Look

_FINEST_LOG2: Final = 4
_STEP_LOG2: Final = 2
"""The finest column is 16 instructions wide; each level further out has columns four times as wide."""
_WHOLE_COLUMNS: Final = 64
"""A run that takes no more columns than this is shown as a whole."""
_READ_COLUMNS: Final = 256
"""Columns to read around the cursor: more than the widest screen has."""
_WHOLE_READ_COLUMNS: Final = 960


def instructions_of(level: int) -> int:
    """Return how many instructions a column stands for at a level from 1 on."""
    return 1 << _FINEST_LOG2 + _STEP_LOG2 * (level - 1)


def whole_level(frontier: Position) -> int:
    """Return the level that shows a whole run."""
    level = 1
    while instructions_of(level) * _WHOLE_COLUMNS < frontier.n:
        level += 1
    return level


def stretch(level: int, cursor: Position, frontier: Position, cpu: int | None) -> ask.Density:
    """Return what to read for a level: columns around the cursor, or those of the whole run."""
    if level >= whole_level(frontier):
        return ask.Density(START, frontier, max(min(_WHOLE_READ_COLUMNS, frontier.n), 1), cpu)
    each = instructions_of(level)
    first = max(cursor.n // each - _READ_COLUMNS // 2, 0)
    last = min(first + _READ_COLUMNS, -(-frontier.n // each))
    return ask.Density(Position(first * each), Position(min(last * each, frontier.n)), max(last - first, 1), cpu)


class LaneColumns(NamedTuple):
    """What ran on a lane in each column, and how many exceptions led to it."""

    instructions: tuple[int, ...]
    taken: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of a screen: column i is from `edges[i]` up to `edges[i + 1]`. Each is equal to itself only."""

    edges: tuple[Position, ...]
    lanes: dict[Lane, LaneColumns]

    def column_of(self, position: Position) -> int:
        """Return the column of a position; one of the ends for a position beyond it."""
        return min(max(bisect_right(self.edges, position) - 1, 0), len(self.edges) - 2)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.edges) - 1

    @property
    def instructions(self) -> int:
        """How many instructions a column stands for, about."""
        return max(-(-(self.edges[-1].n - self.edges[0].n) // self.width), 1)


def columns_of(answer: DensityAnswer, width: int, cursor: Position, *, is_whole: bool) -> Columns:
    """Return what a screen of a width shows of an answer: all of it, or what is around the cursor."""
    there = len(answer.edges) - 1
    if is_whole or there <= width:
        return _merged(answer, min(width, there), 0, there)
    at = min(max(bisect_right(answer.edges, cursor) - 1 - width // 2, 0), there - width)
    return _merged(answer, width, at, at + width)


@lru_cache(maxsize=8)
def _merged(answer: DensityAnswer, width: int, start: int, end: int) -> Columns:
    """Return columns from `start` up to `end` as `width` ones."""
    bounds = [start + (end - start) * column // width for column in range(width + 1)]
    lanes: dict[Lane, LaneColumns] = {}
    for one in answer.lanes:
        lane, made = lane_of(one.el, one.vm), LaneColumns(_summed(one.instructions, bounds), _summed(one.taken, bounds))
        before = lanes.get(lane)
        lanes[lane] = made if before is None else LaneColumns(*map(_added, before, made))
    return Columns(tuple(answer.edges[bound] for bound in bounds), lanes)


def _summed(values: Sequence[int], bounds: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(values[start:end]) for start, end in pairwise(bounds))


def _added(some: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(some, others, strict=True))


def used_lanes(columns: Columns) -> list[Lane]:
    """Return the lanes on which anything ran, or to which an exception led."""
    return [lane for lane, of in columns.lanes.items() if any(of.instructions) or any(of.taken)]


# --- drawing ----------------------------------------------------------------------------------------------------------


def draw_columns(
    columns: Columns, lanes: Sequence[Lane], vms: tuple[str, ...], label_width: int, cursor: Position, look: Look
) -> list[Text]:
    """Return the lines of lanes: heights for instructions, and under each lane the exceptions that led there."""
    at = label_width + columns.column_of(cursor)
    return [tinted(line, at, look) for line in _lines(columns, tuple(lanes), vms, label_width, look)]


@lru_cache(maxsize=8)
def _lines(
    columns: Columns, lanes: tuple[Lane, ...], vms: tuple[str, ...], label_width: int, look: Look
) -> tuple[Text, ...]:
    rows: list[tuple[Cell, list[Cell]]] = []
    for lane in lanes:
        of = columns.lanes.get(lane) or LaneColumns((0,) * columns.width, (0,) * columns.width)
        name = Cell(lane_name(lane, vms).ljust(label_width), f"el{lane.el}", is_bold=True)
        rows.append((name, _heights(lane, of, columns, look)))
        if lane != lanes[-1] or any(of.taken):
            mark = Cell(look.glyphs.up.rjust(label_width - 1).ljust(label_width), "trap")
            rows.append((mark, _exceptions(of, look.glyphs)))
    return tuple(styled_line(head, cells, columns.edges[:-1], look) for head, cells in rows)


def _heights(lane: Lane, of: LaneColumns, columns: Columns, look: Look) -> list[Cell]:
    blocks, role = look.glyphs.blocks, f"el{lane.el}"
    tops = [after.n - before.n for before, after in pairwise(columns.edges)]
    full = len(blocks) - 1
    return [
        Cell(blocks[min(max(round(one * full / max(top, 1)), 1), full)], role)
        if one
        else Cell(look.glyphs.quiet, "faint")
        for one, top in zip(of.instructions, tops, strict=True)
    ]


def _exceptions(of: LaneColumns, glyphs: Glyphs) -> list[Cell]:
    return [Cell(glyphs.blocks[_log_height(one, len(glyphs.blocks) - 1)], "trap") for one in of.taken]


def _log_height(count: int, full: int) -> int:
    """Return the height for a count: 0 for none, 1 for one, two more for ten times as many."""
    return min(1 + round(2 * log10(count)), full) if count else 0

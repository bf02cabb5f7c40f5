"""What guests printed, on the ruler of the ladder from afar: people find a place in a boot by its messages.

Read `tui/ladder/density.py` before this file, `tui/ladder/panel.py` after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import Chunk, ConsoleAnswer
from arm_hyp.tui.ladder.cells import Cell, put_text, styled_line, tinted
from arm_hyp.tui.ladder.density import Columns
from arm_hyp.tui.ladder.drawing import put_here
from arm_hyp.tui.ladder.names import short_count
from arm_hyp.tui.look import Look
from arm_hyp.tui.panels.drawing import shortened, visible
from arm_hyp.tui.view import View

_READ_BYTES: Final = 1 << 15
_LONGEST: Final = 28
_LENGTHS: Final = (_LONGEST, 14)
"""A message that does not fit is cut shorter, before it is left out."""
_MOST: Final = 12


class Milestone(NamedTuple):
    """A line that a guest printed, and where."""

    position: Position
    text: str


def console_of(view: View) -> ask.Console | None:
    """Return the message that reads the end of the console of the VM looked at; None where there is none."""
    vm = view.whose.vm or 0
    if vm >= len(view.status.consoles):
        return None
    return ask.Console(vm, max(view.status.consoles[vm] - _READ_BYTES, 0))


def milestones_of(view: View) -> tuple[Milestone, ...]:
    """Return the lines that were printed up to the cursor."""
    message = console_of(view)
    answer = None if message is None else view.get(message, ConsoleAnswer)
    return () if answer is None else _lines(answer.chunks)


@lru_cache(maxsize=4)
def _lines(chunks: Sequence[Chunk]) -> tuple[Milestone, ...]:
    """Return lines that are not empty, each where it began."""
    found, text, begin = [], "", Position(0)
    for chunk in chunks:
        begin = begin if text else chunk.position
        *whole, text = (text + chunk.data.decode("latin-1")).split("\n")
        for line in whole:
            found.append(Milestone(begin, _worded(line)))
            begin = chunk.position
    return tuple(one for one in (*found, Milestone(begin, _worded(text))) if one.text)


def _worded(line: str) -> str:
    """Return a line as it can be shown: in characters of one cell, without what a kernel puts before its messages."""
    text = line.strip()
    if text.startswith("[") and "] " in text:
        text = text.partition("] ")[2]
    return "".join(one if cell_len(one) == 1 else "?" for one in visible(text)).strip()


def density_ruler(
    columns: Columns, lines: Sequence[Milestone], label_width: int, width: int, cursor: Position, look: Look
) -> Text:
    """Return the line over the lanes: the cursor, messages of guests, and what a column stands for."""
    cells, places = [Cell()] * width, [columns.edges[min(column, columns.width - 1)] for column in range(width)]
    at, last = columns.column_of(cursor), next((line for line in reversed(lines) if line.position <= cursor), None)
    quoted = f' "{shortened(last.text, _LONGEST, look)}"' if last is not None and width > 3 * _LONGEST else ""
    scale = short_count(columns.instructions)
    put_here(cells, at, f"{cursor.n:,}{quoted}", width - len(scale) - 3, look)
    _put_scale(cells, scale)
    put_text(cells, 0, f"{look.glyphs.tick}{columns.edges[0].n:,}", "faint")
    for line in _longest_lasting(lines, columns):
        if line is not last:
            _put_milestone(cells, places, columns.column_of(line.position), line, look)
    return tinted(styled_line(Cell(" " * label_width), cells, places, look), label_width + at, look)


def _put_scale(cells: list[Cell], count: str) -> None:
    """Say at the end of the ruler what a column stands for, in as many words as there is room for."""
    for text in (f"a column = {count} instruction{'' if count == '1' else 's'}", f"column = {count}", f"1={count}"):
        if put_text(cells, len(cells) - len(text), text, "dim"):
            return


def _put_milestone(cells: list[Cell], places: list[Position], at: int, line: Milestone, look: Look) -> None:
    for length in _LENGTHS:
        text = look.glyphs.tick + shortened(line.text, length, look)
        if put_text(cells, at, text, "dim"):
            places[at : at + len(text)] = [line.position] * len(text)
            return


def _longest_lasting(lines: Sequence[Milestone], columns: Columns) -> Iterable[Milestone]:
    """Return the lines after which most time passed until the next one: where the long parts of a run begin."""
    seen = [line for line in lines if columns.edges[0] <= line.position <= columns.edges[-1]]
    ends = [*(line.position.n for line in seen[1:]), columns.edges[-1].n]
    by_time = sorted(zip(seen, ends, strict=False), key=lambda pair: pair[0].position.n - pair[1])
    return [line for line, _ in by_time[:_MOST]]

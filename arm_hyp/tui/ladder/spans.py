"""Rows of the journal become spans: a stretch of a run on one lane, and how the CPU came there. Pure.

Read `tui/ladder/names.py` and `timeline/process/answers.py` before this file, `tui/ladder/geometry.py` after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from arm_hyp.arch.syndromes import EC
from arm_hyp.hypervisor.costs import EXIT_NS
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process.answers import ExceptionRow
from arm_hyp.tui.ladder.names import explained_as, name_of, short_count, short_time

EL2: Final = 2


class Lane(NamedTuple):
    """Where a CPU is: at an exception level, in a VM or in none."""

    el: int
    vm: int | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """The place from top to bottom: EL2 and above, then what is in no VM, then each VM."""
        return int(self.el < EL2), -1 if self.vm is None else self.vm, -self.el


class Via(Enum):
    """How a span began."""

    START = "start"
    TRAP = "trap"
    """A synchronous exception."""
    IRQ = "irq"
    """An interrupt, or an SError."""
    RET = "ret"
    ILLEGAL = "illegal"
    """An ERET that led nowhere."""
    RESET = "reset"


class Span(NamedTuple):
    """A stretch from the end of one arrival to the next: `instructions` and `idle_ns` on a lane.

    `name` and `word` are the exception's that began it. A Python handler retires nothing. One that `is_open` is the
    last: the run has come to its end there, and may go on. `row` is the row of the journal that began it.
    """

    lane: Lane
    start: Position
    end: Position
    via: Via = Via.START
    name: str = ""
    word: str = ""
    is_python: bool = False
    idle_ns: int = 0
    is_open: bool = False
    row: ExceptionRow | None = None

    @property
    def instructions(self) -> int:
        """Instructions that retired in it. Simplified: on all CPUs, which share one count."""
        return self.end.n - self.start.n

    @property
    def label(self) -> str:
        """What stands on its line."""
        if self.is_python and not self.instructions:
            head = "py"
        else:
            head = "" if self.idle_ns and not self.instructions else short_count(self.instructions)
        return f"{head} zz {short_time(self.idle_ns)}".strip() if self.idle_ns else head


class Known(NamedTuple):
    """What the journal says of one CPU from `begin` to `end`, at `begin_ns` and `end_ns` of virtual time.

    `is_open` says that the run has come to `end`, and no further; `first_el` is where a CPU without any row is.
    """

    rows: Sequence[ExceptionRow]
    first_el: int
    begin: Position
    begin_ns: int
    end: Position
    end_ns: int
    is_open: bool


def spans_of(known: Known) -> tuple[Span, ...]:
    """Return the spans of one CPU, without a gap; there is always one."""
    if not known.rows:
        idle_ns = _idle(known.begin, known.begin_ns, known.end, known.end_ns)
        return (Span(Lane(known.first_el), known.begin, known.end, idle_ns=idle_ns, is_open=known.is_open),)
    spans = [_first(known)] if known.begin < known.rows[0].position else []
    for row, following in pairwise(known.rows):
        spans += _between(row, following)
    if known.is_open or known.rows[-1].position < known.end or not spans:
        spans.append(_last(known))
    return tuple(spans)


def lane_of(el: int, vm: int | None) -> Lane:
    """Return the lane of a level; at EL2 no VM runs."""
    return Lane(el, vm if el < EL2 else None)


def _first(known: Known) -> Span:
    """Return the span before the first row. A return before any instruction is one of a hypervisor in Python."""
    row = known.rows[0]
    is_python = row.what == "returned" and row.position.n == 0
    idle_ns = _idle(known.begin, known.begin_ns, row.position, row.time_ns)
    return Span(lane_of(row.from_el, row.vm), known.begin, row.position, is_python=is_python, idle_ns=idle_ns)


def _idle(start: Position, start_ns: int, end: Position, end_ns: int, is_python: bool = False) -> int:
    """Return the time that passed without work, in ns: an instruction takes 1 ns, a handler in Python what it costs."""
    return max(end_ns - start_ns - (end.n - start.n) - is_python * EXIT_NS, 0)


def _between(row: ExceptionRow, following: ExceptionRow) -> list[Span]:
    """Return the span between two rows; and where the CPU was reset in it, the one from there on.

    Simplified: the journal does not hold resets, so the second one begins right before the next row.
    """
    arrived = _arrived_el(row, following)
    idle_ns = _idle(row.position, row.time_ns, following.position, following.time_ns, row.python)
    span = _span(row, arrived, following.position, idle_ns, is_illegal=arrived != row.to_el)
    n, seq = following.position
    reset_at = Position(n, max(seq - 1, 0))
    if arrived == following.from_el or reset_at <= row.position:
        return [span]
    lane = lane_of(following.from_el, following.vm)
    return [span._replace(end=reset_at), Span(lane, reset_at, following.position, Via.RESET, "reset", "reset")]


def _arrived_el(row: ExceptionRow, following: ExceptionRow | None) -> int:
    """Return the level at which a CPU goes on: after an illegal return, the one that it was at."""
    if row.what == "returned" and (row.to_el > row.from_el or _is_illegal_state(row, following)):
        return row.from_el
    return row.to_el


def _is_illegal_state(row: ExceptionRow, following: ExceptionRow | None) -> bool:
    if following is None or following.position.n != row.position.n or following.from_el != row.from_el:
        return False
    return following.kind == "sync" and (following.esr or 0) >> 26 == EC.ILLEGAL_STATE


def _last(known: Known) -> Span:
    row = known.rows[-1]
    arrived, end = _arrived_el(row, None), max(known.end, row.position)
    idle_ns = _idle(row.position, row.time_ns, end, known.end_ns, row.python)
    return _span(row, arrived, end, idle_ns, is_illegal=arrived != row.to_el)._replace(is_open=known.is_open)


def _span(row: ExceptionRow, el: int, end: Position, idle_ns: int, *, is_illegal: bool) -> Span:
    via = Via.ILLEGAL if is_illegal else _VIA.get(row.kind, Via.IRQ)
    name = "ERET" if is_illegal else name_of(row)
    return Span(
        lane_of(el, row.vm), row.position, end, via, name, explained_as(row), row.python, idle_ns, row=row
    )  # fmt: skip


_VIA: Final = {"": Via.RET, "sync": Via.TRAP}

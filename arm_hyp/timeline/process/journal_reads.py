"""What a session reads of the past without repeating it: rows of the journal, and sums over them.

Read `timeline/journal.py`, `timeline/turns.py` and `timeline/density.py` before this file,
`timeline/process/session.py` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arm_hyp.arch.exceptions import Kind
from arm_hyp.errors import UserError
from arm_hyp.explain.kvm_lines import class_name
from arm_hyp.timeline.density import Amount, Density, edges_between
from arm_hyp.timeline.position import Position
from arm_hyp.timeline.process import messages as ask
from arm_hyp.timeline.process.answers import DensityAnswer, ExceptionRow, ExceptionsAnswer, LaneDensity
from arm_hyp.timeline.process.exit_answers import ExitCost, ExitsAnswer, HandlerAnswer
from arm_hyp.timeline.process.exit_counts import Cost, ExitCounts, ExitKind
from arm_hyp.timeline.process.handler_reads import read_handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arm_hyp.timeline.journal import Entry
    from arm_hyp.timeline.timeline import Timeline
    from arm_hyp.timeline.turns import Lane, Turn

_INTERRUPTS: Final = {Kind.IRQ: "IRQ", Kind.FIQ: "IRQ", Kind.SERROR: "SERROR"}
"""As KVM counts them."""
_Place = tuple[int | None, int]
"""A VM, or None, and an exception level."""


class Past:
    """The past of a timeline. What is summed up for each branch is kept."""

    def __init__(self, timeline: Timeline, texts: Mapping[str, str] | None = None) -> None:
        """Take what is in a recording of the user's files, by name."""
        self._timeline, self._texts = timeline, texts or {}
        self._densities: dict[str, Density] = {}
        self._exits: dict[str, ExitCounts] = {}

    def exceptions(self, asked: ask.Exceptions) -> ExceptionsAnswer:
        """Return rows of the journal between two positions."""
        timeline = self._timeline
        journal, turns = timeline.journal, timeline.history.turns
        has_python = timeline.runner.hypervisor is not None
        first, end = journal.index_at(asked.start), journal.index_at(asked.end)
        count = max(0, min(asked.at_most, ask.MOST_ROWS, end - first))
        indices = range(end - count, end) if asked.is_from_end else range(first, first + count)
        rows = tuple(_row(journal[index], turns[index], has_python) for index in indices)
        return ExceptionsAnswer(rows, max(0, end - first))

    def density(self, asked: ask.Density) -> DensityAnswer:
        """Return how much ran in each column between two positions. Raises: UserError."""
        if not 1 <= asked.columns <= ask.MOST_COLUMNS:
            raise UserError("density", f"there cannot be {asked.columns} columns", f"ask for 1 to {ask.MOST_COLUMNS}")
        density, end = self._density(), min(asked.end, self._end)
        edges = edges_between(min(asked.start, end), end, asked.columns)
        columns, lanes = density.columns(edges), density.turns.lanes
        shown = _places(lanes, density.until(self._end), asked.cpu)
        rows = tuple(LaneDensity(*place, *_by_column(columns, shown[place])) for place in sorted(shown, key=_order))
        return DensityAnswer(tuple(edges), rows)

    def exits(self, asked: ask.Exits) -> ExitsAnswer:
        """Return the exits between two positions, and what they took."""
        journal, history = self._timeline.journal, self._timeline.history
        counts = self._exits.setdefault(history.name, ExitCounts(history))
        found = counts.between(journal.index_at(asked.start), journal.index_at(max(asked.start, asked.end)))
        rows = [_exit_cost(what, cost) for what, cost in found.items()]
        return ExitsAnswer(
            tuple(sorted(rows, key=lambda row: (-1 if row.vm is None else row.vm, -row.count, row.name)))
        )

    def handler(self, asked: ask.HandlerAt) -> HandlerAnswer:
        """Return what the user's handlers did at the last exit up to a position."""
        return read_handler(self._timeline, asked, self._texts)

    @property
    def _end(self) -> Position:
        """The position right behind all that is known."""
        frontier = self._timeline.frontier
        return Position(frontier.n, frontier.seq + 1)

    def _density(self) -> Density:
        history = self._timeline.history
        self._timeline.journal.settle()
        return self._densities.setdefault(history.name, Density(history))


def _exit_cost(what: ExitKind, cost: Cost) -> ExitCost:
    kind = what.kind.name.lower()
    name = _INTERRUPTS[what.kind] if what.ec is None else class_name(what.ec)
    return ExitCost(what.vm, name, kind, what.ec, cost.begun, cost.ended, cost.instructions, cost.time_ns)


def _order(place: _Place) -> tuple[int, int]:
    vm, el = place
    return -1 if vm is None else vm, el


def _places(lanes: list[Lane], whole: Amount, cpu: int | None) -> dict[_Place, list[int]]:
    """Return the numbers of the lanes that make up each place where anything ever ran, on all CPUs or one."""
    found: dict[_Place, list[int]] = {}
    for number, lane in enumerate(lanes):
        if cpu in (None, lane.cpu) and any(number < len(sums) and sums[number] for sums in whole):
            found.setdefault((lane.vm, lane.el), []).append(number)
    return found


def _by_column(columns: list[Amount], numbers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the instructions and the exceptions of some lanes in each column."""
    instructions = tuple(_sum(column.instructions, numbers) for column in columns)
    return instructions, tuple(_sum(column.taken, numbers) for column in columns)


def _sum(counts: list[int], numbers: list[int]) -> int:
    return sum(counts[number] for number in numbers if number < len(counts))


def _row(entry: Entry, turn: Turn, has_python: bool) -> ExceptionRow:
    vm, vcpu = turn.lane.who or (None, None)
    return ExceptionRow(
        position=entry.position,
        what=entry.what,
        cpu=entry.cpu,
        from_el=entry.from_el,
        to_el=entry.to_el,
        kind="" if entry.kind is None else entry.kind.name.lower(),
        esr=entry.esr,
        elr=entry.elr,
        spsr=entry.spsr,
        far=entry.far,
        vm=vm,
        vcpu=vcpu,
        python=has_python and entry.what == "taken" and entry.to_el == 2,
        virtual=turn.is_virtual,
        time_ns=entry.position.n + turn.idle_ns,
    )

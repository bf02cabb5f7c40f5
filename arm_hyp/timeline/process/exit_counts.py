"""Exits to EL2 by VM and kind, and what they took, for any stretch of a run: sums over the journal.

Read `timeline/turns.py` and `timeline/density.py` before this file, `timeline/process/journal_reads.py` after it. As in
`perf kvm stat`, an exit takes from there to the next entry of the same vCPU; where there are no vCPUs, to the return of
the same CPU. What it takes counts where it ends.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.arch.exceptions import Kind

if TYPE_CHECKING:
    from arm_hyp.timeline.history import History
    from arm_hyp.timeline.turns import Lane

BLOCK: Final = 1024
_EL, _EL2 = 0b1100, 0b1000
"""SPSR_ELx.M <3:2>: the level that an exception came from."""


class ExitKind(NamedTuple):
    """Which exits are counted together. `vm` is None without one, `ec` for an interrupt."""

    vm: int | None
    kind: Kind
    ec: int | None


class Cost(NamedTuple):
    """How many there were, how many of them have ended, and what those took: instructions and virtual time in ns."""

    begun: int
    ended: int
    instructions: int
    time_ns: int


_Open = tuple[ExitKind, int, int]
"""An exit that has not ended: which, at which count of instructions, and when in ns."""


class _State(NamedTuple):
    """What is known up to an entry: the costs, the exits that have not ended by vCPU or CPU, and each CPU's level."""

    costs: dict[ExitKind, list[int]]
    open: dict[object, _Open]
    levels: dict[int, int]

    def copy(self) -> _State:
        return _State({what: list(cost) for what, cost in self.costs.items()}, dict(self.open), dict(self.levels))


_NONE: Final = (0, 0, 0, 0)


class ExitCounts:
    """The exits of one branch, summed up to every so many entries of its journal."""

    def __init__(self, history: History) -> None:
        self._journal, self._turns = history.journal, history.turns
        self._states = [_State({}, {}, {})]

    def between(self, start: int, end: int) -> dict[ExitKind, Cost]:
        """Return the costs of the exits between two entries of the journal."""
        before, found = self._until(start).costs, self._until(end).costs
        costs = {what: Cost(*map(sub, cost, before.get(what, _NONE))) for what, cost in found.items()}
        return {what: cost for what, cost in costs.items() if cost != _NONE}

    def _until(self, index: int) -> _State:
        while len(self._states) <= index // BLOCK:
            state, start = self._states[-1].copy(), (len(self._states) - 1) * BLOCK
            self._add(state, start, start + BLOCK)
            self._states.append(state)
        state = self._states[index // BLOCK].copy()
        self._add(state, index // BLOCK * BLOCK, index)
        return state

    def _add(self, state: _State, start: int, stop: int) -> None:
        """Add some entries. Most are of EL1 and EL0 alone: of those only the lane is looked at."""
        lanes, levels = self._turns.lanes, state.levels
        for index, number in enumerate(self._turns.numbers(start, stop), start):
            lane = lanes[number]
            before, levels[lane.cpu] = levels.get(lane.cpu), lane.el
            if lane.el == 2 and before != 2:
                self._left(state, index, lane)
            elif before == 2 and lane.el != 2:
                self._entered(state, index, lane)

    def _left(self, state: _State, index: int, lane: Lane) -> None:
        n, _, _, level, kind, esr, _, spsr, _ = self._journal.told(index)
        if kind < 0 or level != 2 or spsr & _EL == _EL2:  # the first of a CPU
            return
        what = ExitKind(lane.vm, Kind(kind), (esr or 0) >> 26 & 0x3F if kind == Kind.SYNC else None)
        state.costs.setdefault(what, [0, 0, 0, 0])[0] += 1
        state.open[_whose(lane)] = what, n, n + self._turns.idle_ns(index)

    def _entered(self, state: _State, index: int, lane: Lane) -> None:
        began = state.open.pop(_whose(lane), None)
        if began is None:
            return
        (what, began_n, began_ns), n = began, self._journal.told(index)[0]
        cost = state.costs[what]
        cost[1] += 1
        cost[2] += n - began_n
        cost[3] += n + self._turns.idle_ns(index) - began_ns


def _whose(lane: Lane) -> object:
    return lane.cpu if lane.who is None else lane.who

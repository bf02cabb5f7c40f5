"""How much ran where: instructions and exceptions by lane, for any stretch of a run, from sums kept on the way.

Read `timeline/turns.py` before this file, `timeline/process/journal_reads.py` after it. A picture of a whole boot asks
for hundreds of stretches over a million entries: sums up to every 256th entry make each of them short work.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from arm_hyp.timeline.position import Position

if TYPE_CHECKING:
    from arm_hyp.timeline.history import History
    from arm_hyp.timeline.turns import Turns

BLOCK: Final = 256
Counts = list[int]
"""One number for each lane, by the lane's number; those at the end may be missing."""


class Amount(NamedTuple):
    """What ran up to a place: instructions, and exceptions taken, by the lane that they led to."""

    instructions: Counts
    taken: Counts


class Density:
    """The sums of one branch. They grow with it: nothing of a branch ever changes but its end."""

    def __init__(self, history: History) -> None:
        self._history, self._turns = history, history.turns
        self._instructions: list[Counts] = [[]]
        self._taken: list[Counts] = [[]]

    @property
    def turns(self) -> Turns:
        """Whose turns are summed up."""
        return self._turns

    def until(self, position: Position) -> Amount:
        """Return what ran before a position."""
        n = min(position.n, self._history.tip.position.n)
        return Amount(self._instructions_until(n), self._taken_until(self._history.journal.index_at(position)))

    def columns(self, edges: Sequence[Position]) -> list[Amount]:
        """Return what ran between each two edges, which ascend."""
        return [_difference(end, start) for start, end in pairwise(map(self.until, edges))]

    def _instructions_until(self, n: int) -> Counts:
        """Sum up what the lanes ran before a count of instructions. The last lane's end is not in a block."""
        turns = self._turns
        index = bisect_right(turns.starts, n) - 1
        if index < 0:
            return []
        while len(self._instructions) <= index // BLOCK:
            start = (len(self._instructions) - 1) * BLOCK
            self._instructions.append(self._run(self._instructions[-1], start, start + BLOCK))
        counts = self._run(self._instructions[index // BLOCK], index // BLOCK * BLOCK, index)
        counts[turns.running[index]] += n - turns.starts[index]
        return counts

    def _run(self, before: Counts, start: int, stop: int) -> Counts:
        """Add some turns, each of which has an end."""
        turns, counts = self._turns, list(before)
        counts += [0] * (len(turns.lanes) - len(counts))
        starts = turns.starts[start : stop + 1]
        for number, (begin, end) in zip(turns.running[start:stop], pairwise(starts), strict=True):
            counts[number] += end - begin
        return counts

    def _taken_until(self, index: int) -> Counts:
        """Sum up the exceptions before an entry of the journal."""
        while len(self._taken) <= index // BLOCK:
            start = (len(self._taken) - 1) * BLOCK
            self._taken.append(self._take(self._taken[-1], start, start + BLOCK))
        return self._take(self._taken[index // BLOCK], index // BLOCK * BLOCK, index)

    def _take(self, before: Counts, start: int, stop: int) -> Counts:
        counts = list(before)
        counts += [0] * (len(self._turns.lanes) - len(counts))
        for number in self._turns.taken(start, stop):
            counts[number] += 1
        return counts


def _difference(end: Amount, start: Amount) -> Amount:
    return Amount(_less(end.instructions, start.instructions), _less(end.taken, start.taken))


def _less(end: Counts, start: Counts) -> Counts:
    return [one - before for one, before in zip(end, [*start, *[0] * (len(end) - len(start))], strict=True)]


def edges_between(start: Position, end: Position, columns: int) -> list[Position]:
    """Divide into equal stretches of instructions. An exception on an inner edge is of the stretch behind it."""
    inner = [Position(start.n + (end.n - start.n) * index // columns) for index in range(1, columns)]
    return [start, *(max(start, min(edge, end)) for edge in inner), end]

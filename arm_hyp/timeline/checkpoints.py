"""States of a run to go back to, under a budget of memory: dense where the cursor is, thin far away.

Read `timeline/page_versions.py` before this file, `timeline/history.py` after it. A checkpoint is taken where every TLB
is empty (`machine.is_on_grid`, `hypervisor.is_on_exit_grid`): only there is a machine that is restored the same as one
that ran through.
"""

from __future__ import annotations

import pickle
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from arm_hyp.machine.dirty_pages import Run
from arm_hyp.machine.machine import EARLY_GRID, TLB_GRID
from arm_hyp.timeline.budget import DEFAULT_BUDGET_BYTES
from arm_hyp.timeline.page_versions import PageVersions
from arm_hyp.timeline.position import Position

FORWARD_STEP: Final = 4 * TLB_GRID
"""Behind TLB_GRID a forward pass keeps a checkpoint every so many instructions."""


class Checkpoint(NamedTuple):
    """A state without RAM, packed; and what was counted up to there, packed, where anything is counted."""

    position: Position
    packed: bytes
    counted: bytes = b""

    @classmethod
    def of(cls, position: Position, state: dict[str, Any], counted: dict[str, Any] | None = None) -> Checkpoint:
        """Pack a state, and what was counted."""
        return cls(position, _packed(state), b"" if counted is None else _packed(counted))

    @property
    def n(self) -> int:
        """How many instructions have retired."""
        return self.position.n

    def state(self) -> dict[str, Any]:
        """Return the state."""
        state: dict[str, Any] = pickle.loads(self.packed)
        return state

    def counts(self) -> dict[str, Any]:
        """Return what was counted, by a timeline that counts."""
        counted: dict[str, Any] = pickle.loads(self.counted)
        return counted


def _packed(plain: dict[str, Any]) -> bytes:
    return pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)


def next_checkpoint(n: int, step: int = FORWARD_STEP) -> int:
    """Return where the next checkpoint behind `n` is due."""
    every = EARLY_GRID if n < TLB_GRID else step
    return (n // every + 1) * every


class Checkpoints:
    """The checkpoints of one branch. The first is the start of the run, and is never dropped."""

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self.budget_bytes = budget_bytes
        self.pages = PageVersions()
        self._kept: list[Checkpoint] = []
        self._compressed: set[Position] = set()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def positions(self) -> list[Position]:
        """Where the checkpoints are, ascending."""
        return [checkpoint.position for checkpoint in self._kept]

    @property
    def stored_bytes(self) -> int:
        """What all of them take."""
        return self.pages.stored_bytes + sum(len(each.packed) + len(each.counted) for each in self._kept)

    def has(self, position: Position) -> bool:
        """Tell whether there is one at a position."""
        return self.at_or_before(position).position == position

    def has_count(self, n: int) -> bool:
        """Tell whether there is one where so many instructions have retired."""
        index = bisect_left(self._kept, n, key=attrgetter("n"))
        return index < len(self._kept) and self._kept[index].n == n

    def at_or_before(self, position: Position) -> Checkpoint:
        """Return the last checkpoint that is not behind a position."""
        index = bisect_right(self._kept, position, key=attrgetter("position"))
        return self._kept[max(index - 1, 0)]

    def add(self, checkpoint: Checkpoint, changed: Sequence[Run]) -> None:
        """Keep a checkpoint, with the pages that changed since the one before it; then keep to the budget."""
        self.pages.add(checkpoint.position, changed)
        index = bisect_right(self._kept, checkpoint.position, key=attrgetter("position"))
        self._kept.insert(index, checkpoint)
        self._keep_to_budget(checkpoint.n)

    def until(self, position: Position) -> Checkpoints:
        """Return those up to a position, for another branch: contents are shared."""
        made = Checkpoints(self.budget_bytes)
        made._kept = [checkpoint for checkpoint in self._kept if checkpoint.position <= position]
        made.pages = self.pages.until(made._kept[-1].position)
        return made

    def keep_to(self, budget_bytes: int, near: int) -> None:
        """Have another budget from now on: branches share one."""
        self.budget_bytes = budget_bytes
        self._keep_to_budget(near)

    # --- the budget --------------------------------------------------------------------------------------------------

    def _keep_to_budget(self, near: int) -> None:
        """Compress what is far from the cursor, then drop checkpoints there, until the rest fits."""
        if self.stored_bytes <= self.budget_bytes:
            return
        for position in sorted(set(self.positions) - self._compressed, key=lambda position: -abs(position.n - near)):
            self.pages.pack(position)
            self._compressed.add(position)
            if self.stored_bytes <= self.budget_bytes * 7 // 8:
                return
        while self.stored_bytes > self.budget_bytes * 7 // 8 and len(self._kept) > 2:
            self._drop(self._least_useful(near))

    def _least_useful(self, near: int) -> int:
        """Return the index of the checkpoint whose loss costs least: close to its neighbours, far from the cursor."""
        kept = self._kept

        def cost(index: int) -> float:
            gap = kept[index + 1].n - kept[index - 1].n
            return gap / (abs(kept[index].n - near) + TLB_GRID)

        return min(range(1, len(kept) - 1), key=cost)

    def _drop(self, index: int) -> None:
        dropped = self._kept.pop(index)
        following = self._kept[index].position
        self.pages.forget(dropped.position, following)
        self._compressed -= {dropped.position, following}  # that one has others' pages now
